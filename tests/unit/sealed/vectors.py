"""
Make the vectors of keys, covers, sheets, groups and containers; `write` lays them down.

All but seals are remade without a difference. A seal draws an ephemeral key, so seals and the
container stand as opening cases: they are written once, and every reader must open them.
"""

import hashlib
import json
import pathlib
from typing import Any

from salus.base import codec, shamir
from salus.client.unseal import open_as_author
from salus.client.wallet import Compartment, Wallet
from salus.sealed import container, days, locks, sheet
from salus.sealed.days import BLOCK_LEVEL, Node, block_slot, day_slot
from salus.sealed.locks import Masks, Place, RecordPlace
from salus.sealed.record import Meta, pack_record
from tests.unit.sealed.world import AUTHOR, CHAIN, DAY, HOLDERS, LABS, NOTES, record, sealed

FOLDER = pathlib.Path(__file__).parents[2] / "vectors"
ROOT = bytes(range(32))
P = bytes([7]) * 32
N = bytes([9]) * 32
PLACE = Place(CHAIN, bytes([1]) * 16, 3, LABS.tag, 0, 0, DAY)
WINDOWS = ((46_300, 46_389), (0, 65_535), (46_346, 46_346), (46_080, 46_335), (1, 65_534))


def keys() -> dict[str, Any]:
    """All keys of one root."""
    wallet = Wallet(ROOT)
    name = bytes([5]) * 16
    labs = wallet.compartment(Compartment.LABS)
    return {
        "suite": "keys",
        "source": "patient-control §3.1; HKDF-SHA256 (RFC 5869), Ed25519 (RFC 8032), X25519 (7748)",
        "root": ROOT.hex(),
        "id": name.hex(),
        "tags": [wallet.compartment(number).tag.hex() for number in Compartment],
        "share_tag": wallet.share(name).tag.hex(),
        "compartment_4": {
            "key": labs.secret.hex(),
            "control_0": labs.control(0).public.hex(),
            "control_1": labs.control(1).public.hex(),
            "owner_0": labs.owner(0).public.hex(),
            "generation_0": labs.generation_root(0).hex(),
            "generation_1": labs.generation_root(1).hex(),
            "day_46346_private": labs.slot_key(0, day_slot(DAY)).private.hex(),
            "day_46346_public": labs.slot_key(0, day_slot(DAY)).bare.hex(),
            "block_181_public": labs.slot_key(0, block_slot(DAY)).bare.hex(),
        },
        "grant": wallet.grant_key(name).public.hex(),
        "stop": wallet.stop_key(name).public.hex(),
        "delegate": wallet.delegate_key(name).public.hex(),
        "box": wallet.box_id.hex(),
        "box_seal": wallet.box_seal.hex(),
        "box_key": wallet.box_key.public.hex(),
    }


def cover() -> dict[str, Any]:
    """Covers of windows, with the seeds of the first."""
    seeds = LABS.seeds(0, *WINDOWS[0])
    return {
        "suite": "cover",
        "source": "patient-control §3.3, §10",
        "generation_root": LABS.generation_root(0).hex(),
        "windows": [
            {
                "first_day": first_day,
                "last_day": last_day,
                "nodes": [[node.level, node.index] for node in days.cover(first_day, last_day)[0]],
                "blocks": list(days.cover(first_day, last_day).blocks),
            }
            for first_day, last_day in WINDOWS
        ],
        "seeds": {"nodes": seeds.nodes.hex(), "blocks": seeds.blocks.hex()},
        "child_0": days.child(ROOT, 0).hex(),
        "child_1": days.child(ROOT, 1).hex(),
        "slot": days.slot_secret(ROOT).hex(),
    }


def sheets() -> dict[str, Any]:
    """A sheet's root, with a day's and a block's key and path."""
    made = LABS.sheet(0, sheet.first_day_of(DAY))
    slots = (day_slot(DAY), Node(BLOCK_LEVEL, DAY >> BLOCK_LEVEL))
    return {
        "suite": "sheet",
        "source": "patient-control §3.3; RFC 6962 §2.1",
        "chain": CHAIN.hex(),
        "sheet": codec.encode(made).hex(),
        "root": sheet.sheet_root(made, CHAIN).hex(),
        "extracts": [
            {
                "level": slot.level,
                "index": slot.index,
                "extract": codec.encode(sheet.extract(made, slot)).hex(),
            }
            for slot in slots
        ],
    }


