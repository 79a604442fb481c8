"""
How members' nodes talk: signed HTTP requests, answered by bytes (`ADR 0021`).

`signed_request` has the signature, `peer_target` the address line. The same request is handed over
in process, in the one-process demo, and travels over TLS between machines. Answers are not signed:
one is believed only where it carries its own proof.

Checked in this order: size 413; form 400; another receiver or network 401; key unknown or member
not active 401; time 401; another start of this door 401; digest 401; signature 401; nonce seen
409; too many calls 429; route unknown 404; own copy behind the sender's 503; then what the route
itself refuses, such as an act that is not allowed, 403.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
import structlog

from salus.base import codec, signing
from salus.base.codec import Malformed, Struct
from salus.base.errors import Category, Problem, Refusal
from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.base.signing import SigningKey
from salus.base.types import Text64
from salus.machine.context import View
from salus.modules.members import queries as members
from salus.modules.members.state import SERVICE
from salus.node import peer_target, signed_request
from salus.node.peer_target import NO_DOOR, Target
from salus.node.ports import Clock
from salus.node.signed_request import LIFE_S, Request, Stated
from salus.node.spent_nonces import SpentNonces
from salus.node.tracing import traces

METHOD = "POST"

AGE_MS_MAX = 60_000
"""How far a call's time may lie from the receiver's clock, either way."""

KEPT_S = 2 * AGE_MS_MAX / 1_000
"""How long a nonce is remembered: a call's whole life, from a minute ahead to a minute behind."""

TEXT_MAX = 1_000
"""Characters of a no's text; more is cut."""

DOOR_CHANGED = "DoorChanged"
"""The no that names the door's present start as its code, so that the caller can ask again."""

_DOOR = re.compile(r"[0-9a-f]{16}")

log = structlog.get_logger()

Handler = Callable[[bytes, bytes], bytes]
"""(sender's member id, body) -> answer; raises Problem or Refusal."""

Transport = Callable[[Request], bytes]
"""Carries a signed request to one member's door and its answer back; raises Problem PeerDown."""


class Answer(Struct, frozen=True):
    """Either `ok`, or a no with category, name and text."""

    ok: bytes | None = None
    category: Text64 | None = None
    code: Text64 | None = None
    """The design's V or W number, or a receipt's, where the no has one; DoorChanged's: the door."""

    name: Text64 | None = None
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] | None = None


