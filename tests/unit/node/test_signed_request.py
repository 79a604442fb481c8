"""The signature of a request: RFC 9421's own vectors, another hand's library, and strictness."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ED25519

from salus.base import signing
from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.node import peer_target, signed_request
from salus.node.peer_target import NO_DOOR, Target
from salus.node.signed_request import COVERED, LIFE_S, TAG, Request, Stated

KEY = SigningKey(b"\x07" * 32)
NOW_S = int(dt.datetime.now(tz=dt.UTC).timestamp())
TARGET = Target(b"\x01" * 16, b"\x02" * 32, "vault/sheet/get", "0123456789abcdef", 17)
BODY = b"\x00body\xff"


def honest(body: bytes = BODY, created_s: int = NOW_S) -> Request:
    """A request as we sign it."""
    return signed_request.sign(
        KEY, "POST", TARGET.uri, body, created_s=created_s, nonce=b"\x05" * 16
    )


def check(request: Request) -> Stated:
    """Read and check all that can be checked without a clock."""
    stated = signed_request.read(request)
    signed_request.check_digest(request, stated)
    signed_request.check_signature(request, stated, KEY.public)
    return stated


# What others say: the RFC's Appendix B, and a library.


RFC_SEED = bytes.fromhex("9f8362f87a484a954e6e740c5b4c0e84229139a20aa8ab56ff66586f6a7d29c5")
"""`test-key-ed25519`: the last 32 B of the PKCS#8 in RFC 9421, Appendix B.1.4."""

RFC_PUBLIC = bytes.fromhex("26b40b8f93fff3d897112f7ebc582b232dbd72517d082fe83cfb30ddce43d1bb")

RFC_BASE = """\
"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")\
;created=1618884473;keyid="test-key-ed25519"\
"""

RFC_SIGNATURE = (
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
)
"""RFC 9421, Appendix B.2.6; its base (RFC_BASE) without the line folding of RFC 8792."""


def test_the_rfcs_signature_base_is_ours() -> None:
    """RFC 9421, Appendix B.2.6, built by the function that builds the profile's."""
    components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ]
    names = " ".join(f'"{name}"' for name, _ in components)
    parameters = f'({names});created=1618884473;keyid="test-key-ed25519"'

    assert RFC_BASE.encode() == signed_request.signature_base(components, parameters)


def test_the_rfcs_signature_is_ours() -> None:
    """Ed25519 signs the same bytes the same way every time: made, and checked, by libsodium."""
    key = SigningKey(RFC_SEED)
    signature = key.sign(RFC_BASE.encode())

    assert RFC_PUBLIC == key.public[1:]
    assert RFC_SIGNATURE == signed_request._base64(signature[1:])
    signing.verify(key.public, signature, RFC_BASE.encode())


def test_the_rfcs_content_digest_is_ours() -> None:
    """RFC 9530, Appendix D: the example's body, and the empty one by SHA-256's own constant."""
    digests = [signed_request.content_digest(one) for one in (b'{"hello": "world"}\n', b"")]

    assert [
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
        "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
    ] == digests


@dataclass
class Message:
    """A request as the library has it."""

    method: str
    url: str
    headers: dict[str, str]


def keys() -> MappingKeyResolver:
    """Our key under its name, for the library, which has OpenSSL's."""
    name = KEY.key_id.hex()
    return MappingKeyResolver(
        public_keys={name: Ed25519PublicKey.from_public_bytes(KEY.public[1:])},
        private_keys={name: Ed25519PrivateKey.from_private_bytes(KEY.seed)},
    )


@pytest.mark.parametrize("body", [b"", BODY], ids=["empty", "bytes"])
def test_the_library_takes_ours(body: bytes) -> None:
    """`http-message-signatures` finds signature and digest good, and reads what we meant."""
    now_s = int(dt.datetime.now(tz=dt.UTC).timestamp())
    request = honest(body, now_s)
    verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=keys())
    message = Message(request.method, request.target, dict(request.headers))
    (found,) = verifier.verify(message, expect_tag=TAG, max_age=dt.timedelta(minutes=1), body=body)

    assert "s" == found.label
    assert {
        "created": now_s,
        "expires": now_s + LIFE_S,
        "nonce": "05" * 16,
        "alg": "ed25519",
        "keyid": KEY.key_id.hex(),
        "tag": TAG,
    } == dict(found.parameters)
    assert ["POST", request.target, request.headers[0][1]] == [
        found.covered_components[f'"{name}"']
        for name in ("@method", "@target-uri", "content-digest")
    ]


