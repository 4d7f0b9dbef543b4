"""Builders of valid defaults: a runtime on a fresh database and folder node, with one of everything governance needs."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import Connection

from adapters.cursors import Cursors
from adapters.sql import governance
from adapters.sql import person as people
from adapters.sql import tables as t
from consent.conditions import Purpose
from consent.person import Actor, PersonRole
from consent.subject import Role, Subject
from mappings.fhir.search import Reader, Sealing
from server import wiring
from server.settings import Settings
from server.usecases import describe
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.batch import Batch, Origin, open_batch, sender_origin
from server.usecases.dataset import add_dataset
from server.usecases.identify import AeTitle, identify
from server.usecases.node import add_node, list_nodes
from server.usecases.party import add_party
from server.usecases.person import add_person
from server.usecases.runtime import Caller, Runtime
from server.usecases.sender import add_sender, attest_sender
from server.usecases.terms import publish_terms
from server.worker.jobs import KINDS, work_off
from tests import databases

SAMPLES = Path(__file__).parent.parent / "samples"
DICOM = SAMPLES / "dicom"
ACTOR = "operator:test"
OPERATOR = Actor("person:olga", None, frozenset({PersonRole.OPERATOR}))
LOCAL = Actor(ACTOR, None, frozenset({PersonRole.OPERATOR}), is_local=True)
TERMS = "1.0.0"
CURSORS = Cursors(bytes(range(64)))
SEALING = Sealing(CURSORS.seal, CURSORS.opened)
READER = Reader("http://127.0.0.1:8080", datetime(2026, 11, 22, 12, tzinfo=UTC), "reader", SEALING)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at or datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def on(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


DETAILS = {
    "version": "1.0.0",
    "interoperability": "SPEC1000011",
    "health_category": "EHRS",
    "type": "SPEC1000020;dpv:PseudonymisedData",
    "collection_method": "SPEC1000003",
    "provenance": "Public test images.",
    "contact": "test@example.org",
    "condition": "CLIN1000057",
    "sex": "COM1001366",
    "manufacturer": "IMG1000044",
    "body_part": "BP1000021",
    "keyword": "test",
}
"""What an operator says of a dataset: all that its images can't tell."""


def day(runtime: Runtime) -> str:
    """Today, as a sentence says it."""
    return f"{runtime.clock():%Y-%m-%d}"


def runtime(folder: Path, *, url: str = "", clock: Clock | None = None, **settings: object) -> Runtime:
    """A runtime on a data directory, a fresh one unless it is there; SQLite unless a database URL is given."""
    if not url and not (folder / "data").exists():
        (folder / "data").mkdir(mode=0o700, parents=True)
        databases.sqlite(folder / "data" / "accord.db")
    values = {"data_dir": folder / "data", "database_url": url, "min_free_mb": 0, "min_subjects": 1} | settings
    return wiring.runtime(Settings(**{"grace_days": 0} | values), clock=clock or wiring.now, make=True)  # type: ignore[arg-type]


def person(runtime: Runtime, key: str, *, role: str = "operator", party: str | None = None, **more: Any) -> None:
    """Add a person, called `key` and with an address, unless it is there: an operator, if not something in an organisation."""
    with runtime.store.read() as connection:
        known = people.find(connection, key)
    if known is None:
        add_person(runtime, LOCAL, key, name=key, email=f"{key}@people.example", role=role, party=party, **more)


