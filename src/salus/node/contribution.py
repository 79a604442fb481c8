"""
A member's contribution: what it hands the others so that they can take it in.

    NAME.salus-member    JSON, equal byte for byte to its own canonical form (sorted keys, two
                         spaces, ASCII, newline): {format, made_ms, member, node, proofs}

`member` is what stands in a genesis file or in a vote: name, address, public keys, two issuers. Its
fingerprint is the same in all three places, and is what operators compare by eye. Every key in it
that can sign has signed the whole file, so nobody brings a key that is another's.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.base.hashing import domain, domain_hash
from salus.base.signing import SignatureRefused, SigningKey, member_id, verify
from salus.base.types import TimeMs
from salus.modules.members import rules
from salus.modules.members.actions import Admit, first_key
from salus.modules.members.genesis import GenesisIssuer, GenesisKey, GenesisMember, Hex, admission
from salus.modules.members.state import LOG, NODE, SEALING, SERVICE, TRANSACTION
from salus.node.comet.nodes import NodeAddress
from salus.node.comet.validators import node_id
from salus.node.issuers import COUNT, Issuer
from salus.node.keys import MemberKeys

FORMAT = "salus-member/1"
SUFFIX = ".salus-member"

CONTRIBUTION_BYTES_MAX = 64 * 1024
"""A key or configuration file (`security.md` §8)."""

NEEDED = (TRANSACTION, SEALING, SERVICE, LOG, NODE)
"""One key of each: a member that votes on blocks."""


class Contribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's contents."""

    format: str
    made_ms: TimeMs
    """Its member's clock; the newest of all is the genesis file's time."""

    member: GenesisMember
    """Without power: that is the others' to give."""

    node: NodeAddress
    """Where the other members' CometBFT connects."""

    proofs: list[Hex]
    """By each key that can sign, 65 B in hex: `member.keys` in order, then the issuers'."""

    @property
    def admission(self) -> Admit:
        """The vote that takes the member in."""
        return admission(self.member)

    @property
    def id(self) -> bytes:
        """The member's id, 16 B."""
        return member_id(first_key(self.admission.keys) or b"")

    @property
    def fingerprint(self) -> str:
        """What two operators compare by eye."""
        return fingerprint(self.admission)


@dataclass(frozen=True)
class Secrets:
    """All keys that sign a contribution."""

    keys: MemberKeys
    node: SigningKey
    issuers: Sequence[Issuer]

    @property
    def signers(self) -> list[SigningKey]:
        """In the order of the proofs."""
        return [
            self.keys.transaction,
            self.keys.service,
            self.keys.log,
            self.node,
            *(one.key for one in self.issuers),
        ]


def make(secrets: Secrets, *, title: str, address: str, listen: str, now_ms: int) -> bytes:
    """
    Write and sign a contribution.

    `title`: the member's name on the ledger; `address`: its peer door; `listen`: `host:port` of its
    CometBFT. Raises as `read` what would be refused there.
    """
    keys = secrets.keys
    public = {
        TRANSACTION: keys.transaction.public,
        SEALING: keys.sealing.public,
        SERVICE: keys.service.public,
        LOG: keys.log.public,
        NODE: secrets.node.public,
    }
    member = GenesisMember(
        name=title,
        address=address,
        keys=[GenesisKey(use=use, key=key.hex()) for use, key in public.items()],
        issuers=[
            GenesisIssuer(
                id=one.id.hex(), key=one.key.public.hex(), credential=one.credential.hex()
            )
            for one in secrets.issuers
        ],
    )
    made = Contribution(
        format=FORMAT,
        made_ms=now_ms,
        member=member,
        node=f"{node_id(secrets.node.public)}@{listen}",
        proofs=[],
    )
    signed = _signed_bytes(made)
    proofs = [key.sign(signed).hex() for key in secrets.signers]
    data = _canonical(msgspec.structs.replace(made, proofs=proofs))
    read(data)
    return data


def read(data: bytes) -> Contribution:
    """
    Read and check a contribution.

    Raises Problem ContributionMalformed: another form, a key or address that a vote would refuse,
    not one key a use, a node that is not the node key's; ContributionNotProven: a signature is
    missing or does not hold.
    """
    if len(data) > CONTRIBUTION_BYTES_MAX:
        raise _malformed(f"at most {CONTRIBUTION_BYTES_MAX} bytes, found {len(data)}")
    try:
        made = msgspec.json.decode(data, type=Contribution)
        admitted = made.admission
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, codec.Malformed, ValueError):
        raise _malformed(f"a file of format {FORMAT}") from None
    if made.format != FORMAT or _canonical(made) != data or made.member.power:
        raise _malformed(f"a file of format {FORMAT} in its canonical form, as it was made")
    _check_member(made, admitted)
    _check_proofs(made, admitted)
    return made


def fingerprint(admitted: Admit) -> str:
    """SHA-256(D("admission") ‖ canonical action) in hex, in groups of eight digits."""
    digits = domain_hash("admission", codec.encode(admitted)).hex()
    return " ".join(digits[at : at + 8] for at in range(0, len(digits), 8))


def _check_member(made: Contribution, admitted: Admit) -> None:
    if [one.use for one in admitted.keys] != list(NEEDED):
        raise _malformed("one key each of uses 1, 2, 4, 5 and 6, in this order")
    if not all(rules.is_key(one.use, one.key) for one in admitted.keys):
        raise _malformed("sound keys")
    if len({one.id for one in admitted.issuers}) != COUNT:
        raise _malformed("two different issuers")
    if not all(rules.is_signature_key(one.key) for one in admitted.issuers):
        raise _malformed("sound keys of the issuers")
    if admitted.address is None or not rules.is_address(admitted.address):
        raise _malformed("an address as https://host:port")
    if made.node.split("@")[0] != node_id(admitted.keys[-1].key):
        raise _malformed("the node that its node key names")


def _check_proofs(made: Contribution, admitted: Admit) -> None:
    keys = [one.key for one in admitted.keys if one.use != SEALING]
    keys += [one.key for one in admitted.issuers]
    signed = _signed_bytes(made)
    try:
        for key, proof in zip(keys, made.proofs, strict=True):
            verify(key, bytes.fromhex(proof), signed)
    except (SignatureRefused, ValueError):
        raise Problem(
            Category.UNVERIFIED,
            "ContributionNotProven",
            "expected each key of the file to have signed it, found one that did not: the file was "
            "altered, or holds another's key. Ask its member for it again, by another way",
        ) from None


def _signed_bytes(made: Contribution) -> bytes:
    """D("contribution") ‖ the canonical file without its proofs."""
    return domain("contribution") + _canonical(msgspec.structs.replace(made, proofs=[]))


def _canonical(made: Contribution) -> bytes:
    plain = msgspec.to_builtins(made)
    return (json.dumps(plain, sort_keys=True, indent=2) + "\n").encode("ascii")


def _malformed(expected: str) -> Problem:
    return Problem(
        Category.MALFORMED,
        "ContributionMalformed",
        f"expected {expected}: ask its member to make it again by `salus network contribute`",
    )
