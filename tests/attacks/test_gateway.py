"""
Attacks on a gateway by other members, each refused or made harmless.

Members lie by other handlers at their doors; everything else is the real network.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from salus.base import codec, merkle
from salus.base.errors import Category, Problem
from salus.base.sealing import seal
from salus.doors.demo.network import Member
from salus.gateway.charts import Chart
from salus.gateway.holders import common, holders_asked
from salus.gateway.who_saw import Disclosures
from salus.modules.consent import queries as consent
from salus.node.vault.messages import (
    GROUPS,
    PACKAGE_LIST,
    PACKAGE_PUT,
    PUT,
    Done,
    GroupsFound,
    PackagePut,
    PackagesFound,
    SignedReceipt,
)
from salus.node.witness.messages import (
    RELEASE,
    RELEASES,
    LogHead,
    ReleaseEntry,
    ReleaseReply,
    ReleasesFound,
)
from salus.sealed import acts
from salus.sealed import container as containers
from salus.sealed.grants import Leaf, pack_package
from salus.sealed.release import ReleaseRequest, Share, refuse, release_place, seal_shares
from tests.acceptance.world import EVERYTHING, World, make_world
from tests.unit.gateway.fhir import bundle, observation, patient

Handler = Callable[[bytes, bytes], bytes]


class Scene:
    """A network, one patient's grant to South, and a member that can be made to lie."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.monkeypatch = monkeypatch
        self.liar = world.network["lab"]
        self.patient = world.patient()
        self.grant = world.give(self.patient.handle, EVERYTHING).grant

    def lie(self, route: str, handler: Callable[[Handler, bytes, bytes], bytes]) -> None:
        """Let the liar answer a route by `handler(honest, sender, body)`."""
        handlers: Any = self.liar.node.door._handlers
        honest = handlers[route]
        lying = lambda sender, body: handler(honest, sender, body)  # noqa: E731 (one closure)
        self.monkeypatch.setitem(handlers, route, lying)

    def ask_liar_early(self) -> None:
        """Let South's gateway ask the liar right after its own vault."""
        office = self.world.south.gateway.office
        rest = [one for one in office.members() if one != self.liar.id]
        self.monkeypatch.setattr(office, "members", lambda: [rest[0], self.liar.id, *rest[1:]])

    def chart(self) -> Chart:
        return self.world.south.gateway.open_chart(self.grant, "TREAT")

    def who_saw(self) -> Disclosures:
        return self.world.north.gateway.who_saw(self.patient.handle)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One network for all attacks of this file, with one patient's two records."""
    made = make_world(tmp_path_factory.mktemp("world"), 0)
    made.north.gateway.import_fhir([("a.json", bundle(patient("a"), observation("a")))])
    yield made
    made.network.close()


