"""Where the CometBFT program comes from, and what is said when it cannot."""

from pathlib import Path

import pytest

from salus.base.errors import Category, Problem
from salus.node.comet import program


def make_program(path: Path, version: str) -> Path:
    """Something that answers `version`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No program, no Go, an empty cache."""
    monkeypatch.delenv("SALUS_COMETBFT", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(program.sysconfig, "get_path", lambda _name: str(tmp_path / "scripts"))
    monkeypatch.setattr(program, "find_go", lambda: None)
    return tmp_path


def test_the_named_program_comes_first(monkeypatch: pytest.MonkeyPatch, bare: Path) -> None:
    """Even if another one is on PATH."""
    make_program(bare / "bin" / "cometbft", "0.39.1")
    named = make_program(bare / "mine", "v0.39.4")
    monkeypatch.setenv("SALUS_COMETBFT", str(named))

    assert named == program.find_or_build()


@pytest.mark.parametrize("version", ["0.38.17", "1.0.0", ""])
def test_a_named_program_of_another_line_is_refused(
    monkeypatch: pytest.MonkeyPatch, bare: Path, version: str
) -> None:
    """It would speak another ABCI."""
    monkeypatch.setenv("SALUS_COMETBFT", str(make_program(bare / "mine", version)))
    with pytest.raises(Problem, match=r"expected a program of version 0\.39"):
        program.find_or_build()


def test_one_on_path_is_taken_if_its_version_fits(bare: Path) -> None:
    """Else the cache is looked into."""
    found = make_program(bare / "bin" / "cometbft", "0.39.4")
    assert found == program.find_or_build()

    make_program(bare / "bin" / "cometbft", "0.38.17")
    cached = make_program(bare / "cache" / "salus" / f"cometbft-{program._build_name()}", "0.39.4")
    assert cached == program.find_or_build()


def test_without_program_and_go_the_operator_is_told_what_to_do(bare: Path) -> None:
    """Exit code 69; the embedded engine needs neither."""
    assert not (bare / "cache").exists()
    with pytest.raises(Problem) as caught:
        program.find_or_build()

    assert Category.UNSUPPORTED is caught.value.category
    assert (
        "network mode needs CometBFT 0.39: install salus[network] or Go 1.25 and run again, or "
        "set SALUS_COMETBFT; `salus up` needs neither"
    ) == caught.value.text


def test_a_build_that_fails_leaves_nothing_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, bare: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Go's own words are shown."""
    go = bare / "go"
    go.write_text("#!/bin/sh\necho no network; exit 1\n")
    go.chmod(0o755)
    monkeypatch.setattr(program, "find_go", lambda: go)
    with pytest.raises(Problem, match="CometBuildFailed"):
        program.find_or_build()

    assert "no network" in capfd.readouterr().err
    assert [] == list((bare / "cache" / "salus").iterdir())


@pytest.mark.parametrize(
    ("version", "enough"),
    [("go1.25.0", True), ("go1.26.8", True), ("go1.24.9", False), ("?", False)],
)
def test_go_must_be_new_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, *, enough: bool
) -> None:
    """1.25, as go.mod says; GOTOOLCHAIN=local keeps an older one from fetching a newer."""
    go = make_program(tmp_path / "go", version)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(program.sysconfig, "get_path", lambda _name: str(tmp_path / "none"))

    assert (go if enough else None) == program.find_go()


def test_the_pinned_source_is_the_line_we_speak() -> None:
    """go.mod names the version the checks above ask for."""
    pinned = (program.MODULE / "go.mod").read_text()

    assert f"github.com/cometbft/cometbft v{program.LINE}" in pinned
    assert f"tool {program.PACKAGE}\n" in pinned
