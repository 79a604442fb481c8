"""Who saw: only a tag's or grant's key is told, every line proves itself, no line can vanish."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.base import codec, merkle
from salus.base.errors import Fault, Problem
from salus.base.signing import SigningKey
from salus.modules.consent import queries as consent
from salus.node.peers import PeerDoor
from salus.node.witness.messages import (
    RELEASES,
    LogHead,
    ReleaseEntry,
    ReleasesAsk,
    ReleasesAsked,
    ReleasesFound,
)
from salus.node.witness.release_log import FILE
from salus.sealed import acts
from salus.sealed.grants import Leaf
from salus.sealed.release import Want
from tests.support.network import DAY, Network, make_network
from tests.support.reader import start

READER = 1
WITNESS = 2


class Seen:
    """A patient whose two tags were read twice under one grant."""

    def __init__(self, network: Network) -> None:
        """Make it all with a patient of its own."""
        self.network = network
        self.before = network.node(WITNESS).witness.log_size
        self.patient = self.network.patient()
        sealed = self.network.seal(self.patient, [DAY])
        self.network.store(sealed, 0, 1, 2)
        self.granted = self.network.grant(self.patient, READER)
        self.wants = [Want(batch=sealed.batch, group=group) for group in range(2)]
        for _ in range(2):
            self.read()

    def read(self) -> None:
        """One more session."""
        start(self.network, self.granted, READER, self.wants).ask(self.network.node(WITNESS))

    def anchor(self) -> None:
        """Put the witness's anchor on the ledger."""
        message = self.network.node(WITNESS).witness.anchor()
        assert message is not None
        self.network.must([message], self.network.members[WITNESS])

    def ask(self, key: SigningKey, **fields: Any) -> ReleasesFound:
        """Ask the witness, signed by `key`."""
        ask = ReleasesAsk(
            **{
                "after": 0,
                "created_ms": self.network.clock.now_ms(),
                "to": self.network.members[WITNESS].id,
                **fields,
            }
        )
        signed = acts.sign(key, self.network.ledger.network, ask)
        asked = ReleasesAsked(ask=signed.data, signature=signed.signature)
        return self.network.node(WITNESS).witness.releases(asked)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One network for the tests that damage nothing."""
    made = make_network(tmp_path_factory.mktemp("network"))
    yield made
    made.close()


@pytest.fixture
def seen(network: Network) -> Seen:
    """The start, on the shared network."""
    return Seen(network)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Seen]:
    """The start, on a network whose files the test may damage."""
    made = Seen(make_network(tmp_path))
    yield made
    made.network.close()


def test_tag_key_sees_its_lines_with_proofs(seen: Seen) -> None:
    """Each line of the tag proves itself under the signed head, and its leaf under the ledger."""
    found = seen.ask(seen.patient.control(3), tag=seen.patient.tag(3))
    network = seen.network
    head = acts.check(
        LogHead,
        network.members[WITNESS].service.public,
        network.ledger.network,
        found.head,
        found.signature,
    )
    lines = [codec.decode(one.entry, ReleaseEntry) for one in found.entries]

    assert 2 == len(lines)
    for one, line in zip(found.entries, lines, strict=True):
        leaf_hash = merkle.leaf_hash(one.entry)
        assert head.root == merkle.root_from_path(leaf_hash, one.number, head.size, one.path)
        intent = consent.intents(network.ledger.view(), line.member, line.sequence)
        assert intent is not None
        posted = merkle.leaf_hash(line.leaf)
        assert intent.root == merkle.root_from_path(posted, line.index, intent.leaves, line.path)
    assert [seen.patient.tag(3)] * 2 == [line.tag for line in lines]
    assert {seen.granted.grant} == {codec.decode(line.leaf, Leaf).subject for line in lines}


def test_grant_key_sees_all_lines_of_its_grant(seen: Seen) -> None:
    """The grant's key sees what was read under it, by every tag."""
    found = seen.ask(seen.granted.key, grant=seen.granted.grant)

    assert [seen.before + at for at in range(4)] == [one.number for one in found.entries]


