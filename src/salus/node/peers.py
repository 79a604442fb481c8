"""
How members' nodes talk: signed calls of bytes, answered by bytes (`ADR 0003`).

A call names its sender, its receiver, its time and a nonce, and is signed by the sender's service
key. The same bytes travel in process, in the one-process demo, and as the body of an HTTP request.

Checked in this order: form 400; another receiver 401; sender unknown, not active or without service
key 401; time off by over 60 s 401; signature 401; nonce seen 409; route unknown 404;
own copy behind the sender's 503.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.base import codec, signing
from salus.base.codec import Malformed, Struct
from salus.base.errors import Category, Problem, Refusal
from salus.base.hashing import domain
from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.base.signing import SigningKey
from salus.base.types import Height, Id16, MemberId, Signature, TimeMs
from salus.machine.context import View
from salus.modules.members import queries as members
from salus.node.ports import Clock

SERVICE = 4
"""Use of the key that signs calls and storage receipts."""

AGE_MS_MAX = 60_000
"""How far a call's time may lie from the receiver's clock, either way."""

NONCES_MAX = 100_000
"""Nonces remembered; at two minutes' memory that is 800 calls a second."""

_REQUEST = domain("request")

Route = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern="^[a-z/-]+$")]

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
    category: str | None = None
    code: str | None = None
    """The design's V or W number, or a receipt's, where the no has one."""

    name: str | None = None
    text: str | None = None


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
        self._nonces: OrderedDict[bytes, int] = OrderedDict()
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
        for key in keys:
            try:
                signing.verify(key, signed.sig, _REQUEST + self._network + signed.call)
            except signing.SignatureRefused:
                continue
            return
        raise _unauthenticated("the signature is by none of the sender's service keys")

    def _spend_nonce(self, call: Call) -> None:
        now_ms = self._clock.now_ms()
        with self._lock:
            while self._nonces and (
                len(self._nonces) >= NONCES_MAX
                or next(iter(self._nonces.values())) < now_ms - 2 * AGE_MS_MAX
            ):
                self._nonces.popitem(last=False)
            if call.nonce in self._nonces:
                raise Problem(Category.CONFLICT, "CallReplayed", "this call was answered before")
            self._nonces[call.nonce] = now_ms


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
    return codec.encode(Answer(category=category.name, code=number, name=name, text=text))


def _unauthenticated(text: str) -> Problem:
    return Problem(Category.UNAUTHENTICATED, "CallRefused", text)
