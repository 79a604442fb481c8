"""What a chart shows: exact days, labels, and nothing kept behind it."""

import datetime as dt
import gc
import json
import threading

import pytest

from salus.base.errors import Problem
from salus.client.unseal import SlotKeys
from salus.gateway.announcements import CLOSED, WAITING
from salus.gateway.charts import Chart
from salus.gateway.grants import GrantAsked
from salus.gateway.session import Session
from salus.gateway.witnesses import Announced, Collected
from salus.modules.consent import queries as consent
from salus.sealed.days import DAY_MAX, day_of
from tests.acceptance.world import EVERYTHING, HOUR_MS, World
from tests.unit.gateway.fhir import bundle, observation, patient

LABS, SUBSTANCE, SEXUAL = 4, 13, 14


def _handle(world: World, name: str) -> bytes:
    return next(
        one.handle for one in world.north.gateway.patients() if one.source == f"Patient/{name}"
    )


def _chart(
    world: World, name: str, compartments: tuple[int, ...], first: int = 0, last: int = DAY_MAX
) -> Chart:
    given = world.north.gateway.grant(
        GrantAsked(
            patient=_handle(world, name),
            to=world.south.id,
            compartments=compartments,
            purposes=("TREAT",),
            until_ms=world.clock.now_ms() + 24 * HOUR_MS,
            first_day=first,
            last_day=last,
        )
    )
    return world.south.gateway.open_chart(given.grant, "TREAT")


def _texts(chart: Chart) -> list[str]:
    return sorted(json.loads(one.body)["code"]["text"] for one in chart.records)


def test_only_the_days_of_the_window_are_shown(world: World) -> None:
    """Both ends count; a date known only in part is shown if its block touches the window."""
    days = ("2020-03-03", "2020-03-04", "2020-03-05", "2020-03-06", "2020-03", "1990")
    findings = [observation("days", day, code={"text": day}) for day in days]
    world.north.gateway.import_fhir([("days.json", bundle(patient("days"), *findings))])
    first, last = (day_of(dt.date.fromisoformat(day)) for day in ("2020-03-04", "2020-03-05"))
    chart = _chart(world, "days", (LABS,), first, last)

    assert ["2020-03", "2020-03-04", "2020-03-05"] == _texts(chart)
    assert () == chart.unopened


def test_a_record_with_two_labels_is_shown_to_who_has_both(world: World) -> None:
    """HIV and SUD: it lies in 13; a reader of 13 alone is told only that something is hidden."""
    finding = observation("labels", labels=("HIV", "SUD"), code={"text": "both"})
    world.north.gateway.import_fhir([("labels.json", bundle(patient("labels"), finding))])
    one = _chart(world, "labels", (SUBSTANCE,))
    both = _chart(world, "labels", (SUBSTANCE, SEXUAL))

    assert ((), 1) == (one.records, one.hidden)
    assert (["both"], 0) == (_texts(both), both.hidden)


def test_a_chart_of_nothing_announces_nothing(world: World) -> None:
    """No group is covered, so no intent, and the answer is an empty chart."""
    world.north.gateway.import_fhir([("empty.json", bundle(patient("empty")))])
    before = consent.intent_count(world.south.node.ledger.view(), world.south.id)
    chart = _chart(world, "empty", (LABS,))

    assert ((), True) == (chart.records, chart.complete)
    assert before == consent.intent_count(world.south.node.ledger.view(), world.south.id)


def test_nothing_of_a_session_is_kept_in_memory(world: World) -> None:
    """After the chart is given out no session, slot key or share is left in this process."""
    world.north.gateway.import_fhir([("m.json", bundle(patient("m"), observation("m")))])
    assert _chart(world, "m", EVERYTHING).records
    gc.collect()
    kept = [
        type(one).__name__
        for one in gc.get_objects()
        if isinstance(one, (SlotKeys, Session, Collected, Announced))
    ]

    assert [] == kept


def test_what_was_shown_is_remembered_before_it_is_given_out(world: World) -> None:
    """Its root goes with the next intents; the list stays on the desk, sealed."""
    world.north.gateway.import_fhir([("c.json", bundle(patient("c"), observation("c")))])
    desk = world.south.gateway.desk
    _chart(world, "c", EVERYTHING)
    waiting = dict(desk.all(WAITING))
    _chart(world, "c", EVERYTHING)

    assert 1 == len(waiting)
    assert waiting.keys() <= dict(desk.all(CLOSED)).keys()


def test_charts_at_once_all_open(world: World) -> None:
    """Eight sessions of one grant at the same moment: none is told that its number was taken."""
    world.north.gateway.import_fhir([("r.json", bundle(patient("r"), observation("r")))])
    given = world.give(_handle(world, "r"), EVERYTHING)
    charts: list[Chart] = []

    def read() -> None:
        charts.append(world.south.gateway.open_chart(given.grant, "TREAT"))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [2] * 8 == [len(chart.records) for chart in charts]


def test_an_unknown_practitioner_opens_nothing(world: World) -> None:
    """Every act names a person registered here."""
    with pytest.raises(Problem, match="PractitionerUnknown"):
        world.south.gateway.open_chart(bytes(16), "TREAT", practitioner=bytes(16))