@pytest.mark.parametrize("body", [b"", BODY], ids=["empty", "bytes"])
def test_we_take_the_librarys(body: bytes) -> None:
    """Its digest too; its parameters stand in another order than ours, which the RFC allows."""
    message = Message("POST", TARGET.uri, {})
    HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=keys()).sign(
        message,
        key_id=KEY.key_id.hex(),
        created=dt.datetime.fromtimestamp(NOW_S, tz=dt.UTC),
        expires=dt.datetime.fromtimestamp(NOW_S + LIFE_S, tz=dt.UTC),
        nonce="05" * 16,
        label="s",
        tag=TAG,
        covered_component_ids=("@method", "@target-uri", "content-digest"),
        body=body,
    )
    headers = tuple((name.lower(), value) for name, value in message.headers.items())
    stated = check(Request("POST", TARGET.uri, headers, body))

    assert (NOW_S, NOW_S + LIFE_S, b"\x05" * 16, KEY.key_id) == (
        stated.created_s, stated.expires_s, stated.nonce, stated.key_id,
    )  # fmt: skip
    assert dict(honest().headers)["signature-input"] != message.headers["Signature-Input"]


# What the profile refuses though the RFC, or a lenient reader, would take it.


def test_an_honest_request_is_taken() -> None:
    """So that each refusal below has its one cause."""
    assert KEY.key_id == check(honest()).key_id


def with_field(name: str, change: Callable[[str], str]) -> Request:
    """An honest request with one field changed, and nothing signed anew."""
    request = honest()
    headers = tuple(
        (one, change(value) if one == name else value) for one, value in request.headers
    )
    return replace(request, headers=headers)


def field(name: str, old: str, new: str) -> Callable[[], Request]:
    """A change of a part of a field that is there."""

    def make() -> Request:
        assert old in dict(honest().headers)[name]
        return with_field(name, lambda value: value.replace(old, new))

    return make


def lines(*more: tuple[str, str], without: str = "") -> Callable[[], Request]:
    """Field lines added, or one taken away."""

    def make() -> Request:
        request = honest()
        kept = tuple(one for one in request.headers if one[0] != without)
        return replace(request, headers=(*kept, *more))

    return make


INPUT, SIGNATURE, DIGEST = "signature-input", "signature", "content-digest"
SIXTEEN = f'"{"05" * 16}"'

