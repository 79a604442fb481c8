"""One grant with its terms, for the tests of grants and releases."""

from salus.base import codec
from salus.base.hashing import ZERO32
from salus.base.signing import SigningKey
from salus.sealed.grants import Item, Leaf, Reader, Rule, Terms

CHAIN = bytes(range(32))
GRANT = bytes([10]) * 16
MEMBER = bytes([11]) * 16
PERSON = bytes([12]) * 16
TAGS = (bytes([20]) * 16, bytes([21]) * 16)
GRANT_KEY = SigningKey(bytes([30]) * 32)
CONTROL_KEYS = (SigningKey(bytes([31]) * 32), SigningKey(bytes([32]) * 32))
FROM_MS = 1_764_000_000_000

TERMS = Terms(
    chain=CHAIN,
    consent=ZERO32,
    from_ms=FROM_MS,
    grant=GRANT,
    grant_key=GRANT_KEY.public,
    items=[Item(era=0, first_day=45_990, last_day=46_354, tag=tag) for tag in TAGS],
    mode="view",
    practitioners=[PERSON],
    purposes=["ETREAT", "TREAT"],
    reader=Reader(member=MEMBER),
    residual=[
        Rule(authors=[], encounters=[], labels=["PSY"], permit=False, records=[], types=[]),
    ],
    roles=[1, 2],
    salt=bytes([13]) * 16,
    sessions_per_day=20,
    until_ms=FROM_MS + 7 * 86_400_000,
    v=1,
)
TERMS_BYTES = codec.encode(TERMS)

LEAF = Leaf(
    chain=CHAIN,
    intent=bytes([14]) * 16,
    kind=0,
    notice=ZERO32,
    practitioner=PERSON,
    purpose="TREAT",
    reader=Reader(member=MEMBER),
    salt=bytes([15]) * 16,
    session_key=b"\x01" + bytes([9]) * 32,
    session_ms=900_000,
    subject=GRANT,
    v=1,
)
LEAF_BYTES = codec.encode(LEAF)
