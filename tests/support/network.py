"""
A network on disk for tests: a real ledger that executes blocks, without an engine, and its people.

    network = make_network(tmp_path)               four members, each with a seat, on one ledger
    patient = network.patient("ada")               a wallet whose tags are registered, with sheets
    network.commit([message], network.members[0])  one block a call, a second later
    node = network.node(0)                         that member's vault, witness and share store

All members' nodes read the same ledger: what differs between members is what they hold.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.base import codec
from salus.base.signing import SigningKey
from salus.chain import machine
from salus.client.seal import Author, RecordToSeal, Sealed, Seats, TagToSeal, seal_batch
from salus.client.wallet import CompartmentKeys, Wallet
from salus.machine.block import Block, Receipt
from salus.machine.genesis import FORMAT, Genesis, write_genesis
from salus.machine.module import Message
from salus.machine.tables import NONCE
from salus.machine.transaction import sign
from salus.modules.consent import queries as consent
from salus.modules.consent.messages import PutGrant, RegisterTags, UpdateTag
from salus.modules.records.messages import CommitBatch, MemberReceipt
from salus.node.ledger import Ledger
from salus.node.peers import Identity, Peer, PeerDoor, Transport
from salus.node.vault.door import routes as vault_routes
from salus.node.vault.vault import Vault
from salus.node.witness.door import routes as witness_routes
from salus.node.witness.shares import ShareStore
from salus.node.witness.witness import Witness
from salus.sealed import acts
from salus.sealed.acts import Link, Signed, UpdateTagAct
from salus.sealed.days import day_slot
from salus.sealed.grants import (
    Item,
    PutGrantAct,
    Reader,
    Terms,
    commitment,
    sign_opening,
)
from salus.sealed.record import Meta
from salus.sealed.release import ShownTerms
from salus.sealed.sheet import sheet_root
from tests.support.machine import GENESIS_MS, Actor, Person
from tests.support.parts import Granted, Patient, StillClock, TestNode

BLOCK_MS = 1_000
SEGMENT_BYTES = 1_048_576
HOUR_MS = 3_600_000
DAY = 46_349
"""Clinical day 2026-11-25; each sheet of a test begins before it."""

FIRST_DAY = DAY // 64 * 64 - 64


@dataclass
class Network:
    """One ledger, its members' keys, and their nodes."""

    folder: Path
    ledger: Ledger
    members: list[Actor]
    clock: StillClock
    nodes: dict[int, TestNode] = field(default_factory=dict)

    def commit(self, messages: Sequence[Message], signer: Actor | None = None) -> Receipt:
        """Execute one transaction of `signer` (the first member) in a block of its own."""
        return self.block([messages], signer or self.members[0])[0]

    def block(self, transactions: Sequence[Sequence[Message]], signer: Actor) -> list[Receipt]:
        """Execute a block of one signer's transactions; `[]` makes an empty one."""
        tip = self.ledger.tip
        time_ms = tip.time_ms + BLOCK_MS
        window = self.ledger.view().read(NONCE, signer.transaction.key_id)
        first = 0 if window is None else window.floor
        txs = [
            sign(
                self.ledger.network,
                signer.transaction,
                messages,
                nonce=first + at,
                until_ms=time_ms + 60_000,
            )
            for at, messages in enumerate(transactions)
        ]
        block = Block(evidence=[], height=tip.height + 1, time_ms=time_ms, txs=txs)
        executed = self.ledger.execute(block)
        self.ledger.commit(executed)
        self.clock.time_ms = max(self.clock.time_ms, time_ms)
        return executed.outcome.receipts

    def wait(self, span_ms: int) -> None:
        """Let time pass: one empty block at its end."""
        tip = self.ledger.tip
        block = Block(evidence=[], height=tip.height + 1, time_ms=tip.time_ms + span_ms, txs=[])
        self.ledger.commit(self.ledger.execute(block))
        self.clock.time_ms = self.ledger.tip.time_ms

    def must(self, messages: Sequence[Message], signer: Actor | None = None) -> None:
        """Commit messages that no rule refuses."""
        receipt = self.commit(messages, signer)
        assert receipt.code == 0, f"refused with {receipt.code}"

    def node(self, number: int, **options: Any) -> TestNode:
        """A member's node, opened when first asked for; `options` go to its vault."""
        if number not in self.nodes:
            self.nodes[number] = self.open_node(number, **options)
        return self.nodes[number]

    def open_node(self, number: int, **options: Any) -> TestNode:
        """Open a member's node over its folder."""
        actor = self.members[number]
        folder = self.folder / f"member-{number}"
        identity = Identity(self.ledger.network, actor.id, actor.service)
        shares = ShareStore(folder / "witness", bytes([number]) * 32, [actor.sealing], self.clock)
        vault = Vault(folder / "vault", self.ledger, identity, shares, self.clock, **options)
        witness = Witness(folder / "witness", self.ledger, identity, shares, self.clock)
        routes = {**vault_routes(vault), **witness_routes(witness)}
        door = PeerDoor(
            self.ledger.network, actor.id, self.ledger.view, routes, self.clock, self._reach
        )
        return TestNode(identity, shares, vault, witness, door)

    def reopen(self, number: int, **options: Any) -> TestNode:
        """Close a member's node and open it again."""
        self.nodes.pop(number).close()
        return self.node(number, **options)

    def peer(self, me: int, other: int, transport: Transport | None = None) -> Peer:
        """Member `other` as member `me` sees it, over signed calls in process."""
        way = transport or self.node(other).door.answer
        return Peer(self.node(me).identity, self.members[other].id, way, self.clock, self._height)

    def _height(self) -> int:
        return self.ledger.tip.height

    def _reach(self, height: int) -> bool:
        return height <= self.ledger.tip.height

    def patient(self, compartments: Sequence[int] = (3, 4)) -> Patient:
        """A new person: tags registered, first sheets set."""
        wallet = Wallet.random()
        keys = {number: wallet.compartment(number) for number in compartments}
        network = self.ledger.network
        new = [acts.register_tag(one.control(0), network, one.tag) for one in keys.values()]
        self.must([RegisterTags(tags=sorted(new, key=lambda one: one.tag))])
        sheets = {number: one.sheet(0, FIRST_DAY) for number, one in keys.items()}
        for number, one in keys.items():
            self.update_tag(one, sheet_root=sheet_root(sheets[number], network))
        return Patient(wallet, keys, sheets, self.ledger.tip.time_ms + 30 * 24 * HOUR_MS)

    def update_tag(
        self, keys: CompartmentKeys, *, new_control: SigningKey | None = None, **changes: Any
    ) -> None:
        """Change a tag's record by its control key 0; `new_control` takes over."""
        view = self.ledger.view()
        record = consent.tag(view, keys.tag)
        assert record is not None
        fields = {
            "control_key": record.control_key if new_control is None else new_control.public,
            "era": record.era,
            "first_day": FIRST_DAY,
            "generation": record.generation,
            "open": True,
            "sequence": record.sequence + 1,
            "sheet_root": record.sheet_root,
            "tag": keys.tag,
        }
        act = UpdateTagAct(**{**fields, **changes})
        signed = acts.sign(keys.control(0), self.ledger.network, act)
        proof = None
        if new_control is not None:
            proof = acts.prove_new_key(new_control, self.ledger.network, signed.data)
        self.must([UpdateTag(act=signed.data, signature=signed.signature, proof=proof)])

    def link(self, patient: Patient, compartment: int, **changes: Any) -> Signed:
        """A tag's leave to write, for any member."""
        fields = {
            "emergency": False,
            "era": 0,
            "tag": patient.tag(compartment),
            "until": patient.link_until_ms,
        }
        link = Link(**{**fields, **changes})
        return acts.sign(patient.control(compartment), self.ledger.network, link)

    def tag_to_seal(
        self, patient: Patient, compartment: int, days: Sequence[int], **link: Any
    ) -> TagToSeal:
        """What a writer knows of a tag."""
        signed = self.link(patient, compartment, **link)
        keys = patient.tags[compartment]
        slots = {day_slot(day) for day in days}
        return TagToSeal(
            generation=0,
            owner_key=keys.owner(0).public,
            slot_keys={slot: keys.slot_key(0, slot).bare for slot in slots},
            link=signed.data,
            link_signature=signed.signature,
        )

    def seal(
        self,
        patient: Patient,
        days: Sequence[int] = (DAY,),
        *,
        author: int = 0,
        seats: Seats | None = None,
        chain: bytes | None = None,
        body: bytes = b'{"resourceType":"Observation"}',
        tags: dict[bytes, TagToSeal] | None = None,
    ) -> Sealed:
        """Seal a record a day and compartment of one patient, not yet sent anywhere."""
        actor = self.members[author]
        return seal_batch(
            [
                RecordToSeal(
                    tag=patient.tag(number),
                    slot=day_slot(day),
                    record=os.urandom(16),
                    version=0,
                    meta=Meta(type="Observation", id="o1", labels=[], day=day),
                    body=body,
                )
                for number in patient.tags
                for day in days
            ],
            chain=chain or self.ledger.network,
            author=Author(actor.id, actor.service, bytes(32), 0),
            seats=seats or self.seats(),
            tags=tags
            or {
                patient.tag(number): self.tag_to_seal(patient, number, days)
                for number in patient.tags
            },
        )

    def seats(self, **changes: Any) -> Seats:
        """The seats of the day, with every member's sealing key."""
        version, row = consent.seats_current(self.ledger.view()) or (0, None)
        assert row is not None
        keys = {actor.id: actor.sealing.public for actor in self.members}
        holders = tuple((holder.x, keys[holder.member]) for holder in row.holders)
        fields = {"version": version, "threshold": row.threshold, "holders": holders}
        return Seats(**{**fields, **changes})

    def store(self, sealed: Sealed, *numbers: int, author: int = 0) -> None:
        """Put a container into vaults (all members') and commit it."""
        sender = self.members[author].id
        receipts = []
        for number in numbers or range(len(self.members)):
            signed = self.node(number).vault.put(sender, sealed.container)
            receipts.append(
                MemberReceipt(
                    member=self.members[number].id,
                    receipt=signed.data,
                    signature=signed.signature,
                )
            )
        version, _ = consent.seats_current(self.ledger.view()) or (0, None)
        message = CommitBatch(
            batch=sealed.batch,
            bytes=sealed.padded_bytes,
            receipts=sorted(receipts, key=lambda one: one.member),
            root=sealed.root,
            seats=version,
        )
        self.must([message], self.members[author])

    def grant(
        self, patient: Patient, member: int, *, on_ledger: bool = True, **changes: Any
    ) -> Granted:
        """A grant of all the patient's tags to a member's people, put on the ledger."""
        grant = os.urandom(16)
        key = patient.wallet.grant_key(grant)
        now_ms = self.ledger.tip.time_ms
        tags = sorted(patient.tag(number) for number in patient.tags)
        fields: dict[str, Any] = {
            "chain": self.ledger.network,
            "consent": bytes(32),
            "from_ms": now_ms,
            "grant": grant,
            "grant_key": key.public,
            "items": [Item(era=0, first_day=DAY - 30, last_day=DAY, tag=tag) for tag in tags],
            "mode": "view",
            "practitioners": [],
            "purposes": ["TREAT"],
            "reader": Reader(member=self.members[member].id),
            "residual": [],
            "roles": [],
            "salt": os.urandom(16),
            "sessions_per_day": 100,
            "until_ms": (now_ms // HOUR_MS + 24) * HOUR_MS,
            "v": 1,
        }
        terms = Terms(**{**fields, **changes})
        shown = self.show(patient, terms)
        if on_ledger:
            self.put_grant(terms, shown, key)
        return Granted(grant, key, terms, shown)

    def show(self, patient: Patient, terms: Terms) -> ShownTerms:
        """Terms with an opening by each tag's control key."""
        data = codec.encode(terms)
        keys = {patient.tag(number): patient.control(number) for number in patient.tags}
        stranger = SigningKey.random()
        openings = [
            sign_opening(keys.get(item.tag, stranger), self.ledger.network, data, item.tag)
            for item in terms.items
        ]
        return ShownTerms(openings=openings, terms=data)

    def put_grant(self, terms: Terms, shown: ShownTerms, key: SigningKey) -> None:
        """Put a grant's public half on the ledger."""
        act = PutGrantAct(
            commitment=commitment(shown.terms),
            grant=terms.grant,
            grant_key=key.public,
            until_ms=terms.until_ms,
        )
        signed = acts.sign(key, self.ledger.network, act)
        self.must([PutGrant(act=signed.data, signature=signed.signature)])

    def person(self, member: int) -> Person:
        """A practitioner of a member."""
        return self.members[member].issuers[0]

    def close(self) -> None:
        """Close all that is open."""
        for node in self.nodes.values():
            node.close()
        self.ledger.close()


def make_network(folder: Path, members: int = 4) -> Network:
    """A new network in `folder`; every member holds the seat of its number plus one."""
    actors = [Actor(number) for number in range(members)]
    genesis = write_genesis(
        Genesis(
            format=FORMAT,
            name="test",
            time_ms=GENESIS_MS,
            mode="embedded",
            version=1,
            members=[actor.genesis() for actor in actors],
            parameters={},
            modules={
                "consent": [
                    {"x": number + 1, "member": actor.id.hex()}
                    for number, actor in enumerate(actors)
                ]
            },
        )
    )
    ledger = Ledger.open(folder / "ledger", machine(), genesis, segment_bytes=SEGMENT_BYTES)
    return Network(folder, ledger, actors, StillClock(ledger.tip.time_ms))
