"""The vault's routes at the door other members call; each decodes, calls, encodes."""

from collections.abc import Mapping

from salus.node.peers import Handler
from salus.node.vault import messages as m
from salus.node.vault.vault import Vault
from salus.node.witness.door import handler


def routes(vault: Vault) -> Mapping[str, Handler]:
    """Handlers by route; `node.vault.messages` says what they take."""

    def put(sender: bytes, asked: m.PutAsked) -> m.SignedReceipt:
        signed = vault.put(sender, asked.container)
        return m.SignedReceipt(receipt=signed.data, signature=signed.signature)

    def get(_sender: bytes, asked: m.BatchAsked) -> m.ContainerFound:
        return m.ContainerFound(container=vault.get(asked.batch))

    def holds(_sender: bytes, asked: m.HoldsAsked) -> m.HoldsFound:
        return m.HoldsFound(digest=vault.holds(asked))

    def put_sheet(_sender: bytes, asked: m.SheetPut) -> m.Done:
        vault.put_sheet(asked.sheet)
        return m.Done()

    def put_package(sender: bytes, asked: m.PackagePut) -> m.Done:
        vault.put_package(sender, asked)
        return m.Done()

    return {
        m.PUT: handler(m.PutAsked, put),
        m.GET: handler(m.BatchAsked, get),
        m.GROUPS: handler(m.GroupsAsked, vault.groups),
        m.HOLDS: handler(m.HoldsAsked, holds),
        m.SHEET_PUT: handler(m.SheetPut, put_sheet),
        m.SHEET_GET: handler(m.SheetAsked, lambda _, asked: vault.sheet(asked)),
        m.PACKAGE_PUT: handler(m.PackagePut, put_package),
        m.PACKAGE_GET: handler(m.PackagesOf, lambda _, asked: vault.packages_of(asked.grant)),
        m.PACKAGE_LIST: handler(
            m.PackagesAsked, lambda _, asked: vault.packages_after(asked.after)
        ),
    }
