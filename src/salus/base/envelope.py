"""
The envelope as it travels and as anyone may check it, without a machine (`ledger.md` §3.2).

    Envelope      {body: bin, key: bin 33, sig: bin 65}
    signed bytes  D("tx") ‖ network id ‖ key ‖ body      the transmitted body, never a re-encoding
    id            SHA-256(D("tx-id") ‖ key ‖ body)       not the signature: sent twice, it is one
    hash          SHA-256(envelope)                      stands in the log
"""

from salus.base import codec, signing
from salus.base.hashing import domain, domain_hash
from salus.base.types import PublicKey, Signature


class Envelope(codec.Struct, frozen=True):
    """What travels: the body as bytes, the whole key, the signature."""

    body: bytes
    """A canonical body; what its messages mean is the machine's to say."""

    key: PublicKey
    """The signer's whole key, so that the signature can be checked without state."""

    sig: Signature
    """Over `signed_bytes`."""


def check_envelope(network: bytes, envelope: Envelope) -> None:
    """Check the signature for this network (32 B); raises `signing.SignatureRefused`."""
    signing.verify(envelope.key, envelope.sig, signed_bytes(network, envelope.key, envelope.body))


def signed_bytes(network: bytes, key: bytes, body: bytes) -> bytes:
    """What the signature covers: D("tx") ‖ network id ‖ key ‖ body."""
    return domain("tx") + network + key + body


def transaction_id(key: bytes, body: bytes) -> bytes:
    """SHA-256(D("tx-id") ‖ key ‖ body); 32 B."""
    return domain_hash("tx-id", key, body)
