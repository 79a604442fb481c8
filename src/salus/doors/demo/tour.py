"""
The guided tour: real records sealed, shared, opened, stopped and verified, each step checked.

A step that does not hold raises `TourBroken`: the tour is also the project's first acceptance test.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from salus.base.comet.validators import Validator
from salus.base.errors import Problem
from salus.base.policy import default_policy
from salus.base.types import DAY_MS
from salus.client import verify as verifier
from salus.client.trust import CometTrust, Trust, write
from salus.doors.demo import samples
from salus.doors.demo.network import CAST, DemoNetwork, Member
from salus.doors.demo.screen import Screen
from salus.formats.fhir.bundle import read_bundle
from salus.gateway.charts import Chart
from salus.gateway.grants import GrantAsked
from salus.gateway.keyring import Patient
from salus.modules.members import queries as members
from salus.modules.records import queries as records
from salus.node.comet.app import chain_id
from salus.node.member_keys import LOG_USE

TREATMENT = "TREAT"
LABS, MEDICINES, VITALS = 4, 3, 8

FLIPPED_AT = 120
"""Byte of a proof that the tour spoils, counted from its transaction's name: within its base64."""


class TourBroken(Exception):
    """A step of the tour did not hold; the text says which and what was found."""


@dataclass
class Tour:
    """One walk through a fresh or an older demo network."""

    network: DemoNetwork
    screen: Screen
    patients: int
    sources: dict[bytes, str] = field(default_factory=dict)
    """SHA-256 of each resource as it stands in the sample files -> its type."""

    def run(self) -> None:
        """Walk all steps."""
        started = time.monotonic()
        for step in (
            self.start, self.bring_records, self.look_at_the_disk, self.ask_without_grant,
            self.grant_and_open, self.see_who_looked, self.revoke, self.verify_offline,
            self.lose_a_member, self.finish,
        ):  # fmt: skip
            step()
        self.screen.did(f"the whole tour took {time.monotonic() - started:.0f} s")

    @property
    def north(self) -> Member:
        """The home hospital."""
        return self.network["north"]

    @property
    def south(self) -> Member:
        """The other hospital."""
        return self.network["south"]

    def start(self) -> None:
        """Start four members."""
        self.screen.step(
            "Four members start",
            "Two hospitals, a laboratory and an insurer, each with its own folder, keys, vault and "
            "witness. Any three of four can decide; no single one can open or lose a record.",
        )
        self.network.start()
        for member in self.network:
            self.screen.did(f"{member.cast.title}: member {member.id.hex()[:12]}…")
        self._same_app_hash()
        person = self.south.gateway.staff.register("Dr A. Ivers")
        self.screen.did(
            f"South registers a physician, vouched for by two issuers: {person.id.hex()[:12]}…"
        )

    def bring_records(self) -> None:
        """Import sample patients at the home hospital."""
        self.screen.step(
            f"North brings {self.patients} patients' FHIR records",
            "Each bundle is checked against FHIR R4, labelled into compartments, sealed under two "
            "locks, stored by every member that answers, and committed with their receipts.",
        )
        documents = list(samples.bundles(self.patients))
        total = 0
        for _, data in documents:
            for resource in read_bundle(data).resources:
                self.sources[sha256(resource.raw).digest()] = resource.type
                total += 1
        started = time.monotonic()
        with self.screen.progress("sealing and committing", total) as progress:
            report = self.north.gateway.import_fhir(
                documents,
                lambda done: progress.update(0, completed=done),  # type: ignore[arg-type]  # the one task
            )
        seconds = time.monotonic() - started
        _hold(not report.refused, f"{len(report.refused)} documents were refused")
        if report.unchanged:
            self.screen.did(f"{report.unchanged} bundles were here already: nothing done twice")
        if report.records:
            self.screen.did(
                f"{report.records} resources of {report.patients} patients in {report.batches} "
                f"batches, {report.records / seconds:,.0f} a second"
            )
        self.screen.ledger(
            "shows for each batch a random id, its Merkle root, author, size and who stores it: no "
            "name, no diagnosis, no patient"
        )

    def look_at_the_disk(self) -> None:
        """Search all members' folders for people."""
        self.screen.step(
            "What do the disks hold?",
            "Every file of every member, searched for the patients' names.",
        )
        names = {patient.name for patient in self.north.gateway.patients() if patient.name}
        found = [
            path
            for member in CAST
            for folder in self.network.disks(member.name)
            for path in folder.rglob("*")
            if path.is_file() and any(name.encode() in path.read_bytes() for name in names)
        ]
        _hold(not found, f"a patient's name stands in {len(found)} files")
        self.screen.did(f"{len(names)} names searched in every file of four members: none found")
        self.screen.check(f"grep -ra '{_some_family(names)}' {self.network.folder} | wc -l")

    def ask_without_grant(self) -> None:
        """South tries without a grant."""
        self.screen.step(
            "South asks without a grant",
            "A physician at South wants the labs of one of North's patients.",
        )
        try:
            self.south.gateway.open_chart(bytes(16), TREATMENT)
        except Problem as problem:
            self.screen.refused(f"{problem.name}: {problem.text}")
        else:
            raise TourBroken("a chart opened without a grant")

    def grant_and_open(self) -> None:
        """The patient grants; South opens."""
        patient = self._patient()
        self.screen.step(
            f"{patient.name or 'The patient'} shares labs, medicines and vitals with South",
            "For seven days, for treatment. The patient's key signs; the ledger keeps a commitment "
            "and an end. Then South announces its access, and four witnesses log it before each "
            "gives its share of the key.",
        )
        given = self.north.gateway.grant(
            GrantAsked(
                patient=patient.handle,
                to=self.south.id,
                compartments=(LABS, MEDICINES, VITALS),
                purposes=(TREATMENT,),
                until_ms=self._now_ms() + 7 * DAY_MS,
            )
        )
        self.grant = given.grant
        self.screen.did(f"grant {given.grant.hex()}")
        started = time.monotonic()
        chart = self.south.gateway.open_chart(given.grant, TREATMENT)
        seconds = time.monotonic() - started
        self._hold_identical(chart)
        kinds = sorted({record.type for record in chart.records})
        self.screen.did(
            f"{len(chart.records)} records opened in {seconds:.2f} s, each byte-identical to "
            f"what North received: {', '.join(kinds)}"
        )

    def see_who_looked(self) -> None:
        """The patient asks who looked."""
        self.screen.step(
            "The patient asks who looked",
            "Each witness answers from the log it wrote before it gave its share; every line is "
            "checked against the ledger.",
        )
        disclosures = self.north.gateway.who_saw(self._patient().handle)
        _hold(disclosures.complete, f"only {disclosures.answered} witnesses answered")
        _hold(bool(disclosures.lines), "nobody is said to have looked")
        for line in disclosures.lines[:3]:
            self.screen.did(
                f"{_clock(line.time_ms)}  member {line.member.hex()[:8]}…, for {line.purpose}: "
                f"could open {len(line.groups)} groups in compartments "
                f"{', '.join(map(str, sorted(line.compartments)))}; "
                f"{len(line.witnesses)} of {disclosures.seats} witnesses say so"
            )

    def revoke(self) -> None:
        """One tap."""
        self.screen.step(
            "The patient stops it",
            "One act on the ledger. From its block on no witness gives a share.",
        )
        done = self.north.gateway.revoke(self.grant)
        self.screen.did(f"revoked in block {done.height}; the shared tags have new keys")
        try:
            self.south.gateway.open_chart(self.grant, TREATMENT)
        except Problem as problem:
            number = problem.facts.get("code", "")
            self.screen.refused(f"South tries again: {number} {problem.name}: {problem.text}")
            _hold(problem.name == "GrantRevoked", f"expected GrantRevoked, found {problem.name}")
        else:
            raise TourBroken("a chart opened after the grant was revoked")
        self.revoked = done.id

    def verify_offline(self) -> None:
        """Export a receipt and check it without any node."""
        self.screen.step(
            "Anyone verifies it offline",
            "The proof that the revocation happened, as a file, checked by a program that trusts "
            "no node: only the members' keys, three of four of which must have signed.",
        )
        proof = self.network.folder / "revoked.salus-proof"
        data = self.south.node.proofs.transaction(self.revoked)
        proof.write_bytes(data)
        trust_file = self.network.folder / "trust.json"
        trust = self._trust()
        write(trust_file, trust)
        verified = verifier.verify(data, trust)
        self.screen.did(verifier.describe(verified))
        broken = bytearray(data)
        # In the claim: one cosigner too many may be made unknown, and is ignored (C2SP).
        broken[data.index(b'"envelope"') + FLIPPED_AT] ^= 1
        try:
            verifier.verify(bytes(broken), trust)
        except verifier.Unverified as refusal:
            self.screen.refused(f"with one bit of the transaction flipped: {refusal}")
        else:
            raise TourBroken("a flipped proof was accepted")
        self.screen.check(f"salus verify {proof} --trust {trust_file}")

    def lose_a_member(self) -> None:
        """The laboratory loses its disk."""
        self.screen.step(
            "The laboratory loses its disk",
            "Its whole folder is deleted while the others go on: every record still opens. Then it "
            "comes back with its keys alone, and rebuilds ledger and vault from the others.",
        )
        self.network.stop_member("lab")
        self.network.delete_folder("lab")
        given = self.north.gateway.grant(
            GrantAsked(
                patient=self._patient().handle,
                to=self.south.id,
                compartments=tuple(range(16)),
                purposes=(TREATMENT,),
                until_ms=self._now_ms() + DAY_MS,
            )
        )
        self.grant = given.grant
        chart = self.south.gateway.open_chart(given.grant, TREATMENT)
        self._hold_identical(chart)
        self.screen.did(f"three members left: {len(chart.records)} records opened, all identical")
        lab = self.network.start_member("lab")
        self._wait(lambda: lab.node.ledger.tip.height >= self.north.node.ledger.tip.height)
        repaired = lab.node.repair_vault()
        _hold(not repaired.missing, f"{len(repaired.missing)} containers are lost")
        self.screen.did(
            f"the laboratory is back: {repaired.checked} batches checked, "
            f"{len(repaired.fetched)} containers and {len(repaired.shares)} sets of shares fetched "
            "from the others, none missing"
        )
        self._same_app_hash()

    def finish(self) -> None:
        """Sum up."""
        self.screen.step("What stands now", "")
        tip = self.north.node.ledger.tip
        view = self.north.node.ledger.view()
        self.screen.ledger(
            f"height {tip.height}, {tip.log_size} log entries, "
            f"app hash {tip.app_hash.hex()[:16]}…, {len(members.roster(view))} "
            f"members, copies of each batch: {records.copies_needed(view)} or more"
        )

    def _trust(self) -> Trust:
        view = self.north.node.ledger.view()
        keys = {
            member: members.keys(view, member, LOG_USE, view.time_ms)[0]
            for member in members.roster(view)
        }
        network = self.north.node.ledger.network
        validators = tuple(Validator(one.key, one.power) for one in members.validators(view))
        comet = CometTrust(chain_id(network), view.height, validators) if validators else None
        return Trust.of(network, default_policy(network, keys), comet=comet)

    def _patient(self) -> Patient:
        """The first sample patient, whom the tour follows."""
        people = self.north.gateway.patients()
        _hold(bool(people), "no patient is known")
        return min(people, key=lambda one: one.source)

    def _hold_identical(self, chart: Chart) -> None:
        _hold(bool(chart.records), "the chart is empty")
        _hold(chart.complete, "too few holders answered for a whole chart")
        _hold(not chart.unopened, f"{len(chart.unopened)} groups do not open")
        different = [
            record for record in chart.records if sha256(record.body).digest() not in self.sources
        ]
        _hold(not different, f"{len(different)} records differ from the sample files")

    def _same_app_hash(self) -> None:
        height = self.north.node.ledger.tip.height
        for member in self.network:
            self._wait(lambda member=member: member.node.ledger.tip.height >= height)  # type: ignore[misc]  # bound now
        hashes = {
            member.node.ledger.record(height).app if height else member.node.ledger.tip.app_hash
            for member in self.network
        }
        _hold(len(hashes) == 1, f"{len(hashes)} different app hashes at height {height}")
        self.screen.did(
            f"all {len(list(self.network))} copies have app hash {hashes.pop().hex()[:16]}… at "
            f"height {height}"
        )

    def _wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not holds():
            _hold(time.monotonic() < deadline, "a member did not catch up within a minute")
            time.sleep(0.05)

    def _now_ms(self) -> int:
        return self.north.node.ledger.tip.time_ms


def _hold(condition: object, found: str) -> None:
    if not condition:
        raise TourBroken(found)


def _clock(time_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(time_ms / 1000))


def _some_family(names: set[str]) -> str:
    return min(names).split(" ")[-1] if names else ""
