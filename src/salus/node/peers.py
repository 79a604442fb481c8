"""
How members' nodes talk: signed calls of bytes, answered by bytes (`ADR 0003`).

A call names its sender, its receiver, its time and a nonce, and is signed by the sender's service
key. The same bytes travel in process, in the one-process demo, and as the body of an HTTP request.

Checked in this order: form 400; another receiver 401; sender unknown, not active or without service
key 401; time off by over 60 s 401; made before this door was 401; signature 401; nonce seen 409;
too many calls 429; route unknown 404; own copy behind the sender's 503.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
import structlog

from salus.base import codec, signing
from salus.base.codec import Malformed, Struct
from salus.base.errors import Category, Problem, Refusal
from salus.base.hashing import domain
from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.base.signing import SigningKey
from salus.base.types import Height, Id16, MemberId, Signature, Text64, TimeMs
from salus.machine.context import View
from salus.modules.members import queries as members
from salus.modules.members.state import SERVICE
from salus.node.ports import Clock

AGE_MS_MAX = 60_000
"""How far a call's time may lie from the receiver's clock, either way."""

KEPT_S = 2 * AGE_MS_MAX / 1_000
"""How long a nonce is remembered: a call's whole life, from a minute ahead to a minute behind."""

NONCES_MAX = 100_000
"""Nonces remembered of one sender: 800 calls a second; who calls more is told to wait."""

TEXT_MAX = 1_000
"""Characters of a no's text; more is cut."""

_REQUEST = domain("request")

log = structlog.get_logger()

Route = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[a-z/-]+\Z")]

Handler = Callable[[bytes, bytes], bytes]
"""(sender's member id, body) -> answer; raises Problem or Refusal."""

Transport = Callable[[bytes], bytes]
"""Carries a signed call to one member's door and its answer back; raises Problem PeerDown."""


class Call(Struct, frozen=True):
    """One request from a member to a member."""

    body: bytes
    created_ms: TimeMs
    height: Height
    """The sender's tip: the answer comes from a state at least as new, or is Behind."""

    nonce: Id16
    route: Route
    sender: MemberId
    to: MemberId


class SignedCall(Struct, frozen=True):
    """A call as it travels."""

    call: bytes
    sig: Signature


class Answer(Struct, frozen=True):
    """Either `ok`, or a no with category, name and text."""

    ok: bytes | None = None
    category: Text64 | None = None
    code: Text64 | None = None
    """The design's V or W number, or a receipt's, where the no has one."""

    name: Text64 | None = None
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] | None = None


@dataclass(frozen=True)
class Identity:
    """Who a node speaks as."""

    network: bytes
    member: bytes
    service: SigningKey


class Peer:
    """Another member, as seen from here."""

    def __init__(
        self,
        identity: Identity,
        member: bytes,
        transport: Transport,
        clock: Clock,
        height: Callable[[], int],
    ) -> None:
        """`member`: whom the transport leads to; `height`: the own tip's."""
        self.member = member
        self._height = height
        self._identity = identity
        self._transport = transport
        self._clock = clock

    def call(self, route: str, body: bytes) -> bytes:
        """Ask and wait; raises the Problem the peer answered, or PeerDown."""
        call = codec.encode(
            Call(
                body=body,
                created_ms=self._clock.now_ms(),
                height=self._height(),
                nonce=os.urandom(16),
                route=route,
                sender=self._identity.member,
                to=self.member,
            )
        )
        signature = self._identity.service.sign(_REQUEST + self._identity.network + call)
        data = self._transport(codec.encode(SignedCall(call=call, sig=signature)))
        return _read_answer(data)


