"""
One member's gateway, assembled: what its people and systems ask for, in one place.

Doors call these methods and add nothing; each opens what its organisation may see, and no more.
"""

from collections.abc import Iterable
from pathlib import Path

from salus.gateway.announcements import Announcements
from salus.gateway.batches import Batches
from salus.gateway.charts import Chart, Charts
from salus.gateway.desk import Desk
from salus.gateway.grants import Given, GrantAsked, Grants
from salus.gateway.housekeeping import Housekeeping
from salus.gateway.intake import ImportReport, Intake, Progress
from salus.gateway.keyring import Keyring, Patient
from salus.gateway.office import Office
from salus.gateway.packages import Packages, Received
from salus.gateway.quarantine import Quarantine, Refused
from salus.gateway.session import Reading
from salus.gateway.staff import Staff
from salus.gateway.who_saw import Disclosures, WhoSaw
from salus.node.mempool import Done
from salus.node.node import Node


class Gateway:
    """Opened beside the member's node; closed before it."""

    def __init__(self, folder: Path, node: Node) -> None:
        """`folder`: the gateway's own, on the member's machine."""
        secret = node.keys.storage
        self.desk = Desk(folder / "desk.db", secret)
        self.office = Office(node)
        self.staff = Staff(self.office, self.desk)
        self._keyring = Keyring(self.desk, self.office, node.keys.house)
        self._batches = Batches(self.office, self.desk)
        self._quarantine = Quarantine(self.desk, self.office.now_ms)
        self._intake = Intake(
            self.office, self.desk, self._keyring, self._batches, self._quarantine
        )
        self._grants = Grants(self.office, self.desk, self._keyring)
        self._packages = Packages(self.office, self.desk)
        announcements = Announcements(self.office, self.desk)
        self._charts = Charts(self.office, self._packages, announcements)
        self._who_saw = WhoSaw(self.office, self._keyring)
        self.housekeeping = Housekeeping(
            node, self.office, self._batches, self._grants, announcements
        )

    def import_fhir(
        self, documents: Iterable[tuple[str, bytes]], progress: Progress | None = None
    ) -> ImportReport:
        """Take FHIR documents in; see `Intake.take`."""
        return self._intake.take(documents, progress)

    def patients(self) -> list[Patient]:
        """Everybody in this member's custody."""
        return list(self._keyring)

    def grant(self, asked: GrantAsked) -> Given:
        """Give a grant for a patient in custody; see `Grants.give`."""
        return self._grants.give(asked)

    def revoke(self, grant: bytes) -> Done:
        """End a grant given here; see `Grants.revoke`."""
        return self._grants.revoke(grant)

    def stop(self, patient: bytes, compartments: Iterable[int]) -> Done:
        """Stop everything on some compartments; see `Grants.stop`."""
        return self._grants.stop(patient, list(compartments))

    def grants(self) -> list[tuple[Given, str]]:
        """Grants given here, each with its state now."""
        return self._grants.all()

    def received(self) -> list[Received]:
        """Grants that other members' patients gave to this one."""
        return self._packages.received()

    def open_chart(self, grant: bytes, purpose: str, practitioner: bytes | None = None) -> Chart:
        """Open what a grant covers, for one person; see `Charts.open`."""
        person = self.staff.one(practitioner)
        return self._charts.open(grant, Reading(practitioner=person.id, purpose=purpose))

    def who_saw(self, patient: bytes) -> Disclosures:
        """Everybody who opened records of a patient in custody; see `WhoSaw.of`."""
        return self._who_saw.of(patient)

    def quarantine(self) -> list[Refused]:
        """Documents that were refused and kept."""
        return self._quarantine.all()

    def replay(self, place: bytes) -> ImportReport:
        """Try a document in quarantine again; it leaves only if it is taken in."""
        name, data = self._quarantine.document(place)
        report = self._intake.take([(name, data)])
        if not report.refused:
            self._quarantine.drop(place)
        return report

    def drop(self, place: bytes) -> None:
        """Forget a document in quarantine: a person decided that it is of no use."""
        self._quarantine.document(place)
        self._quarantine.drop(place)

    def close(self) -> None:
        """Stop housekeeping, close the desk."""
        self.housekeeping.close()
        self.office.close()
        self.desk.close()
