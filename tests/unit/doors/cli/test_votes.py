"""Deciding together by commands: proposed in words, voted on, done, on a network that runs."""

import pytest

from salus.base import codec
from salus.chain import machine
from salus.doors.cli.votes import in_words
from salus.modules.governance.actions import SetParameter, StartNetwork
from salus.modules.members.actions import SetPower
from tests.unit.doors.cli.shell import Shell, run

MEMBER = bytes(range(16))


def act(shell: Shell, name: str, *words: str) -> object:
    """A command that a member signs; its data."""
    said = shell.ledger(*words, "--signer", shell.key(name), "--json")
    assert 0 == said.code, said.err
    return said.json


def test_a_parameter_is_proposed_voted_and_set(shell: Shell) -> None:
    """North proposes, South and Lab vote: done, and on the list no more."""
    words = ("propose", "set-parameter", "--name", "machine.lifetime_ms", "--value", "80000000")
    made = act(shell, "north", *words)
    assert isinstance(made, dict)
    proposal, says = (
        made["proposal"],
        ["governance.set_parameter: name machine.lifetime_ms, value 80000000"],
    )

    assert ["open", ["North Hospital"], says] == [made["status"], made["yes"], made["says"]]
    assert proposal in shell.ledger("proposals").text
    act(shell, "south", "vote", proposal)
    act(shell, "lab", "vote", proposal)
    told = shell.ledger("proposals", proposal, "--json").json[0]
    assert told["status"] in ("accepted", "applied")
    again = shell.ledger("vote", proposal, "--signer", shell.key("insurer"))
    assert (65, True) == (again.code, "ProposalClosed" in again.err)


def test_a_no_is_counted(shell: Shell) -> None:
    """Two against it: it can win no more."""
    words = ("propose", "set-parameter", "--name", "vault.copies", "--value", "4")
    made = act(shell, "north", *words)
    assert isinstance(made, dict)
    act(shell, "south", "vote", made["proposal"], "--no")
    told = act(shell, "lab", "vote", made["proposal"], "--no")
    assert isinstance(told, dict)

    assert ["rejected", ["South Hospital", "Harbour Laboratory"]] == [told["status"], told["no"]]


def test_what_cannot_be_decided_is_told_with_its_number(shell: Shell) -> None:
    """An unknown parameter, an unknown proposal, an id that is none, a move without node keys."""
    signed = ("--signer", shell.key("north"))
    said = shell.ledger("propose", "set-parameter", "--name", "no.such", "--value", "1", *signed)
    assert (65, True) == (said.code, "ActionInvalid" in said.err)
    said = shell.ledger("vote", "00" * 16, *signed)
    assert (65, True) == (said.code, "ProposalUnknown" in said.err)
    said = shell.ledger("vote", "nonsense", *signed)
    assert (65, True) == (said.code, "ParameterMalformed" in said.err)
    said = shell.ledger("proposals", "00" * 16)
    assert (65, True) == (said.code, "ProposalUnknown" in said.err)
    said = shell.ledger("network", "move", *signed)
    assert (65, True) == (said.code, "NodeKeysMissing" in said.err)


@pytest.mark.parametrize("action", [one for module in machine().modules for one in module.actions])
def test_every_action_has_a_command(action: type) -> None:
    """Declared in a module, and so to be proposed."""
    name = "".join(f"-{one.lower()}" if one.isupper() else one for one in action.__name__)
    assert 0 == run("propose", name.removeprefix("-"), "--help").code


def test_actions_are_told_in_words() -> None:
    """Members by name where it is known, else by id."""
    names = {MEMBER.hex(): "North Hospital"}
    told = {
        in_words(codec.encode(SetPower(member=MEMBER, power=10)), names),
        in_words(codec.encode(SetPower(member=bytes(16), power=0)), names),
        in_words(codec.encode(StartNetwork()), names),
        in_words(codec.encode(SetParameter(name="vault.copies", value=4)), names),
    }

    assert {
        "members.set_power: member North Hospital, power 10",
        f"members.set_power: member {'00' * 16}, power 0",
        "governance.start_network",
        "governance.set_parameter: name vault.copies, value 4",
    } == told