class PeerDoor:
    """Answers other members' calls with a node's handlers."""

    def __init__(
        self,
        network: bytes,
        member: bytes,
        view: Callable[[], View],
        handlers: Mapping[str, Handler],
        clock: Clock,
        reach: Callable[[int], bool],
    ) -> None:
        """
        Answer with a node's handlers.

        `view`: the node's newest state, for senders' keys; `handlers`: by route; `reach(height)`:
        waits for the own copy, False if it stays behind.
        """
        self._reach = reach
        self._network = network
        self._member = member
        self._view = view
        self._handlers = handlers
        self._clock = clock
        self._started_ms = clock.now_ms()
        self._started_s = clock.monotonic()
        self._nonces: dict[bytes, OrderedDict[bytes, float]] = {}
        self._lock = threading.Lock()

    def answer(self, data: bytes) -> bytes:
        """Answer one signed call; never raises for what the caller sent."""
        try:
            call = self._authenticate(data)
            handler = self._handlers.get(call.route)
            if handler is None:
                raise Problem(Category.NOT_FOUND, "RouteUnknown", "no such route at this door")
            if not self._reach(call.height):
                raise Problem(
                    Category.UNAVAILABLE,
                    "Behind",
                    f"this member has not seen block {call.height} yet; ask again shortly",
                )
            return codec.encode(Answer(ok=handler(call.sender, call.body)))
        except Problem as problem:
            return _no(problem.category, problem.name, problem.text, problem.facts.get("code"))
        except Refusal as refusal:
            return _no(refusal.category, type(refusal).__name__, str(refusal), refusal.code)
        except Malformed as error:
            return _no(Category.MALFORMED, "BodyMalformed", str(error), None)
        except Exception as error:  # noqa: BLE001 (whatever happens, the caller gets an answer)
            log.error("peers.handler_failed", reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)
            return _no(Category.FAULT, "HandlerFailed", "a bug in Salus: see the node's log", None)

    def _authenticate(self, data: bytes) -> Call:
        if len(data) > PEER_CALL_BYTES_MAX:
            raise Problem(
                Category.TOO_LARGE,
                "CallTooLarge",
                f"expected at most {PEER_CALL_BYTES_MAX} bytes, found {len(data)}",
            )
        try:
            signed = codec.decode(data, SignedCall)
            call = codec.decode(signed.call, Call)
        except Malformed as error:
            raise Problem(Category.MALFORMED, "CallMalformed", str(error)) from None
        if call.to != self._member:
            raise _unauthenticated("the call is addressed to another member")
        self._check_signature(signed, call)
        self._spend_nonce(call)
        return call

    def _check_signature(self, signed: SignedCall, call: Call) -> None:
        view = self._view()
        keys = members.keys(view, call.sender, SERVICE, view.time_ms)
        if not keys or not members.active(view, call.sender):
            raise _unauthenticated("the sender is no active member with a service key")
        if abs(self._clock.now_ms() - call.created_ms) > AGE_MS_MAX:
            raise _unauthenticated("the call's time is off by more than a minute; check the clock")
        if (
            call.created_ms < self._started_ms
            and self._clock.monotonic() < self._started_s + KEPT_S
        ):
            # What an earlier process answered is forgotten: it must not count again.
            raise _unauthenticated("the call is older than this door; ask again")
        for key in keys:
            try:
                signing.verify(key, signed.sig, _REQUEST + self._network + signed.call)
            except signing.SignatureRefused:
                continue
            return
        raise _unauthenticated("the signature is by none of the sender's service keys")

    def _spend_nonce(self, call: Call) -> None:
        now_s = self._clock.monotonic()
        with self._lock:
            seen = self._nonces.setdefault(call.sender, OrderedDict())
            while seen and next(iter(seen.values())) < now_s - KEPT_S:
                seen.popitem(last=False)
            if call.nonce in seen:
                raise Problem(Category.CONFLICT, "CallReplayed", "this call was answered before")
            if len(seen) >= NONCES_MAX:
                raise Problem(Category.BUSY, "CallsTooMany", "too many calls; wait two minutes")
            seen[call.nonce] = now_s


def peer_down(text: str) -> Problem:
    """The problem a transport raises when nobody answers."""
    return Problem(Category.UNAVAILABLE, "PeerDown", text)


def _read_answer(data: bytes) -> bytes:
    try:
        answer = codec.decode(data, Answer)
    except Malformed as error:
        raise Problem(Category.UNAVAILABLE, "AnswerMalformed", str(error)) from None
    if answer.ok is not None:
        return answer.ok
    raise Problem(
        Category.__members__.get(answer.category or "", Category.UNAVAILABLE),
        answer.name or "AnswerMalformed",
        answer.text or "the peer said no without a reason",
        **({} if answer.code is None else {"code": answer.code}),
    )


def _no(category: Category, name: str, text: str, code: object) -> bytes:
    number = None if code is None else str(code)
    words = " ".join(text.split())[:TEXT_MAX]
    return codec.encode(Answer(category=category.name, code=number, name=name, text=words))


def _unauthenticated(text: str) -> Problem:
    return Problem(Category.UNAUTHENTICATED, "CallRefused", text)
