"""
Attacks on a vault: containers that no member may take, each refused by its own V code, and lies.

In the table each container breaks its rule and, where they can be broken too, later ones.
"""

import hashlib
import os
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace as change

from salus.base import codec
from salus.base.errors import Problem
from salus.base.sealing import SealingKey
from salus.base.signing import SigningKey
from salus.modules.consent.messages import StopTag
from salus.node.vault.messages import GET, HOLDS, BatchAsked, HoldsAsked, HoldsFound
from salus.sealed import acts
from salus.sealed import container as containers
from salus.sealed.acts import StopTagAct
from salus.sealed.items import Group, Head
from tests.support.network import DAY, HOUR_MS, Network, make_network


class Case:
    """A network with one patient; member 0 writes, member 2 is asked to store."""

    def __init__(self, network: Network, patch: pytest.MonkeyPatch) -> None:
        """Make it with a patient of its own; what `patch` changes is undone."""
        self.network = network
        self.patch = patch
        self.patient = network.patient()
        self.vault = self.network.node(2).vault
        self.author = self.network.members[0]

    def put(self, container: bytes, sender: int = 0) -> None:
        """Hand a container in."""
        self.vault.put(self.network.members[sender].id, container)

    def resigned(self, container: bytes, edit: Callable[[list[bytes]], None]) -> bytes:
        """The container with edited items, blobs as they were, signed anew by its author."""
        parsed = containers.parse(container)
        items = list(parsed.items)
        edit(items)
        root = containers.root_of(items)
        signature = self.author.service.sign(
            containers.bytes_to_sign(self.network.ledger.network, root)
        )
        return containers.pack(items, parsed.blobs.values(), signature)

    def with_group(self, container: bytes, **changes: object) -> bytes:
        """The container with its first group changed."""

        def edit(items: list[bytes]) -> None:
            group = change(codec.decode(items[1], Group), **changes)
            items[1] = codec.encode(group)

        return self.resigned(container, edit)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One network for all attacks of this file."""
    made = make_network(tmp_path_factory.mktemp("network"))
    yield made
    made.close()


@pytest.fixture
def case(network: Network, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A case of its own on the network."""
    return Case(network, monkeypatch)


Attack = Callable[[Case], None]


def cut_container(case: Case) -> None:
    """V1: the last byte is missing."""
    case.put(case.network.seal(case.patient).container[:-1])


def pruned_container(case: Case) -> None:
    """V1: a container of which a group was blanked."""
    parsed = containers.parse(case.network.seal(case.patient).container)
    case.put(containers.prune(parsed, {0}))


def other_network(case: Case) -> None:
    """V1: a container of another network, under its own seats."""
    case.put(case.network.seal(case.patient, chain=os.urandom(32)).container)


def suite_unknown(case: Case) -> None:
    """V2: a suite of seals that this version cannot check."""

    def edit(items: list[bytes]) -> None:
        items[0] = codec.encode(change(codec.decode(items[0], Head), suite=2))

    case.put(case.resigned(case.network.seal(case.patient).container, edit))


def author_impersonated(case: Case) -> None:
    """V3: a member hands in a container under another's name; its seats are old as well."""
    sealed = case.network.seal(case.patient, seats=case.network.seats(version=9))
    case.put(sealed.container, sender=3)


def author_unsigned(case: Case) -> None:
    """V3: signed by a key that is not the author's service key."""
    container = case.network.seal(case.patient).container
    root = containers.parse(container).root
    data = containers.bytes_to_sign(case.network.ledger.network, root)
    case.put(container[:-65] + SigningKey.random().sign(data))


def item_altered(case: Case) -> None:
    """V3: an item was altered on the way: the signed root is another."""
    container = case.network.seal(case.patient).container
    group = containers.parse(container).group(0)
    case.put(container.replace(group.owner, bytes(32)))


def old_seats(case: Case) -> None:
    """V4: shares for a version of the seats that never was."""
    case.put(case.network.seal(case.patient, seats=case.network.seats(version=9)).container)


def low_threshold(case: Case) -> None:
    """V4: a threshold of one, so that a single witness could open."""
    case.put(case.network.seal(case.patient, seats=case.network.seats(threshold=1)).container)


def seat_left_out(case: Case) -> None:
    """V4: one seat has no packet."""
    seats = case.network.seats()
    fewer = case.network.seats(holders=seats.holders[1:])
    case.put(case.network.seal(case.patient, seats=fewer).container)


def id_used_again(case: Case) -> None:
    """V5: a second container under the id of a committed one."""
    sealed = case.network.seal(case.patient)
    case.network.store(sealed)
    case.put(case.with_group(sealed.container, check=bytes(32)))


