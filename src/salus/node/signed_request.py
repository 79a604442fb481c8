"""
One HTTP request, signed by RFC 9421 in the one profile that members use (`ADR 0021`).

    Content-Digest: sha-256=:…:
    Signature-Input: s=("@method" "@target-uri" "content-digest");created=…;expires=…;
        nonce="…";alg="ed25519";keyid="…";tag="salus/1"
    Signature: s=:…:

Pure: no clock, no state, no carrier. Stricter than the RFC: these fields once each, one signature,
no spare blank; only the parameters may stand in any order. So a request has one meaning, and the
text that came is the text that was signed. Checked by libsodium, like every other signature.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from salus.base import signing
from salus.base.errors import Category, Problem
from salus.base.signing import ED25519, SigningKey

LIFE_S = 60
"""From `created` to `expires`, at most (`security.md` §6)."""

TAG = "salus/1"
"""What the signature is for (RFC 9421 §2.3): no other protocol's signature counts here."""

COVERED = '("@method" "@target-uri" "content-digest")'
"""The covered components as they stand in the field (RFC 9421 §2.3)."""

_SECONDS = re.compile(r"[1-9][0-9]{0,11}")
_SIXTEEN_BYTES = re.compile(r'"[0-9a-f]{32}"')

_FORMS = {
    "created": _SECONDS,
    "expires": _SECONDS,
    "nonce": _SIXTEEN_BYTES,
    "alg": re.compile(r'"ed25519"'),
    "keyid": _SIXTEEN_BYTES,
    "tag": re.compile(rf'"{TAG}"'),
}
"""The parameters, in the order we write them; all six, once each."""

_DIGEST = re.compile(r"(sha-256=:[A-Za-z0-9+/]{43}=:)")
_INPUT = re.compile(rf"s=({re.escape(COVERED)}(?:;[a-z]+=[!-:<-~]+)+)")
_SIGNATURE = re.compile(r"s=:([A-Za-z0-9+/]{86}==):")


@dataclass(frozen=True)
class Request:
    """An HTTP request, whatever carries it."""

    method: str
    target: str
    """The whole target URI (RFC 9110 §7.1)."""

    headers: tuple[tuple[str, str], ...]
    """Field lines; names in lower case."""

    body: bytes


@dataclass(frozen=True)
class Stated:
    """What a request's fields say, well formed; nothing of it is checked yet."""

    created_s: int
    """Seconds since 1970 UTC, as the RFC has them."""

    expires_s: int
    nonce: bytes
    """16 B."""

    key_id: bytes
    """16 B, the signer's name on the ledger (`base.signing.key_id`)."""

    digest: str
    """The `Content-Digest` field."""

    parameters: str
    """The signature's parameters as they came, which is as they were signed."""

    signature: bytes
    """65 B."""


def sign(
    key: SigningKey, method: str, target: str, body: bytes, *, created_s: int, nonce: bytes
) -> Request:
    """A signed request; `nonce`: 16 B, never used before with this key."""
    digest = content_digest(body)
    parameters = (
        f"{COVERED};created={created_s};expires={created_s + LIFE_S}"
        f';nonce="{nonce.hex()}";alg="ed25519";keyid="{key.key_id.hex()}";tag="{TAG}"'
    )
    signature = key.sign(_base_of(method, target, digest, parameters))
    headers = (
        ("content-digest", digest),
        ("signature-input", f"s={parameters}"),
        ("signature", f"s=:{_base64(signature[1:])}:"),
    )
    return Request(method, target, headers, body)


def read(request: Request) -> Stated:
    """Read the signature's fields; raises Problem CallMalformed."""
    digest = _only(request, "content-digest", _DIGEST)
    parameters = _only(request, "signature-input", _INPUT)
    text = _only(request, "signature", _SIGNATURE)
    signature = base64.b64decode(text)
    if _base64(signature) != text:
        raise malformed("canonical base64 in signature")
    values = _values(parameters)
    return Stated(
        created_s=int(values["created"]),
        expires_s=int(values["expires"]),
        nonce=bytes.fromhex(values["nonce"][1:-1]),
        key_id=bytes.fromhex(values["keyid"][1:-1]),
        digest=digest,
        parameters=parameters,
        signature=bytes([ED25519]) + signature,
    )


def check_digest(request: Request, stated: Stated) -> None:
    """Check the body against its digest; raises Problem DigestWrong."""
    if content_digest(request.body) != stated.digest:
        raise Problem(
            Category.UNAUTHENTICATED,
            "DigestWrong",
            "expected a body that hashes to content-digest, found another: it was altered or cut "
            "on its way; ask again",
        )


def check_signature(request: Request, stated: Stated, key: bytes) -> None:
    """Check the signature by a key (33 B); raises Problem SignatureWrong."""
    base = _base_of(request.method, request.target, stated.digest, stated.parameters)
    try:
        signing.verify(key, stated.signature, base)
    except signing.SignatureRefused:
        raise Problem(
            Category.UNAUTHENTICATED,
            "SignatureWrong",
            "expected the signature of the key that keyid names over this method, target and "
            "digest, found another; see whether something on the way rewrites requests",
        ) from None


def content_digest(body: bytes) -> str:
    """The `Content-Digest` field of a body (RFC 9530 §2), by SHA-256 alone."""
    return f"sha-256=:{_base64(hashlib.sha256(body).digest())}:"


def signature_base(components: Sequence[tuple[str, str]], parameters: str) -> bytes:
    """What is signed (RFC 9421 §2.5): (name, value) of each covered component, then all names."""
    lines = [f'"{name}": {value}' for name, value in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def malformed(expected: str) -> Problem:
    """400: the request is none of this profile's."""
    return Problem(
        Category.MALFORMED,
        "CallMalformed",
        f"expected {expected}; docs/internals/peers.md has the whole form",
    )


def _base_of(method: str, target: str, digest: str, parameters: str) -> bytes:
    covered = [("@method", method), ("@target-uri", target), ("content-digest", digest)]
    return signature_base(covered, parameters)


def _values(parameters: str) -> dict[str, str]:
    """The parameters by name; raises Problem CallMalformed."""
    found = [part.partition("=") for part in parameters[len(COVERED) + 1 :].split(";")]
    values = {name: value for name, _, value in found}
    if len(found) != len(_FORMS) or values.keys() != _FORMS.keys():
        raise malformed(f"the parameters {', '.join(_FORMS)}, each once")
    for name, form in _FORMS.items():
        if form.fullmatch(values[name]) is None:
            raise malformed(f"{name} as {form.pattern}")
    return values


def _only(request: Request, name: str, form: re.Pattern[str]) -> str:
    """The first group of a field that stands there once; raises Problem CallMalformed."""
    values = [value for one, value in request.headers if one == name]
    found = form.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        raise malformed(f"one {name} field, in this profile's form")
    return found[1]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