@pytest.fixture
def scene(world: World, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A grant and a liar of its own."""
    return Scene(world, monkeypatch)


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _garbage(_honest: Handler, _sender: bytes, _body: bytes) -> bytes:
    return os.urandom(40)


def _altered_item(honest: Handler, sender: bytes, body: bytes) -> bytes:
    """The batch with one item changed: another root than the ledger's."""
    found = codec.decode(honest(sender, body), GroupsFound)
    batches = []
    for one in found.batches:
        parsed = containers.parse(one.container)
        items = [*parsed.items]
        blank = next(at for at, item in enumerate(items) if len(item) == containers.LEAF_BYTES)
        items[blank] = os.urandom(32)
        data = containers.pack(items, parsed.blobs.values(), parsed.signature)
        batches.append(replace(one, container=data))
    return codec.encode(replace(found, batches=batches))


def _altered_blob(honest: Handler, sender: bytes, body: bytes) -> bytes:
    """The batch under its true root, with other ciphertext behind it."""
    found = codec.decode(honest(sender, body), GroupsFound)
    batches = []
    for one in found.batches:
        parsed = containers.parse(one.container)
        blobs = [os.urandom(len(blob)) for blob in parsed.blobs.values()]
        data = containers.pack(parsed.items, blobs, parsed.signature)
        batches.append(replace(one, container=data))
    return codec.encode(replace(found, batches=batches))


def _endless(_honest: Handler, _sender: bytes, _body: bytes) -> bytes:
    return codec.encode(GroupsFound(batches=[], next=bytes(24)))


FALSE_VAULTS = {
    "garbage": _garbage, "another root": _altered_item, "other ciphertext": _altered_blob,
    "pages without end": _endless,
}  # fmt: skip


@pytest.mark.parametrize("lie", FALSE_VAULTS.values(), ids=FALSE_VAULTS.keys())
def test_a_lying_vault_is_named_and_another_asked(
    scene: Scene, lie: Callable[[Handler, bytes, bytes], bytes]
) -> None:
    """What it serves is not used, the next holder is asked, and the chart is whole."""
    scene.world.north.gateway.import_fhir([("other.json", bundle(patient("b")))])
    scene.ask_liar_early()
    scene.lie(GROUPS, lie)
    chart = scene.chart()

    assert (2, True) == (len(chart.records), chart.complete)
    assert (scene.liar.id,) == chart.silent


def test_withheld_groups_come_from_the_other_holders(scene: Scene) -> None:
    """The own vault was away and lacks the batch, one holder hides it: a third one serves it."""
    scene.ask_liar_early()
    hides: Callable[..., bytes] = lambda *_: codec.encode(GroupsFound(batches=[]))  # noqa: E731
    scene.lie(GROUPS, hides)
    own: Any = scene.world.south.node.door._handlers
    scene.monkeypatch.setitem(own, GROUPS, hides)
    chart = scene.chart()

    assert (2, True) == (len(chart.records), chart.complete)


def _fewer_records(honest: Handler, sender: bytes, body: bytes) -> bytes:
    """The batch under its true root and with its groups, but some records left out."""
    found = codec.decode(honest(sender, body), GroupsFound)
    batches = []
    for one in found.batches:
        parsed = containers.parse(one.container)
        items = [*parsed.items[: -parsed.head.entries]]
        items += [
            item if len(item) == containers.LEAF_BYTES else merkle.leaf_hash(item)
            for item in parsed.items[-parsed.head.entries :]
        ]
        batches.append(replace(one, container=containers.pack(items, [], parsed.signature)))
    return codec.encode(replace(found, batches=batches))


def test_records_left_out_of_a_group_come_from_the_other_holders(scene: Scene) -> None:
    """A group is taken from whoever served most of it, whatever the order of the answers."""
    scene.ask_liar_early()
    scene.lie(GROUPS, _fewer_records)
    own: Any = scene.world.south.node.door._handlers
    honest = own[GROUPS]
    scene.monkeypatch.setitem(own, GROUPS, lambda s, b: _fewer_records(honest, s, b))

    assert 2 == len(scene.chart().records)


def test_a_chart_says_when_too_few_holders_were_true(scene: Scene) -> None:
    """Two of four serve falsely: what the others have is shown, as perhaps not all there is."""
    scene.lie(GROUPS, _garbage)
    other: Any = scene.world.network["insurer"].node.door._handlers
    scene.monkeypatch.setitem(other, GROUPS, lambda *_: os.urandom(40))
    chart = scene.chart()

    assert (2, False) == (len(chart.records), chart.complete)


def test_so_many_holders_are_asked_that_one_is_honest_and_has_it() -> None:
    """Of n members r hold a batch and f lie: n - r + f + 1, never more than there are."""
    networks = ((1, 1), (3, 2), (4, 3), (5, 5), (7, 4))

    assert [1, 2, 3, 2, 6] == [holders_asked(members, copies) for members, copies in networks]


def _shares(scene: Scene, make: Callable[[int], Share]) -> Callable[[Handler, bytes, bytes], bytes]:
    """A witness's answer with shares of one's own making."""

    def lie(honest: Handler, sender: bytes, body: bytes) -> bytes:
        reply = codec.decode(honest(sender, body), ReleaseReply)
        assert reply.answer is not None
        request = codec.decode(body, ReleaseRequest)
        leaf = codec.decode(request.leaf, Leaf)
        place = release_place(leaf.intent, _seat(scene), request.wants)
        made = [make(at) for at in range(len(request.wants))]
        network = scene.world.south.gateway.office.network
        sealed = seal_shares(leaf.session_key, network, place, made)
        return codec.encode(ReleaseReply(answer=replace(reply.answer, shares=sealed)))

    return lie


def _seat(scene: Scene) -> int:
    seats = consent.seats(scene.world.south.node.ledger.view())
    assert seats is not None
    return next(one.x for one in seats.holders if one.member == scene.liar.id)


def test_a_false_share_is_blamed_and_the_chart_opens(scene: Scene) -> None:
    """Digests show who lied; three of four shares join (§7)."""
    scene.lie(RELEASE, _shares(scene, lambda _: Share(0, os.urandom(32))))
    chart = scene.chart()

    assert 2 == len(chart.records)
    assert frozenset({_seat(scene)}) == chart.blamed


def _silent(_honest: Handler, _sender: bytes, _body: bytes) -> bytes:
    raise Problem(Category.UNAVAILABLE, "PeerDown", "no answer")


def _nothing(_honest: Handler, _sender: bytes, _body: bytes) -> bytes:
    return codec.encode(ReleaseReply())


def _refuses(_honest: Handler, _sender: bytes, _body: bytes) -> bytes:
    return codec.encode(ReleaseReply(refusal=refuse(10)))


def _altered(honest: Handler, sender: bytes, body: bytes) -> bytes:
    reply = codec.decode(honest(sender, body), ReleaseReply)
    assert reply.answer is not None
    answer = replace(reply.answer, shares=_flipped(reply.answer.shares, 40))
    return codec.encode(replace(reply, answer=answer))


def _too_few(honest: Handler, sender: bytes, body: bytes) -> bytes:
    reply = codec.decode(honest(sender, body), ReleaseReply)
    assert reply.answer is not None
    return codec.encode(replace(reply, answer=replace(reply.answer, shares=b"")))


FALSE_WITNESSES = {
    "silent": _silent, "garbage": _garbage, "neither yes nor no": _nothing,
    "a false refusal": _refuses, "a broken seal": _altered, "no shares": _too_few,
}  # fmt: skip


@pytest.mark.parametrize("lie", FALSE_WITNESSES.values(), ids=FALSE_WITNESSES.keys())
def test_one_witness_that_gives_nothing_stops_no_chart(
    scene: Scene, lie: Callable[[Handler, bytes, bytes], bytes]
) -> None:
    """It is named; the other three suffice (t of n = 3 of 4)."""
    scene.lie(RELEASE, lie)
    chart = scene.chart()

    assert 2 == len(chart.records)
    assert (scene.liar.id,) == chart.silent


def test_the_reason_told_is_that_of_most_witnesses() -> None:
    """One liar's W10 does not hide that two are down; among equals the numbered one is told."""
    down = Problem(Category.UNAVAILABLE, "PeerDown", "down")
    revoked = Problem(Category.FORBIDDEN, "GrantRevoked", "revoked", code="W10")

    assert down is common([revoked, down, down])
    assert revoked is common([down, revoked])


def test_a_false_receipt_does_not_stop_a_commit(scene: Scene) -> None:
    """It would have the ledger refuse all of them; it is left out, and three others suffice."""

    def lie(honest: Handler, sender: bytes, body: bytes) -> bytes:
        signed = codec.decode(honest(sender, body), SignedReceipt)
        return codec.encode(replace(signed, signature=_flipped(signed.signature, 30)))

    scene.lie(PUT, lie)
    report = scene.world.north.gateway.import_fhir([("r.json", bundle(patient("receipt")))])

    assert (1, []) == (report.records, report.refused)


def test_one_vaults_refusal_does_not_blame_a_document(scene: Scene) -> None:
    """A single member says V7: the others store it, and nothing goes to quarantine."""

    def lie(*_: object) -> bytes:
        raise Problem(Category.INVALID, "TagUnknown", "no such tag", code="V7")

    scene.lie(PUT, lie)
    report = scene.world.north.gateway.import_fhir([("v.json", bundle(patient("vault")))])

    assert (1, []) == (report.records, report.refused)


def test_a_forged_package_is_not_taken(scene: Scene) -> None:
    """Anybody can seal to South's key: only terms the ledger is committed to count."""
    south = scene.world.south
    received = south.gateway._packages.one(scene.grant)
    terms = codec.encode(replace(received.terms, sessions_per_day=1))
    forged = replace(received.package, terms=terms, keys=[])
    sealed = seal(
        south.keys.sealing.public,
        pack_package(forged),
        "package",
        south.gateway.office.network,
        scene.grant,
    )
    for member in scene.world.network:
        scene.liar.gateway.office.ask(
            member.id, PACKAGE_PUT, PackagePut(grant=scene.grant, sealed=sealed), Done
        )

    assert received == south.gateway._packages.one(scene.grant)
    assert 2 == len(scene.chart().records)


def test_a_package_of_false_keys_does_not_replace_the_true_ones(scene: Scene) -> None:
    """A witness saw the terms and makes a package of them: keys that came before stay."""
    south = scene.world.south
    received = south.gateway._packages.one(scene.grant)
    keys = [replace(one, nodes=os.urandom(len(one.nodes))) for one in received.package.keys]
    sealed = seal(
        south.keys.sealing.public,
        pack_package(replace(received.package, keys=keys)),
        "package",
        south.gateway.office.network,
        scene.grant,
    )
    scene.liar.gateway.office.ask(
        south.id, PACKAGE_PUT, PackagePut(grant=scene.grant, sealed=sealed), Done
    )

    assert 2 == len(scene.chart().records)


def test_an_endless_list_of_packages_ends(scene: Scene) -> None:
    """A member that always says "more" is left after its first empty page."""
    scene.lie(PACKAGE_LIST, lambda *_: codec.encode(PackagesFound(packages=[], more=True)))

    assert scene.grant in [one.grant for one in scene.world.south.gateway.received()]


def _hides_lines(honest: Handler, sender: bytes, body: bytes) -> bytes:
    found = codec.decode(honest(sender, body), ReleasesFound)
    return codec.encode(replace(found, entries=[], next=None))


def test_a_witness_that_omits_lines_hides_nothing(scene: Scene) -> None:
    """The other three logged the session too; that this one does not say so can be seen."""
    scene.chart()
    scene.lie(RELEASES, _hides_lines)
    found = scene.who_saw()

    said = [line.witnesses for line in found.lines if line.grant == scene.grant]

    assert found.complete
    assert [3] == [len(witnesses) for witnesses in said]
    assert scene.liar.id not in said[0]


def _forges_a_line(honest: Handler, sender: bytes, body: bytes) -> bytes:
    """A line about an opening that never was."""
    found = codec.decode(honest(sender, body), ReleasesFound)
    entries = []
    for one in found.entries:
        entry = codec.decode(one.entry, ReleaseEntry)
        forged = codec.encode(replace(entry, intent_ms=entry.intent_ms + 1))
        entries.append(replace(one, entry=forged))
    return codec.encode(replace(found, entries=entries))


def _turns_back(honest: Handler, sender: bytes, body: bytes) -> bytes:
    found = codec.decode(honest(sender, body), ReleasesFound)
    return codec.encode(replace(found, next=0))


def _unsigned(honest: Handler, sender: bytes, body: bytes) -> bytes:
    found = codec.decode(honest(sender, body), ReleasesFound)
    return codec.encode(replace(found, signature=_flipped(found.signature, 30)))


FALSE_LOGS = {
    "a forged line": (_forges_a_line, "LineNotProven"),
    "pages without end": (_turns_back, "CursorStuck"),
    "an unsigned head": (_unsigned, "LogUnsigned"),
    "garbage": (_garbage, "AnswerMalformed"),
    "no answer": (_silent, "PeerDown"),
}


@pytest.mark.parametrize(("lie", "name"), FALSE_LOGS.values(), ids=FALSE_LOGS.keys())
def test_a_witness_whose_answer_does_not_hold_counts_as_silent(
    scene: Scene, lie: Callable[[Handler, bytes, bytes], bytes], name: str
) -> None:
    """It is named with the reason; the list is complete by the three others."""
    scene.chart()
    scene.lie(RELEASES, lie)
    found = scene.who_saw()

    assert (3, True) == (found.answered, found.complete)
    assert {scene.liar.id: name} == {one: why.name for one, why in found.silent.items()}
    assert all(scene.liar.id not in line.witnesses for line in found.lines)


def test_a_witness_that_rewrites_its_log_contradicts_its_anchor(scene: Scene) -> None:
    """A head over a log without the old lines, signed by the witness: not what it anchored."""
    scene.chart()
    liar = scene.liar
    liar.gateway.housekeeping.anchor()
    scene.world.north.node.ledger.wait_above(liar.node.ledger.tip.height - 1, 10)

    def lie(honest: Handler, sender: bytes, body: bytes) -> bytes:
        found = codec.decode(honest(sender, body), ReleasesFound)
        head = codec.decode(found.head, LogHead)
        emptied = replace(head, size=0, root=merkle.root([]))
        signed = acts.sign(liar.keys.service, head.chain, emptied)
        return codec.encode(
            replace(found, entries=[], next=None, head=signed.data, signature=signed.signature)
        )

    scene.lie(RELEASES, lie)

    assert "LogRewritten" == scene.who_saw().silent[liar.id].name


def test_a_witness_that_denies_its_anchor_is_found_out(scene: Scene) -> None:
    """It says that nothing was anchored yet, to escape the proof of growth."""
    scene.chart()
    scene.liar.gateway.housekeeping.anchor()
    scene.world.north.node.ledger.wait_above(scene.liar.node.ledger.tip.height - 1, 10)

    def lie(honest: Handler, sender: bytes, body: bytes) -> bytes:
        found = codec.decode(honest(sender, body), ReleasesFound)
        return codec.encode(replace(found, anchored=0, consistency=[]))

    scene.lie(RELEASES, lie)

    assert "LogRewritten" == scene.who_saw().silent[scene.liar.id].name


def test_with_two_witnesses_silent_the_list_says_it_may_be_incomplete(scene: Scene) -> None:
    """Two of four are fewer than n - f = 3."""
    scene.chart()
    scene.lie(RELEASES, _silent)
    other: Member = scene.world.network["insurer"]
    handlers: Any = other.node.door._handlers
    scene.monkeypatch.setitem(handlers, RELEASES, lambda s, b: _silent(handlers, s, b))
    found = scene.who_saw()

    assert (2, False) == (found.answered, found.complete)


def test_who_saw_reads_all_pages(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """More sessions than one answer holds: page after page, each line once."""
    before = len(scene.who_saw().lines)
    for _ in range(5):
        scene.chart()
    monkeypatch.setattr("salus.node.witness.disclosure.RELEASES_ANSWER_MAX", 2)

    assert before + 5 == len(scene.who_saw().lines)