def id_waiting(case: Case) -> None:
    """V5: a second container under the id of one that waits for its commitment."""
    sealed = case.network.seal(case.patient)
    case.put(sealed.container)
    case.put(case.with_group(sealed.container, tag=bytes(16)))


def blob_swapped(case: Case) -> None:
    """V6: two records' ciphertexts change places; their tags are closed as well."""
    container = case.network.seal(case.patient).container
    parsed = containers.parse(container)
    first, second = parsed.blobs.values()
    for keys in case.patient.tags.values():
        case.network.update_tag(keys, open=False)
    case.put(containers.pack(parsed.items, [second, first], parsed.signature))


def tag_unknown(case: Case) -> None:
    """V7: a tag the ledger does not know; its generation is wrong as well."""
    container = case.network.seal(case.patient).container
    case.put(case.with_group(container, tag=bytes(16), generation=7))


def tag_closed(case: Case) -> None:
    """V7: a tag that takes no more records."""
    container = case.network.seal(case.patient).container
    case.network.update_tag(case.patient.tags[3], open=False)
    case.put(container)


def generation_not_current(case: Case) -> None:
    """V8: the patient bumped the keys; the writer's link is of an old era as well."""
    container = case.network.seal(case.patient).container
    case.network.update_tag(
        case.patient.tags[3], generation=1, era=1, sheet_root=bytes(32), first_day=0
    )
    case.put(container)


def link_missing(case: Case) -> None:
    """V9: no leave at all where it should stand."""
    tags = {
        case.patient.tag(number): case.network.tag_to_seal(case.patient, number, [DAY])
        for number in case.patient.tags
    }
    name = case.patient.tag(3)
    tags[name] = type(tags[name])(
        generation=0,
        owner_key=tags[name].owner_key,
        slot_keys=tags[name].slot_keys,
        link=b"",
        link_signature=bytes(65),
    )
    case.put(case.network.seal(case.patient, tags=tags).container)


def link_of(**changes: object) -> Attack:
    """V9: a leave that says something else."""

    def attack(case: Case) -> None:
        tags = {
            case.patient.tag(number): case.network.tag_to_seal(
                case.patient, number, [DAY], **changes
            )
            for number in case.patient.tags
        }
        case.put(case.network.seal(case.patient, tags=tags).container)

    return attack


def link_by_a_stranger(case: Case) -> None:
    """V9: a leave signed by another tag's key."""
    tags = {}
    for number in case.patient.tags:
        known = case.network.tag_to_seal(case.patient, number, [DAY])
        forged = SigningKey.random().sign(
            acts.signed_bytes("link", case.network.ledger.network, known.link)
        )
        tags[case.patient.tag(number)] = type(known)(
            known.generation, known.owner_key, known.slot_keys, known.link, forged
        )
    case.put(case.network.seal(case.patient, tags=tags).container)


def link_of_a_stopped_era(case: Case) -> None:
    """V9: the patient stopped everything under the tag since the leave was given."""
    container = case.network.seal(case.patient).container
    keys = case.patient.tags[3]
    act = acts.sign(
        keys.control(0), case.network.ledger.network, StopTagAct(era=1, sequence=2, tag=keys.tag)
    )
    case.network.must([StopTag(act=act.data, signature=act.signature)])
    case.put(container)


def link_expired(case: Case) -> None:
    """V9: at the block time at which the leave ends."""
    container = case.network.seal(case.patient).container
    case.network.wait(case.patient.link_until_ms - case.network.ledger.tip.time_ms)
    case.put(container)


def level_unknown(case: Case) -> None:
    """V10: a slot of a level that has no keys; the shares' sizes are wrong as well."""
    case.put(case.with_group(case.network.seal(case.patient).container, level=3, shares=b""))


def owner_packet_missing(case: Case) -> None:
    """V11: a group whose owner could not open it."""
    sealed = case.network.seal(case.patient)

    def edit(items: list[bytes]) -> None:
        del items[3]

    case.put(case.resigned(sealed.container, edit))


def sizes_wrong(case: Case) -> None:
    """V12: a share too few; it is no true share of this seat either."""
    case.put(case.with_group(case.network.seal(case.patient).container, shares=bytes(96)))


def false_share(case: Case) -> None:
    """V13: a share for this seat that is not the one its digest states."""
    container = case.network.seal(case.patient).container
    shares = bytearray(containers.parse(container).group(0).shares)
    shares[64] ^= 1
    case.put(case.with_group(container, shares=bytes(shares)))


def packet_of_another_key(case: Case) -> None:
    """V13: this seat's packet is sealed to a key that is not its holder's."""
    seats = case.network.seats()
    holders = tuple((x, SealingKey.random().public if x == 3 else key) for x, key in seats.holders)
    case.put(case.network.seal(case.patient, seats=case.network.seats(holders=holders)).container)


