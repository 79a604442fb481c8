"""The suite's own arithmetic, and its rows module on the real machine and engine."""

from pathlib import Path

import pytest

from bench.drive import drive
from bench.envelopes import define_terms, lines, sign_all, three_rows
from bench.http_load import request_of
from bench.network import fill, new_network, open_ledger, row_key
from bench.report import Line
from bench.rows.state import ROW
from bench.runs import in_turns
from salus import chain
from salus.base.errors import Problem
from salus.machine.execute import Machine
from salus.machine.genesis import first_rows, read_genesis, write_genesis
from salus.modules.audit.module import MODULE as AUDIT
from salus.modules.members.module import MODULE as MEMBERS

VERDICTS = {
    "at the bar": (7_000.0, False, True),
    "below it": (6_999.0, False, False),
    "under a ceiling": (5.0, True, True),
    "no figure": (None, False, None),
}


@pytest.mark.parametrize(
    ("figure", "is_ceiling", "expected"), VERDICTS.values(), ids=VERDICTS.keys()
)
def test_a_line_meets_its_bar(
    figure: float | None,
    is_ceiling: bool,  # noqa: FBT001 (a case of the table)
    expected: bool | None,  # noqa: FBT001 (as above)
) -> None:
    """A bar is a least, or a most where the line says so; without a figure there is no verdict."""
    line = Line(id="B", what="", unit="", salus=figure, bar=7_000.0, is_ceiling=is_ceiling)

    assert expected is line.is_met


def test_arms_take_turns() -> None:
    """Two arms run A B B A A B, so that a machine that slows down favours neither."""
    order: list[str] = []

    results = in_turns({name: lambda name=name: order.append(name) for name in "AB"})  # type: ignore[misc]  # binds the name

    assert list("ABBAAB") == order
    assert {"A": [None] * 3, "B": [None] * 3} == results


def test_a_request_is_one_post() -> None:
    """The length is the envelope's, and nothing stands behind it."""
    head, _, body = request_of(b"envelope").partition(b"\r\n\r\n")

    assert b"envelope" == body
    assert b"content-length: 8" in head


def test_a_real_genesis_has_no_rows() -> None:
    """A genesis file that names the rows module is refused by a machine without it."""
    genesis = read_genesis(new_network().genesis)
    asking = write_genesis(
        type(genesis)(
            format=genesis.format, name=genesis.name, time_ms=genesis.time_ms, mode=genesis.mode,
            version=genesis.version, members=genesis.members, parameters={}, modules={"rows": {}},
        )
    )  # fmt: skip

    with pytest.raises(Problem, match="GenesisMalformed"):
        first_rows(Machine([MEMBERS, AUDIT]), asking)


def test_a_drive_commits_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Envelopes of rows and of lines, made beforehand, all end with code 0 in few blocks."""
    monkeypatch.setattr(chain, "MODULES", chain.MODULES)  # put back afterwards
    network = new_network()
    ledger = open_ledger(tmp_path, network)
    fill(ledger, network, 500)
    define_terms(ledger, network, 1)

    rows = drive(ledger, tmp_path, sign_all(network, three_rows(500, 2), range(300), 2), 100)
    told = drive(ledger, tmp_path, sign_all(network, lines(10), range(30), 3), 10)

    value, _ = ledger.prove(ROW.key(row_key(2 << 32)), ledger.tip.height)
    ledger.close()
    assert value is not None
    assert 240 == rows.transactions
    assert 3 <= rows.blocks <= 240
    assert 24 == told.transactions
