"""Grants: put once by their key, ended by it alone, over by block time."""

from typing import Any

import pytest

from salus.base.errors import Refusal
from salus.modules.consent import handlers, refusals, rules
from salus.modules.consent.events import GrantPut, GrantRevoked
from salus.modules.consent.queries import grant, grant_status
from salus.modules.consent.state import GRANT as GRANTS
from salus.modules.consent.state import Grant
from salus.sealed.grants import PutGrantAct, RevokeGrantAct
from tests.modules.consent.world import (
    BAD_KEY,
    GRANT,
    GRANT_KEY,
    HOUR_MS,
    REVOKED,
    STRANGER,
    UNKNOWN,
    full_hour_after,
    new_ledger,
    put,
    revoke,
    rows,
    twin,
)
from tests.support.machine import BLOCK_MS, GENESIS_MS, Ledger, told

BLOCK = GENESIS_MS + BLOCK_MS
"""Time of the block after the genesis."""

TEN_YEARS_MS = 3_652 * 24 * HOUR_MS


def ledger_with_grants() -> Ledger:
    """A grant in force and a revoked one."""
    ledger = new_ledger()
    row = Grant(
        commitment=b"\x08" * 32,
        grant_key=GRANT_KEY.public,
        until_ms=full_hour_after(BLOCK + HOUR_MS),
    )
    with ledger.trying() as ctx:
        ctx.write(GRANTS, row, GRANT)
        ctx.write(GRANTS, rules.revoked(row, GENESIS_MS), REVOKED)
    return ledger


PUT_BYTES = twin(
    PutGrantAct(commitment=bytes(32), grant=UNKNOWN, grant_key=GRANT_KEY.public, until_ms=0)
)
PUT = rows(
    {
        refusals.ActMalformed: {"raw": PUT_BYTES},
        refusals.GrantExists: {"grant": GRANT},
        refusals.KeyInvalid: {"grant_key": BAD_KEY},
        refusals.UntilNotInFuture: {"until_ms": BLOCK},
        refusals.UntilTooFar: {"until_ms": BLOCK + TEN_YEARS_MS + 1},
        refusals.UntilNotOnTheHour: {"until_ms": full_hour_after(BLOCK) + 1},
        refusals.ActBadSignature: {"signer": STRANGER},
    }
)


@pytest.mark.parametrize(("refusal", "spoiled"), PUT)
def test_put_grant_refuses_in_order(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    ledger = ledger_with_grants()

    with pytest.raises(refusal):
        handlers.put_grant(
            ledger.context(ledger.members[0]), put(ledger, **{"grant": UNKNOWN, **spoiled})
        )


def test_put_grant() -> None:
    """The state holds commitment, key and end; the event tells the end alone."""
    ledger = new_ledger()
    message = put(ledger)
    receipt = ledger.send(ledger.members[0], message)
    until_ms = full_hour_after(GENESIS_MS + 7 * 24 * HOUR_MS)
    expected = Grant(commitment=b"\x08" * 32, grant_key=GRANT_KEY.public, until_ms=until_ms)

    assert expected == grant(ledger.context(), GRANT)
    assert [GrantPut(grant=GRANT, until_ms=until_ms)] == told(receipt.events, GrantPut)


def test_a_grant_lasts_up_to_3652_days() -> None:
    """The last full hour within ten years of the block is allowed."""
    ledger = new_ledger()
    last_ms = full_hour_after(BLOCK + TEN_YEARS_MS) - HOUR_MS

    assert ledger.send(ledger.members[0], put(ledger, until_ms=last_ms)).code == 0


REVOKE = rows(
    {
        refusals.ActMalformed: {"raw": b"\x81"},
        refusals.GrantUnknown: {"grant": UNKNOWN},
        refusals.AlreadyRevoked: {"grant": REVOKED},
        refusals.ActBadSignature: {"signer": STRANGER},
    }
)


@pytest.mark.parametrize(("refusal", "spoiled"), REVOKE)
def test_revoke_grant_refuses_in_order(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    ledger = ledger_with_grants()

    with pytest.raises(refusal):
        handlers.revoke_grant(ledger.context(ledger.members[0]), revoke(ledger, **spoiled))


def test_revoke_grant() -> None:
    """Any relay may carry it; it counts from its own block's time, and commitment and key stay."""
    ledger = ledger_with_grants()
    before = grant(ledger.context(), GRANT)
    receipt = ledger.send(ledger.members[3], revoke(ledger))
    assert before is not None

    assert rules.revoked(before, ledger.time_ms) == grant(ledger.context(), GRANT)
    assert [GrantRevoked(grant=GRANT)] == told(receipt.events, GrantRevoked)


def test_grant_status() -> None:
    """Unknown, active until the hour, ended from it on; revoked from its block until the end."""
    ledger = ledger_with_grants()
    ctx = ledger.context()
    end_ms = full_hour_after(BLOCK + HOUR_MS)

    assert grant_status(ctx, UNKNOWN, BLOCK) == "unknown"
    assert grant_status(ctx, GRANT, end_ms - 1) == "active"
    assert grant_status(ctx, GRANT, end_ms) == "ended"
    assert grant_status(ctx, REVOKED, GENESIS_MS - 1) == "active"
    assert grant_status(ctx, REVOKED, GENESIS_MS) == "revoked"
    assert grant_status(ctx, REVOKED, end_ms) == "ended"


def test_the_acts_are_no_longer_than_they_must_be() -> None:
    """What a phone signs to stop a reader fits any QR code."""
    assert len(revoke(new_ledger()).act) < 32
    assert RevokeGrantAct.domain != PutGrantAct.domain