FORMS: dict[str, Callable[[], Request]] = {
    "no digest": lines(without=DIGEST),
    "no parameters": lines(without=INPUT),
    "no signature": lines(without=SIGNATURE),
    "two digests": lines((DIGEST, signed_request.content_digest(BODY))),
    "two fields of parameters": lines((INPUT, "s=" + COVERED)),
    "two signature fields": lines((SIGNATURE, "s=:" + "A" * 86 + "==:")),
    "two signatures in a field": field(INPUT, "s=(", 's=("@method");created=1, s=('),
    "another label": field(INPUT, "s=(", "t=("),
    "another label of the signature": field(SIGNATURE, "s=:", "t=:"),
    "digest by another hash": field(DIGEST, "sha-256", "sha-512"),
    "digest by two hashes": field(DIGEST, "sha-256=", "sha-512=:AAAA:, sha-256="),
    "method not covered": field(INPUT, '"@method" ', ""),
    "target not covered": field(INPUT, '"@target-uri" ', ""),
    "digest not covered": field(INPUT, ' "content-digest"', ""),
    "other order of components": field(
        INPUT, '"@method" "@target-uri"', '"@target-uri" "@method"'),
    "a component more": field(INPUT, ' "content-digest"', ' "content-digest" "date"'),
    "a component twice": field(INPUT, '("@method"', '("@method" "@method"'),
    "a component's own parameter": field(INPUT, '"content-digest")', '"content-digest";sf)'),
    "created missing": field(INPUT, f";created={NOW_S}", ""),
    "expires missing": field(INPUT, f";expires={NOW_S + LIFE_S}", ""),
    "nonce missing": field(INPUT, f";nonce={SIXTEEN}", ""),
    "alg missing": field(INPUT, ';alg="ed25519"', ""),
    "keyid missing": field(INPUT, f';keyid="{KEY.key_id.hex()}"', ""),
    "tag missing": field(INPUT, f';tag="{TAG}"', ""),
    "created twice": field(INPUT, ";created=", f";created={NOW_S - 1};created="),
    "a parameter more": field(INPUT, ";alg=", ";other=1;alg="),
    "a parameter in place of another": field(INPUT, ";tag=", ";tab="),
    "a flag": field(INPUT, ";alg=", ";flag;alg="),
    "another algorithm": field(INPUT, '"ed25519"', '"hmac-sha256"'),
    "another tag": field(INPUT, '"salus/1"', '"salus/2"'),
    "created as text": field(INPUT, f"created={NOW_S}", f'created="{NOW_S}"'),
    "created negative": field(INPUT, "created=", "created=-"),
    "created with a leading zero": field(INPUT, "created=", "created=0"),
    "created with a fraction": field(INPUT, f"created={NOW_S}", f"created={NOW_S}.5"),
    "created that never ends": field(INPUT, "created=", "created=" + "9" * 5_000),
    "a short nonce": field(INPUT, SIXTEEN, '"05"'),
    "a nonce in capitals": field(INPUT, SIXTEEN, f'"{"AB" * 16}"'),
    "a nonce with an escape": field(INPUT, SIXTEEN, rf'"\"{"05" * 15}"'),
    "a short keyid": field(INPUT, KEY.key_id.hex(), KEY.key_id.hex()[2:]),
    "a blank more": field(INPUT, '" "', '"  "'),
    "a blank at the end": field(INPUT, '"salus/1"', '"salus/1" '),
    "a line break": field(INPUT, '"salus/1"', '"salus/1"\n'),
    "letters beyond ASCII": field(INPUT, '"salus/1"', '"sälus/1"'),
    "digits beyond ASCII": field(INPUT, "created=1", "created=\N{ARABIC-INDIC DIGIT ONE}"),
    "a signature cut": field(SIGNATURE, "s=:", "s=:A"),
    "a signature without padding": field(SIGNATURE, "==:", ":"),
    "a signature of no bytes": lambda: with_field(SIGNATURE, lambda _: "s=::"),
    "a signature of 63 bytes": lambda: with_field(SIGNATURE, lambda _: "s=:" + "A" * 84 + ":"),
    "base64 in another spelling": lambda: with_field(SIGNATURE, _respelt),
}  # fmt: skip


def _respelt(value: str) -> str:
    """The same 64 bytes by other letters: the last letter has four bits that say nothing."""
    last = value[-4]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return value[:-4] + alphabet[alphabet.index(last) ^ 1] + value[-3:]


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS.keys())
def test_another_form_is_refused_before_anything_is_checked(make: Callable[[], Request]) -> None:
    """CallMalformed by `read` alone: which of two meanings counts is never asked."""
    with pytest.raises(Problem, match="CallMalformed"):
        signed_request.read(make())