@dataclass(frozen=True)
class Reply:
    """An answer as HTTP has it."""

    status: int
    """200, or the no's category's."""

    data: bytes
    """A canonical `Answer`."""


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
        self._door = NO_DOOR

    def call(self, route: str, body: bytes) -> bytes:
        """
        Ask and wait; raises the Problem the peer answered, or PeerDown.

        A peer that was started since the last call names its door, and is asked once more.
        """
        with traces.call("peer.call", call=route, member=self.member):
            try:
                return self._ask(route, body)
            except Problem as no:
                door = str(no.facts.get("code"))
                if no.name != DOOR_CHANGED or _DOOR.fullmatch(door) is None:
                    raise
                self._door = door
            return self._ask(route, body)

    def _ask(self, route: str, body: bytes) -> bytes:
        target = Target(self.member, self._identity.network, route, self._door, self._height())
        request = signed_request.sign(
            self._identity.service,
            METHOD,
            target.uri,
            body,
            created_s=self._clock.now_ms() // 1_000,
            nonce=os.urandom(16),
        )
        return _read_answer(self._transport(request))


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
        self._nonces = SpentNonces(clock, KEPT_S)
        # What was signed for an earlier start, whose nonces are forgotten, names another door:
        # it cannot count again, whatever both clocks do.
        self._door = os.urandom(8).hex()

    def answer(self, request: Request) -> bytes:
        """A `Transport` to this door within the process."""
        return self.reply(request).data

    def reply(self, request: Request) -> Reply:
        """Answer one signed request; never raises for what the caller sent."""
        try:
            sender, target = self._authenticate(request)
            handler = self._handlers.get(target.route)
            if handler is None:
                raise Problem(Category.NOT_FOUND, "RouteUnknown", "no such route at this door")
            if not self._reach(target.height):
                raise Problem(
                    Category.UNAVAILABLE,
                    "Behind",
                    f"this member has not seen block {target.height} yet; ask again shortly",
                )
            with traces.span("peer.answer", call=target.route, member=sender):
                return Reply(200, codec.encode(Answer(ok=handler(sender, request.body))))
        except Problem as problem:
            return _no(problem.category, problem.name, problem.text, problem.facts.get("code"))
        except Refusal as refusal:
            return _no(refusal.category, type(refusal).__name__, str(refusal), refusal.code)
        except Malformed as error:
            return _no(Category.MALFORMED, "BodyMalformed", str(error), None)
        except Exception as error:  # noqa: BLE001 (whatever happens, the caller gets an answer)
            log.error("peers.handler_failed", reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)
            return _no(Category.FAULT, "HandlerFailed", "a bug in Salus: see the node's log", None)

    def _authenticate(self, request: Request) -> tuple[bytes, Target]:
        """Who asks, and what for."""
        if len(request.body) > PEER_CALL_BYTES_MAX:
            raise Problem(
                Category.TOO_LARGE,
                "CallTooLarge",
                f"expected at most {PEER_CALL_BYTES_MAX} bytes, found {len(request.body)}",
            )
        if request.method != METHOD:
            raise signed_request.malformed(f"the method {METHOD}")
        stated, target = signed_request.read(request), peer_target.read(request.target)
        self._check_receiver(target)
        sender, key = self._signer(stated.key_id)
        self._check_time(stated)
        self._check_door(target)
        signed_request.check_digest(request, stated)
        signed_request.check_signature(request, stated, key)
        self._nonces.spend(sender, stated.nonce)
        return sender, target

    def _check_receiver(self, target: Target) -> None:
        if target.member != self._member:
            raise _unauthenticated(
                "CallMisdirected",
                f"expected a call to member {self._member.hex()}, found one to another: compare "
                "its address in your settings with its row on the ledger",
            )
        if target.network != self._network:
            raise _unauthenticated(
                "NetworkWrong",
                f"expected a call of network {self._network.hex()[:16]}…, found another's: compare "
                "both genesis files",
            )

    def _signer(self, key_id: bytes) -> tuple[bytes, bytes]:
        """The member (16 B) whose living service key it is, and the key (33 B)."""
        view = self._view()
        owner = members.key_owner(view, key_id)
        if owner is not None and members.active(view, owner.member):
            for key in members.keys(view, owner.member, SERVICE, view.time_ms):
                if signing.key_id(key) == key_id:
                    return owner.member, key
        raise _unauthenticated(
            "CallerUnknown",
            "expected keyid to name a living service key of an active member, found none at this "
            "member's newest block: the sender adds its key by `salus members add-key`, unless it "
            "was suspended or removed",
        )

    def _check_time(self, stated: Stated) -> None:
        now_ms = self._clock.now_ms()
        created_ms, expires_ms = stated.created_s * 1_000, stated.expires_s * 1_000
        if abs(now_ms - created_ms) > AGE_MS_MAX or now_ms > expires_ms:
            raise _unauthenticated(
                "CallUntimely",
                f"expected a call made within a minute of {now_ms // 1_000} and not expired, found "
                f"one of {stated.created_s} to {stated.expires_s}: compare both clocks",
            )
        if not 0 < stated.expires_s - stated.created_s <= LIFE_S:
            raise _unauthenticated(
                "CallUntimely",
                f"expected a life of at most {LIFE_S} s, found "
                f"{stated.expires_s - stated.created_s}: set expires nearer to created",
            )

    def _check_door(self, target: Target) -> None:
        if target.door != self._door:
            raise Problem(
                Category.UNAUTHENTICATED,
                DOOR_CHANGED,
                f"expected door={self._door}, this process's own name, found another: sign again "
                "with it",
                code=self._door,
            )


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


def _no(category: Category, name: str, text: str, code: object) -> Reply:
    number = None if code is None else str(code)
    words = " ".join(text.split())[:TEXT_MAX]
    answer = Answer(category=category.name, code=number, name=name, text=words)
    return Reply(category.http_status, codec.encode(answer))


def _unauthenticated(name: str, text: str) -> Problem:
    return Problem(Category.UNAUTHENTICATED, name, text)