@pytest.mark.parametrize("attack", ["stranger", "other tag", "late", "to", "unknown"])
def test_others_are_told_nothing(seen: Seen, attack: str) -> None:
    """Another key, another tag's key, an old or misdirected question, an unknown tag."""
    key, tag = seen.patient.control(3), seen.patient.tag(3)
    now_ms = seen.network.clock.now_ms()
    tries: dict[str, tuple[SigningKey, dict[str, Any], str]] = {
        "stranger": (SigningKey.random(), {"tag": tag}, "AskUnsigned"),
        "other tag": (seen.patient.control(4), {"tag": tag}, "AskUnsigned"),
        "late": (key, {"tag": tag, "created_ms": now_ms - 60_001}, "AskTooOld"),
        "to": (key, {"tag": tag, "to": seen.network.members[3].id}, "AskMisdirected"),
        "unknown": (key, {"tag": bytes(16)}, "SubjectUnknown"),
    }
    signer, fields, name = tries[attack]
    with pytest.raises(Problem) as caught:
        seen.ask(signer, **fields)

    assert name == caught.value.name


def test_answer_is_tied_to_the_anchor(seen: Seen) -> None:
    """After an anchor and more reads, the head is proved to extend what the ledger fixed."""
    seen.anchor()
    seen.read()
    anchored = seen.before + 4
    found = seen.ask(seen.patient.control(3), tag=seen.patient.tag(3), after=anchored)
    head = codec.decode(found.head, LogHead)
    row = consent.anchor(seen.network.ledger.view(), seen.network.members[WITNESS].id, 0)
    assert row is not None
    merkle.check_consistency(row.size, head.size, row.root, head.root, found.consistency)

    assert (anchored, anchored + 2, 1) == (found.anchored, head.size, len(found.entries))


def test_anchor_once_until_the_log_grows(seen: Seen) -> None:
    """There is nothing to anchor twice; a grown log gives a message the ledger accepts."""
    witness = seen.network.node(WITNESS).witness
    seen.anchor()
    assert witness.anchor() is None
    seen.read()
    seen.anchor()

    assert witness.anchor() is None


def test_log_older_than_its_anchor_stops_the_start(alone: Seen, tmp_path: Path) -> None:
    """A witness that comes back with an older copy of its log does not start."""
    folder = tmp_path / f"member-{WITNESS}" / "witness"
    old = (folder / FILE).read_bytes()
    alone.read()
    alone.anchor()
    alone.network.nodes.pop(WITNESS).close()
    (folder / FILE).write_bytes(old)
    for path in [*(folder / "tree").iterdir(), *folder.glob("index.sqlite*")]:
        path.unlink()
    with pytest.raises(Fault, match="release log damaged"):
        alone.network.open_node(WITNESS)


def test_rewritten_line_is_found(alone: Seen, tmp_path: Path) -> None:
    """A line altered in the file is refused when it is asked for, and by the audit."""
    path = tmp_path / f"member-{WITNESS}" / "witness" / FILE
    data = path.read_bytes()
    path.write_bytes(data.replace(b"TREAT", b"ETREA", 1))
    witness = alone.network.node(WITNESS).witness
    with pytest.raises(Fault, match="release log damaged"):
        witness.verify_log()
    with pytest.raises(Fault, match="release log damaged"):
        alone.ask(alone.granted.key, grant=alone.granted.grant)


def test_door_takes_the_same_question(seen: Seen) -> None:
    """Over a signed call, through a member that only carries it."""
    ask = ReleasesAsk(
        after=0,
        created_ms=seen.network.clock.now_ms(),
        tag=seen.patient.tag(4),
        to=seen.network.members[WITNESS].id,
    )
    signed = acts.sign(seen.patient.control(4), seen.network.ledger.network, ask)
    body = codec.encode(ReleasesAsked(ask=signed.data, signature=signed.signature))
    door: PeerDoor = seen.network.node(WITNESS).door
    answer = seen.network.peer(3, WITNESS, door.answer).call(RELEASES, body)

    assert 2 == len(codec.decode(answer, ReleasesFound).entries)
