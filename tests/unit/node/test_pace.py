"""How much a proposer puts into a block follows what the machine executes in half a second."""

from salus.node.comet.pace import AIM_S, MEASURED_MIN, MESSAGES_MIN, NEWEST_WEIGHT, Pace
from tests.support.ledgers import FakeClock


def paced(*blocks: tuple[int, int]) -> float:
    """What fits after blocks of so many messages that took so many ms."""
    clock = FakeClock()
    pace = Pace(clock)
    for messages, span_ms in blocks:
        with pace.over(messages):
            clock.pass_ms(span_ms)
    return pace.messages_max


def test_nothing_is_held_back_before_a_block_was_measured() -> None:
    """A first block tells nothing yet, and one of few messages never does."""
    assert float("inf") == paced()
    assert float("inf") == paced((MEASURED_MIN - 1, 10_000))


def test_half_a_second_of_messages_fits() -> None:
    """By the last blocks, the newest half; never less than a hundred."""
    assert round(AIM_S * 5_000) == round(paced((1_000, 200)))
    slower = NEWEST_WEIGHT * 0.4e-3 + (1 - NEWEST_WEIGHT) * 0.2e-3
    assert round(AIM_S / slower) == round(paced((1_000, 200), (1_000, 400)))
    assert MESSAGES_MIN == paced((100, 60_000))


def test_a_machine_that_stood_still_is_soon_fast_again() -> None:
    """Also with transactions of which one alone fits: 51 messages of a hundred are the worst."""
    stood = (100, 60_000)
    again = [(MESSAGES_MIN // size * size, 10) for size in range(1, MESSAGES_MIN + 1)]

    assert all(MESSAGES_MIN < paced(stood, *[one] * 16) for one in again)