def group() -> dict[str, Any]:
    """A group's keys, masks and digests, and one record of it."""
    key = locks.group_key(P, N, PLACE)
    secret = locks.record_key(key, 0)
    meta = codec.encode(Meta(type="Observation", id="o1", labels=["HIV", "R"], day=DAY))
    # A body that no DEFLATE makes smaller: the vector is the same under every zlib.
    body = hashlib.shake_256(b"body").digest(320)
    padded = pack_record(meta, body)
    where = RecordPlace(PLACE.group, 0, bytes([2]) * 16, 1)
    author = locks.author_secret(ROOT, CHAIN, PLACE.batch)
    packets = [N, P, ROOT]
    return {
        "suite": "group",
        "source": "patient-control §3.4, §3.5, §10; AES-256-GCM (NIST SP 800-38D)",
        "chain": CHAIN.hex(),
        "batch": PLACE.batch.hex(),
        "group": PLACE.group,
        "tag": PLACE.tag.hex(),
        "generation": PLACE.generation,
        "level": PLACE.level,
        "index": PLACE.index,
        "p": P.hex(),
        "n": N.hex(),
        "key": key.hex(),
        "check": locks.check_of(key).hex(),
        "record_key_0": secret.hex(),
        "salt_0": locks.salt_of(secret).hex(),
        "author_secret_of_root": author.hex(),
        "key_masked_for_author": Masks(author, PLACE.batch).apply(key, PLACE.group).hex(),
        "share_digest_of_n_at_5": locks.share_digest(PLACE.batch, PLACE.group, 5, N).hex(),
        "shares_of_n": {x: shamir.share_at(packets, x).hex() for x in HOLDERS},
        "polynomial": [packet.hex() for packet in packets],
        "record": where.record.hex(),
        "version": where.version,
        "meta": meta.hex(),
        "body": body.hex(),
        "content": locks.content_of(locks.salt_of(secret), meta, body).hex(),
        "padded": padded.hex(),
        "blob": locks.encrypt_record(secret, padded, CHAIN, PLACE.batch, where).hex(),
    }


def opening() -> dict[str, Any]:
    """A container to open: drawn anew at each call, so written once."""
    made = sealed([record(LABS, DAY, 0), record(LABS, DAY, 1), record(NOTES, DAY + 1, 2)])
    parsed = container.parse(made.container)
    slots = [each.slot for each in parsed.groups if each]
    owners = [LABS if each.tag == LABS.tag else NOTES for each in parsed.groups if each]
    return {
        "suite": "container",
        "source": "patient-control §3.4, §3.5, correction 7; HPKE (RFC 9180) as opening cases",
        "container": made.container.hex(),
        "root": made.root.hex(),
        "service_key": AUTHOR.service.public.hex(),
        "retention_key": AUTHOR.retention_key.hex(),
        "seats": {x: key.private.hex() for x, key in HOLDERS.items()},
        "groups": [
            {
                "slot_private": keys.slot_key(0, slot).private.hex(),
                "owner_private": keys.owner(0).private.hex(),
                "key": opened.key.hex(),
                "bodies": [each.body.decode() for each in opened.records()],
            }
            for keys, slot, opened in zip(
                owners, slots, open_as_author(parsed, AUTHOR.retention_key), strict=True
            )
        ],
        "pruned_to_group_0": container.prune(parsed, {0}).hex(),
    }


MADE = {
    "keys/one_root": keys,
    "cover/windows": cover,
    "sheet/one_sheet": sheets,
    "group/one_group": group,
}
"""Vectors that are remade without a difference."""

OPENED = "container/two_tags"


def load(name: str) -> dict[str, Any]:
    """Read a vector."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return loaded


def text(vector: dict[str, Any]) -> str:
    """Lay a vector out as it stands in its file."""
    return json.dumps(vector, indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    """Write all vectors that can be remade, and the container if there is none."""
    for name, make in MADE.items():
        (FOLDER / f"{name}.json").write_text(text(make()))
    path = FOLDER / f"{OPENED}.json"
    if not path.exists():
        path.write_text(text(opening()))


if __name__ == "__main__":
    write()