def vault_full(case: Case) -> None:
    """V14: too much of this author waits for its commitment."""
    case.patch.setattr(case.vault._index, "waiting_bytes", lambda _author: 4 * 1024**3)
    case.put(case.network.seal(case.patient).container)


ATTACKS: dict[str, list[Attack]] = {
    "V1": [cut_container, pruned_container, other_network],
    "V2": [suite_unknown],
    "V3": [author_impersonated, author_unsigned, item_altered],
    "V4": [old_seats, low_threshold, seat_left_out],
    "V5": [id_used_again, id_waiting],
    "V6": [blob_swapped],
    "V7": [tag_unknown, tag_closed],
    "V8": [generation_not_current],
    "V9": [
        link_missing,
        link_of(writer=bytes(16)),
        link_of(era=1),
        link_of(until=1),
        link_of(until=2**52),
        link_of(tag=bytes(16)),
        link_by_a_stranger,
        link_of_a_stopped_era,
        link_expired,
    ],
    "V10": [level_unknown],
    "V11": [owner_packet_missing],
    "V12": [sizes_wrong],
    "V13": [false_share, packet_of_another_key],
    "V14": [vault_full],
}


@pytest.mark.parametrize(
    ("code", "attack"),
    [
        pytest.param(code, attack, id=f"{code}-{attack.__name__}")
        for code, attacks in ATTACKS.items()
        for attack in attacks
    ],
)
def test_attack_is_refused(case: Case, code: str, attack: Attack) -> None:
    """Each attack gets its own code."""
    with pytest.raises(Problem) as caught:
        attack(case)

    assert code == caught.value.facts["code"]


def test_any_altered_byte_is_refused(case: Case) -> None:
    """No byte of a container can be altered: each is under the author's signature."""
    sealed = case.network.seal(case.patient)
    step = len(sealed.container) // 150
    for at in range(0, len(sealed.container), step):
        altered = bytearray(sealed.container)
        altered[at] ^= 1 << at % 8
        with pytest.raises(Problem) as caught:
            case.put(bytes(altered))
        assert caught.value.facts["code"] in ("V1", "V2", "V3", "V4", "V6")


def test_refused_container_leaves_nothing(case: Case) -> None:
    """What was refused is neither stored nor holds the id against its author."""
    sealed = case.network.seal(case.patient)
    with pytest.raises(Problem):
        case.put(case.with_group(sealed.container, tag=bytes(16)))
    case.put(sealed.container)

    assert sealed.container == case.vault._holdings.objects.get(sealed.batch.hex())


def test_unknown_batch_is_not_served(case: Case) -> None:
    """A batch nobody has, and one that is not committed, get the same answer."""
    waiting = case.network.seal(case.patient)
    case.put(waiting.container)
    for batch in (bytes(16), waiting.batch):
        with pytest.raises(Problem) as caught:
            case.network.peer(0, 2).call(GET, codec.encode(BatchAsked(batch=batch)))
        assert "BatchUnknown" == caught.value.name


def test_receipt_for_a_container_not_held_is_found_out(case: Case) -> None:
    """A member that deletes what it gave a receipt for is named by a probe."""
    sealed = case.network.seal(case.patient)
    case.network.store(sealed)
    liar = case.network.node(1)
    liar.vault._holdings.objects.delete(sealed.batch.hex())
    peers = [case.network.peer(2, other) for other in (0, 1, 3)]

    assert [(case.network.members[1].id, sealed.batch)] == case.vault.probe(peers, 1_000)


def test_kept_answers_do_not_pass_a_probe(case: Case) -> None:
    """The salt makes every probe another question: a kept answer is a wrong one."""
    sealed = case.network.seal(case.patient)
    case.network.store(sealed)
    asked = HoldsAsked(batch=sealed.batch, part=0, salt=bytes(32))
    kept = codec.decode(case.network.peer(0, 2).call(HOLDS, codec.encode(asked)), HoldsFound)
    item = containers.parse(sealed.container).items[0]

    assert hashlib.sha256(bytes(32) + item).digest() == kept.digest
    assert kept.digest != case.vault.holds(change(asked, salt=bytes([1]) * 32))


def test_old_receipt_does_not_outlive_its_two_minutes(case: Case) -> None:
    """A container put again gives a receipt of the present state, not the old one."""
    sealed = case.network.seal(case.patient)
    first = case.vault.put(case.author.id, sealed.container)
    case.network.wait(HOUR_MS)
    second = case.vault.put(case.author.id, sealed.container)

    assert first.data != second.data
