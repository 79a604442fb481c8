"""Commands against a running network, as a user types them."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from salus.doors.cli.acts import read_signer, submit
from salus.doors.cli.site import Site
from salus.modules.audit.messages import DefineTerm
from tests.unit.doors.cli.shell import Shell, run
from tests.unit.doors.world import sample_bundle, unpacked


@pytest.fixture(scope="module")
def patient(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sample patient, brought in at North; South has a physician."""
    folder = tmp_path_factory.mktemp("bundles")
    name, data = sample_bundle()
    (folder / name).write_bytes(data)
    report = shell.member("north", "import", "fhir", str(folder), "--json")
    assert (0, 1) == (report.code, report.json["documents"]), report.err
    assert 0 == shell.member("south", "practitioner", "Dr A. Ivers").code
    handle: str = shell.member("north", "patients", "--json").json["patients"][0]["handle"]
    return handle


def test_status_and_members_speak_of_the_same_network(shell: Shell) -> None:
    """As tables for people, as JSON for programs."""
    status = shell.ledger("status", "--json").json
    members = shell.ledger("members", "--json").json["members"]

    assert status["member"] == members[0]["id"]
    assert "South Hospital" in shell.ledger("members").text
    assert status["network"] in shell.ledger("status").text


def test_a_grant_from_beginning_to_end(shell: Shell, patient: str, tmp_path: Path) -> None:
    """Granted, opened byte for byte, seen, revoked, refused; the revocation verified offline."""
    grant = _grant(shell, patient)
    chart = shell.member("south", "chart", grant, "--save", str(tmp_path / "chart"))
    saved = [path.read_bytes() for path in (tmp_path / "chart").iterdir()]
    sent = unpacked(sample_bundle())

    assert 0 == chart.code, chart.err
    assert saved
    assert all(one in sent for one in saved)
    assert "South Hospital" in shell.member("north", "who-saw", patient).text

    revoked = shell.member("north", "revoke", grant, "--json").json
    refused = shell.member("south", "chart", grant)
    assert (65, b"") == (refused.code, refused.out)
    assert refused.err.startswith("GrantRevoked")
    _hold_verified(shell, revoked["transaction"], tmp_path)


def test_grants_are_listed_on_both_sides(shell: Shell, patient: str) -> None:
    """Given at North, received at South."""
    grant = _grant(shell, patient)

    assert grant in shell.member("north", "grants").text
    assert grant in [
        one["grant"] for one in shell.member("south", "grants", "--json").json["received"]
    ]


def test_a_refused_document_is_kept_and_told(shell: Shell, tmp_path: Path) -> None:
    """The exit code is 65, and the document waits for a second try."""
    packed = gzip.compress(b'{"resourceType":"Nonsense","note":"Jane Doe"}')
    (tmp_path / "odd.json.gz").write_bytes(packed)
    said = shell.member("north", "import", "fhir", str(tmp_path))
    kept = shell.member("north", "quarantine", "list", "--json").json["documents"]

    assert 65 == said.code
    assert "Jane" not in said.text + said.err
    assert ["odd.json"] == [one["name"] for one in kept]
    assert 0 == shell.member("north", "quarantine", "replay", kept[0]["id"]).code


def test_a_message_is_signed_here_and_done_there(shell: Shell) -> None:
    """The second time its refusal is told with its number, and the exit code is 65."""
    first, second = _define(shell), _define(shell)

    assert (0, 0) == (first.code, first.json["code"])
    assert (65, 9002) == (second.code, second.json["code"])
    shown = shell.ledger("tx", first.json["id"]).text
    assert "audit.define_term" in shown


class Behind(Site):
    """A door asked just before the member's node spent the nonce that it told."""

    def get(self, path: str, **query: Any) -> Any:
        """As the door says, but the nonce is one too low."""
        told = super().get(path, **query)
        return told | {"next_nonce": told["next_nonce"] - 1} if "next_nonce" in told else told


def test_a_nonce_that_the_node_spends_meanwhile_is_left_to_it(shell: Shell) -> None:
    """The member's node signs by the same key: the command signs anew and is done."""
    _define(shell)
    key = read_signer(Path(shell.key("north")), None)
    term = DefineTerm(kind=1, number=8, text="DOWNLOAD")

    assert 0 == submit(Behind(shell.url), key, term)["code"]


def test_a_proof_with_a_changed_byte_is_refused(shell: Shell, tmp_path: Path) -> None:
    """The step that found it is told; nothing of the file is."""
    proof = _proof(shell, _define(shell).json["id"], tmp_path)
    trust = _trust(shell, tmp_path)
    data = bytearray(proof.read_bytes())
    data[len(data) // 2] ^= 1
    proof.write_bytes(data)

    said = run("verify", str(proof), "--trust", str(trust))
    assert (65, b"") == (said.code, said.out)
    assert "refused at step" in said.err


def _define(shell: Shell) -> Any:
    return shell.ledger(
        "lines", "define-term", "--kind", "1", "--number", "7", "--text", "VIEW",
        "--signer", shell.key("north"), "--json",
    )  # fmt: skip


def _grant(shell: Shell, patient: str) -> str:
    share = ("--share", "labs", "--share", "vitals", "--for", "7d")
    said = shell.member("north", "grant", "--to", "south", "--patient", patient, *share, "--json")
    assert 0 == said.code, said.err
    grant: str = said.json["grant"]
    return grant


def _hold_verified(shell: Shell, tx_id: str, folder: Path) -> None:
    proof, trust = _proof(shell, tx_id, folder), _trust(shell, folder)
    first = run("verify", str(proof), "--trust", str(trust))
    second = run("verify", str(proof), "--trust", str(trust), "--json")

    assert (0, True) == (first.code, first.text.startswith(f"ok  transaction {tx_id[:8]}"))
    assert ("as at your last check", 0) == (second.json[0]["growth"], second.json[0]["code"])


def _proof(shell: Shell, tx_id: str, folder: Path) -> Path:
    path = folder / "done.salus-proof"
    path.write_bytes(shell.ledger("proof", tx_id).out)
    return path


def _trust(shell: Shell, folder: Path) -> Path:
    said = shell.ledger("trust", "export")
    assert "fingerprint" in said.err
    path = folder / "trust.json"
    path.write_bytes(said.out)
    return path


def test_a_vault_is_told_and_an_empty_receipt_is_an_error(shell: Shell, patient: str) -> None:
    """Exit code 0 while all is proven; 65, a table and a next step for a copy that is gone."""
    assert patient
    good = shell.member("north", "vault", "probe", "--json")
    lost = next((shell.data / "lab" / "node" / "vault" / "batches").iterdir())
    data = lost.read_bytes()
    lost.unlink()
    bad = shell.member("north", "vault", "probe")
    told = shell.member("north", "vault", "status", "--json")
    lost.write_bytes(data)
    again = shell.member("north", "vault", "probe")

    assert (0, []) == (good.code, good.json["unproven"])
    assert 65 == bad.code == told.code
    assert lost.stem in bad.text
    assert "Harbour Laboratory" in bad.err
    assert [lost.stem] == [one["batch"] for one in told.json["unproven"]]
    assert 0 == again.code, again.err
