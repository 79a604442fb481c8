"""One root gives every key, and no key says anything of another."""

from salus.base.signing import verify
from salus.client.wallet import Compartment, Wallet
from salus.sealed.days import DAY_MAX, SEED_BYTES, SlotSecrets, day_slot

WALLET = Wallet(bytes(range(32)))


def test_sixteen_compartments() -> None:
    """Numbers 0-15 are the design's, each with a tag of its own."""
    tags = {WALLET.compartment(number).tag for number in Compartment}

    assert list(range(16)) == sorted(Compartment)
    assert 16 == len(tags)
    assert {16} == {len(tag) for tag in tags}


def test_a_tag_outlives_its_keys() -> None:
    """Control, owner and generation change by number; the tag does not."""
    keys = WALLET.compartment(Compartment.LABS)

    assert keys.control(0).public != keys.control(1).public
    assert keys.owner(0).public != keys.owner(1).public
    assert keys.generation_root(0) != keys.generation_root(1)
    assert WALLET.compartment(Compartment.LABS).tag == keys.tag


def test_keys_of_one_root_differ_by_purpose() -> None:
    """The same id under another purpose gives another key."""
    name = bytes(16)
    publics = {
        WALLET.grant_key(name).public,
        WALLET.stop_key(name).public,
        WALLET.delegate_key(name).public,
        WALLET.box_key.public,
        WALLET.share(name).control(0).public,
    }

    assert 5 == len(publics)
    assert 3 == len({WALLET.box_id, WALLET.box_seal, WALLET.root})


def test_keys_sign() -> None:
    """A control key is an Ed25519 key as the ledger checks it."""
    key = WALLET.compartment(0).control(0)

    verify(key.public, key.sign(b"an act"), b"an act")


def test_the_whole_calendar_is_the_generations_root() -> None:
    """A custodian's seeds are one seed, and give the keys that the wallet gives."""
    keys = WALLET.compartment(Compartment.LABS)
    seeds = keys.seeds(0)

    assert (0, DAY_MAX, SEED_BYTES) == (seeds.first_day, seeds.last_day, len(seeds.nodes))
    assert keys.generation_root(0) == seeds.nodes
    assert keys.slot_key(0, day_slot(9)).private == SlotSecrets(seeds).secret(day_slot(9))


def test_nothing_shows_the_root() -> None:
    """Texts of wallets and compartments hold no secret; new wallets differ."""
    keys = WALLET.compartment(0)

    assert WALLET.root.hex() not in repr(WALLET)
    assert keys.secret.hex() not in repr(keys)
    assert Wallet.random().root != Wallet.random().root