def seed(
    built: Runtime,
    *,
    alias: str = "LUNG",
    provider: str = "hospital-a",
    attested: bool = False,
    sends: bool = True,
    **agreement: object,
) -> None:
    """A provider with an active agreement, its dataset, a sender STORESCU on loopback; a node 'central' and terms 1.0.0."""
    start = built.clock() - timedelta(days=1)
    if not list_nodes(built):
        publish_terms(built, ACTOR, TERMS, b"Never for diagnosis.\n")
        add_node(built, ACTOR, "central", kind="folder", hosting="central", url="central", networks=["127.0.0.0/8"])
    add_party(built, ACTOR, provider, provider.title(), "provider")
    key = f"DSA-{alias}"
    terms = {
        "provider": provider,
        "node": "central",
        "terms": TERMS,
        "starts": start,
        "actions": ("query", "process"),
        "visibility": "full",
        "federated": agreement.get("listed", True),
    }
    add_agreement(built, ACTOR, key, **(terms | agreement))  # type: ignore[arg-type]
    move_agreement(built, ACTOR, key, "propose")
    move_agreement(built, ACTOR, key, "activate")
    add_dataset(built, ACTOR, alias, key, f"Dataset {alias}", "Made for a test.")
    if sends:
        add_sender(built, ACTOR, alias, "STORESCU", "127.0.0.1/32")
    if attested:
        attest_sender(built, ACTOR, alias, "STORESCU", "Dr. Attest", "2026-11-01")


def subject(role: Role = Role.USER, **values: object) -> Subject:
    """An approved caller who accepted the terms and is registered for every purpose."""
    defaults = {"id": str(role), "role": role, "party": "hospital-a" if role in (Role.PROVIDER, Role.SENDER) else "university"}
    return Subject(
        **(defaults | {"approved": True, "terms": frozenset({TERMS}), "purposes": frozenset(Purpose), "external": False} | values)
    )  # type: ignore[arg-type]


def caller(role: Role = Role.USER, purpose: str | None = "AIRESEARCH", **values: object) -> Caller:
    """A caller with a purpose claim."""
    return Caller(subject(role, **values), purpose if role in (Role.USER, Role.INSIDE) else None, ("system/*.cruds",), "test")


def batch(
    built: Runtime, alias: str = "LUNG", *, attested: bool = False, provider: str = "hospital-a", door: str = "push"
) -> Batch:
    """An open batch for a dataset."""
    with built.store.read() as connection:
        facts = next(f for f in built.governance.current(connection).facts if f.alias == alias)
    origin = Origin(door, subject(Role.PROVIDER, party=provider), facts.dataset, alias, "127.0.0.1", "", "", attested)
    return open_batch(built, origin)


def association(built: Runtime, called: str = "LUNG", calling: str = "STORESCU", address: str = "127.0.0.1") -> Batch:
    """An open batch of a registered sender."""
    return open_batch(built, sender_origin(identify(built, AeTitle(called, calling, address))))


def described(built: Runtime) -> None:
    """Let the job describe every dataset now."""
    describe.ask_all(built)
    work_off(built, describe.KIND, KINDS[describe.KIND], Event())


def agreement_rows(connection: Connection, key: str, *, state: str = "active", **content: object) -> int:
    """The rows of an agreement with content, by their columns, whatever the rules; its id."""
    party = content.pop("party")
    agreement = governance.insert_row(connection, t.agreement, EPOCH, key=key, party=party, version=1, state=state)
    words = {"access_class": "default", "listed": True, "actions": "", "visibility": "none", "purposes": ""}
    values = {"version": 1, "starts": 0, "at": 0} | words | content
    connection.execute(t.agreement_version.insert().values(agreement=agreement, **values))
    return agreement


def sample(name: str) -> memoryview:
    """A file of `samples/dicom`."""
    return memoryview((DICOM / name).read_bytes())


def made(sop_uid: str = "1.2.3.1.1", *, study: str = "1.2.3", series: str = "", **elements: object) -> memoryview:
    """A small MR image that says it is de-identified, as a file; `elements` by keyword (None: without it)."""
    values = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4",
        "SOPInstanceUID": sop_uid,
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series or f"{study}.1",
        "PatientID": "P1",
        "PatientName": "P1",
        "PatientIdentityRemoved": "YES",
        "Modality": "MR",
        "StudyDate": "20200101",
        "Rows": 8,
        "Columns": 8,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "PixelData": bytes(range(64)),
    }
    dataset = Dataset()
    for keyword, value in (values | elements).items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OB"
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return memoryview(file.getvalue())
