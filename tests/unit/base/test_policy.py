"""Trust policies of C2SP: who is known, and when a quorum is met."""

import pytest

from salus.base import note
from salus.base.note import Signer
from salus.base.policy import (
    POLICY_BYTES_MAX,
    POLICY_LINES_MAX,
    PolicyRefused,
    default_policy,
    parse_policy,
)
from salus.base.signing import SigningKey

SIGNERS = [Signer(f"n{number}", SigningKey(bytes([number]) * 32)) for number in range(7)]
COSIGNERS = [signer.public(note.COSIGNER).text for signer in SIGNERS]
LOGS = [signer.public(note.LOG).text for signer in SIGNERS]

TWO_LEVELS = f"""# two houses
log {LOGS[0]}  https://example.com/log
\twitness X1 {COSIGNERS[1]}
witness X2\t{COSIGNERS[2]} https://example.com
witness X3 {COSIGNERS[3]}
group X 2 X1 X2 X3

witness Y1 {COSIGNERS[4]}
witness Y2 {COSIGNERS[5]}
group Y any Y1 Y2
group both all X Y
quorum both
"""


@pytest.mark.parametrize(
    ("names", "met"),
    [
        ("X1 X2 Y1", True),
        ("X1 X3 Y2", True),
        ("X1 X2 X3", False),
        ("X1 Y1 Y2", False),
        ("Y1 Y2", False),
        ("", False),
        ("X Y both", False),
    ],
)
def test_groups_of_groups_are_met_as_in_the_specification(
    names: str,
    met: bool,  # noqa: FBT001 (a table's column)
) -> None:
    """Two of three X and any Y; a group's name is no cosigner."""
    policy = parse_policy(TWO_LEVELS)
    cosigned = set(names.split()) & set(policy.cosigners)

    assert met == policy.met(cosigned)
    assert ({"n0"}, (2, 2)) == (set(policy.logs), policy.size)


@pytest.mark.parametrize(
    ("members", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5)]
)
def test_the_default_is_two_thirds_and_one(members: int, needed: int) -> None:
    """⌊2m/3⌋ + 1 of m, the origin's own member included (corrections 15)."""
    keys = {bytes([n]) * 16: SIGNERS[n].key.public for n in range(members)}
    policy = parse_policy(default_policy(bytes(32), keys))
    names = sorted(policy.cosigners)

    assert (needed, members) == policy.size
    assert (False, True) == (policy.met(set(names[1:needed])), policy.met(set(names[:needed])))
    assert {note.origin(bytes(32), member) for member in keys} == set(policy.logs)


def test_one_cosigner_or_none_can_be_a_quorum() -> None:
    """A single name; and `none`, which anything meets."""
    one = parse_policy(f"witness a {COSIGNERS[0]}\nquorum a\n")
    none = parse_policy("quorum none")

    assert (True, False, (1, 1)) == (one.met({"a"}), one.met(set()), one.size)
    assert (True, (0, 0)) == (none.met(set()), none.size)


A, B = f"witness a {COSIGNERS[0]}\n", f"witness b {COSIGNERS[1]}\n"
REFUSED = {
    "no quorum": A,
    "two quorums": A + "quorum a\nquorum a\n",
    "quorum unknown": "quorum a\n",
    "quorum before its name": f"quorum a\n{A}",
    "an unknown word": "witnesses 3\nquorum none\n",
    "an upper-case word": "Quorum none\n",
    "a word too many": "quorum none none\n",
    "a group without members": A + "group g any\nquorum none\n",
    "a group of unknown": "group g any a\nquorum none\n",
    "a group of none": "group g any none\nquorum none\n",
    "a group of itself": "group g any g\nquorum none\n",
    "a member twice": A + "group g any a a\nquorum g\n",
    "a member of two groups": A + B + "group g any a\ngroup h all a b\nquorum h\n",
    "zero needed": A + "group g 0 a\nquorum g\n",
    "more needed than there are": A + "group g 2 a\nquorum g\n",
    "a number of other digits": A + "group g \u0661 a\nquorum g\n",
    "a name twice": A + f"witness a {COSIGNERS[1]}\nquorum a\n",
    "a group named as a witness": A + B + "group a any b\nquorum a\n",
    "a witness named none": f"witness none {COSIGNERS[0]}\nquorum none\n",
    "a key twice": A + f"witness b {COSIGNERS[0]}\nquorum a\n",
    "a key twice by another name": A
    + f"witness b {Signer('other', SIGNERS[0].key).public(note.COSIGNER).text}\nquorum a\n",
    "a log's key as a witness": f"witness a {LOGS[0]}\nquorum a\n",
    "a witness's key as a log": f"log {COSIGNERS[0]}\nquorum none\n",
    "a log twice": f"log {LOGS[0]}\nlog {LOGS[0]}\nquorum none\n",
    "a bad key": "log name+00000000+AAAA\nquorum none\n",
    "a carriage return": "quorum none\r\n",
    "a delete character": "# \x7f\nquorum none\n",
    "too many lines": "\n" * POLICY_LINES_MAX + "quorum none\n",
    "too many bytes": "#" * POLICY_BYTES_MAX + "\nquorum none\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_a_policy_is_refused(text: str) -> None:
    """Each rule of C2SP tlog-policy, and our bounds."""
    with pytest.raises(PolicyRefused):
        parse_policy(text)


def test_a_refusal_names_the_line() -> None:
    """Which line, and the rule."""
    with pytest.raises(PolicyRefused, match=r"^line 2: this name is not defined above$"):
        parse_policy(A + "quorum b\n")
