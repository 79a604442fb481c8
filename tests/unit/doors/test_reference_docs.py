"""The reference pages are those the code would make now."""

from tools.reference_docs import FOLDER, pages, stale


def test_no_reference_page_is_stale() -> None:
    """Make them anew by `python -m tools.reference_docs`."""
    assert [] == stale(FOLDER)


def test_every_module_and_door_has_a_page() -> None:
    """A module that is added gets its page without being named here."""
    assert {"audit.md", "consent.md", "machine.md", "http.md", "commands.md"} <= set(pages())