SIGNED: dict[str, tuple[Callable[[Request], Request], str]] = {
    "another method": (lambda one: replace(one, method="PUT"), "SignatureWrong"),
    "another target": (lambda one: replace(one, target=one.target + "0"), "SignatureWrong"),
    "another body": (lambda one: replace(one, body=b"other"), "DigestWrong"),
    "no body": (lambda one: replace(one, body=b""), "DigestWrong"),
    "another body with its digest": (
        lambda one: replace(one, body=b"other", headers=(
            (DIGEST, signed_request.content_digest(b"other")), *one.headers[1:])),
        "SignatureWrong"),
    "a second later": (
        lambda _: with_field(INPUT, lambda value: value.replace(
            f"created={NOW_S}", f"created={NOW_S + 1}")), "SignatureWrong"),
    "a longer life": (
        lambda _: with_field(INPUT, lambda value: value.replace(
            f"expires={NOW_S + LIFE_S}", f"expires={NOW_S + LIFE_S + 1}")), "SignatureWrong"),
    "another nonce": (
        lambda _: with_field(INPUT, lambda value: value.replace("05" * 16, "06" * 16)),
        "SignatureWrong"),
    "parameters in another order": (
        lambda _: with_field(INPUT, lambda value: value.replace(
            f';tag="{TAG}"', "").replace(";created", f';tag="{TAG}";created')), "SignatureWrong"),
}  # fmt: skip
"""What is covered: the change, and which check finds it."""


@pytest.mark.parametrize(("change", "name"), SIGNED.values(), ids=SIGNED.keys())
def test_every_covered_part_is_covered(change: Callable[[Request], Request], name: str) -> None:
    """A change of it is found, by the digest or by the signature."""
    with pytest.raises(Problem, match=name):
        check(change(honest()))


def test_a_key_of_small_order_signs_nothing() -> None:
    """Row 0 of `security.md` §4.2: OpenSSL takes it, libsodium, which decides here, does not."""
    request = honest()
    stated = replace(signed_request.read(request), signature=b"\x01" + bytes([1]) + bytes(63))

    with pytest.raises(Problem, match="SignatureWrong"):
        signed_request.check_signature(request, stated, b"\x01" + bytes([1]) + bytes(31))


# Where it goes.


def test_a_target_is_read_as_it_was_written() -> None:
    """Each part, at the ends of its range."""
    for target in (
        TARGET,
        Target(bytes(16), bytes(32), "a", NO_DOOR, 0),
        Target(b"\xff" * 16, b"\xff" * 32, "a" * 64, "f" * 16, 2**53 - 1),
    ):
        assert target == peer_target.read(target.uri)


TARGETS = {
    "nothing": "",
    "another scheme": TARGET.uri.replace("https", "http"),
    "another host": TARGET.uri.replace(".salus.alt", ".example"),
    "a port": TARGET.uri.replace(".alt/", ".alt:443/"),
    "a user": TARGET.uri.replace("https://", "https://a@"),
    "capitals": TARGET.uri.replace("vault", "Vault"),
    "a prefix": TARGET.uri.replace("/peer", "/in/peer"),
    "a member's id too long": TARGET.uri.replace("01.salus", "0101.salus"),
    "no network": TARGET.uri.replace("02" * 32 + "/", ""),
    "no route": TARGET.uri.replace("vault/sheet/get", ""),
    "a way up": TARGET.uri.replace("vault", "vault/.."),
    "an empty step": TARGET.uri.replace("vault/", "vault//"),
    "an escaped letter": TARGET.uri.replace("vault", "%76ault"),
    "a route too long": TARGET.uri.replace("vault", "v" * 65),
    "no query": TARGET.uri.partition("?")[0],
    "no door": TARGET.uri.replace("door=0123456789abcdef&", ""),
    "other order": TARGET.uri.partition("?")[0] + "?height=17&door=0123456789abcdef",
    "a height with a zero before it": TARGET.uri.replace("=17", "=017"),
    "a negative height": TARGET.uri.replace("=17", "=-17"),
    "a height that never ends": TARGET.uri + "1" * 5_000,
    "more": TARGET.uri + "&more=1",
    "a fragment": TARGET.uri + "#x",
    "a line break": TARGET.uri + "\n",
}


@pytest.mark.parametrize("uri", TARGETS.values(), ids=TARGETS.keys())
def test_a_target_has_one_spelling(uri: str) -> None:
    """Whatever else a server might take for the same place is refused."""
    assert uri != TARGET.uri
    with pytest.raises(Problem, match="CallMalformed"):
        peer_target.read(uri)
