"""An Accord with its DICOM door open and something in it, clients that ask there, and dcmtk's programs as they come."""

import contextlib
import ssl
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from joserfc.jwk import ECKey
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.presentation import PresentationContext

from server.dimse import scp
from server.usecases.batch import close_batch
from server.usecases.client import add_client
from server.usecases.entity import add_entity
from server.usecases.party import add_party
from server.usecases.permit import add_permit
from server.usecases.runtime import Runtime
from server.usecases.take import take
from tests import builders
from tests.servers import find

LITTLE_ENDIAN = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]
STUDY_GET, STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.2"
CLASSES = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.2")
STUDY_FIND, PATIENT_FIND = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.1.1"
NO_SETTINGS: Mapping[str, object] = MappingProxyType({})
Answer = subprocess.CompletedProcess[str]


Counts = tuple[int | None, int | None, int | None, int | None, int | None]
_COUNTED = tuple(f"NumberOf{what}Suboperations" for what in ("Remaining", "Completed", "Failed", "Warning"))


@dataclass
class Retriever:
    """An association that may ask for objects, and the data sets that came to it by their UIDs."""

    association: Association
    came: dict[str, bytes]

    def get(self, level: str, **keys: object) -> list[Counts]:
        """(status, remaining, completed, failed, warned) of each response to a C-GET."""
        return [_counts(status) for status, _ in self.association.send_c_get(identifier(level, **keys), STUDY_GET)]

    def move(self, to: str, level: str, **keys: object) -> list[Counts]:
        """The same of a C-MOVE."""
        return [_counts(status) for status, _ in self.association.send_c_move(identifier(level, **keys), to, STUDY_MOVE)]


def last_of(answers: Iterable[tuple[Dataset, object]]) -> tuple[int | None, str]:
    """(status, comment) of the last response."""
    status = list(answers)[-1][0]
    return status.get("Status"), status.get("ErrorComment", "")


def _counts(status: Dataset) -> Counts:
    remaining, completed, failed, warned = (status.get(f"{what}") for what in _COUNTED)
    return status.get("Status"), remaining, completed, failed, warned


@dataclass
class Network:
    """The running door, its runtime, and what of pynetdicom's is to be closed."""

    runtime: Runtime
    scp: scp.Scp
    associations: list[Association] = field(default_factory=list)

    def run(self, program: str, *arguments: str, calling: str = "RESEARCH", called: str = "ACCORD") -> Answer:
        """One of dcmtk's programs, asking as this AE."""
        peer = ["-aec", called, "-aet", calling, "127.0.0.1", str(self.scp.port)]
        command = [str(find(program)), *arguments, *peer]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def associate(
        self,
        *contexts: PresentationContext,
        calling: str = "RESEARCH",
        called: str = "ACCORD",
        extended: Sequence[SOPClassExtendedNegotiation] = (),
    ) -> Association:
        """pynetdicom as SCU."""
        entity = AE(calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
        wanted = list(contexts) or [build_context(STUDY_FIND, LITTLE_ENDIAN)]
        association = entity.associate("127.0.0.1", self.scp.port, contexts=wanted, ae_title=called, ext_neg=list(extended))
        self.associations.append(association)
        return association

    def find(self, association: Association, level: str, *, model: str = STUDY_FIND, **keys: object) -> list[tuple[int, Dataset]]:
        """(status, identifier) of each response to a C-FIND; the last has no identifier of its own."""
        asked = identifier(level, **keys)
        return [(status.Status, answer or status) for status, answer in association.send_c_find(asked, model)]

    def retrieve(
        self,
        calling: str = "RESEARCH",
        *,
        roles: bool = True,
        syntaxes: Sequence[str] = LITTLE_ENDIAN,
        classes: Sequence[str] = CLASSES,
        tls: ssl.SSLContext | None = None,
    ) -> "Retriever":
        """An association that may ask for objects, and takes them itself; by `tls` where that is given."""
        came: dict[str, bytes] = {}

        def take(event: evt.Event) -> int:
            came[event.request.AffectedSOPInstanceUID] = event.encoded_dataset(include_meta=False)
            return 0x0000

        entity = AE(calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
        contexts = [build_context(STUDY_GET, LITTLE_ENDIAN), build_context(STUDY_MOVE, LITTLE_ENDIAN)]
        contexts += [build_context(c, syntax) for c in classes for syntax in syntaxes]
        negotiated = [build_role(c, scp_role=True) for c in classes] if roles else []
        peer = ("127.0.0.1", self.scp.tls_port if tls else self.scp.port)
        handlers = [(evt.EVT_C_STORE, take)]
        association = entity.associate(
            *peer,
            contexts=contexts,
            ae_title="ACCORD",
            ext_neg=negotiated,
            evt_handlers=handlers,  # type: ignore[arg-type]
            tls_args=(tls, "accord") if tls else None,
        )
        self.associations.append(association)
        return Retriever(association, came)

    def accesses(self) -> list[tuple[str, str, str, int]]:
        """(subject, action, what was asked, answers) of every access, in order."""
        self.runtime.accesses.flush()
        with self.runtime.store.read() as connection:
            rows = connection.exec_driver_sql("SELECT subject, action, target, count FROM access ORDER BY id")
            return [tuple(row) for row in rows]


def identifier(level: str, **keys: object) -> Dataset:
    """A request identifier in UTF-8."""
    asked = Dataset()
    asked.SpecificCharacterSet, asked.QueryRetrieveLevel = "ISO_IR 192", level
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


@contextlib.contextmanager
def network(
    folder: Path, *, clock: builders.Clock | None = None, settings: Mapping[str, object] = NO_SETTINGS, **agreement: object
) -> Iterator[Network]:
    """Hospital-a's LUNG, under conditions of which the university has a permit that names export, and hospital-b's BREAST.

    RESEARCH and COMPUTE ask for the university, the latter inside of the node; PACS-A for hospital-a, PACS-B for hospital-b.
    """
    runtime = builders.runtime(folder, clock=clock, **settings)
    conditions = {"access_class": "conditional", "actions": ("query", "process", "export"), "purposes": ("AIRESEARCH",)}
    builders.seed(runtime, **conditions | agreement)
    builders.seed(runtime, alias="BREAST", provider="hospital-b", actions=())
    add_party(runtime, builders.ACTOR, "university", "University", "user")
    add_permit(runtime, builders.ACTOR, "LUNG", "university", export=True)
    for title, client, party, node in (
        ("RESEARCH", "researcher", "university", None),
        ("COMPUTE", "compute", "university", "central"),
        ("PACS-A", "pacs-a", "hospital-a", None),
        ("PACS-B", "pacs-b", "hospital-b", None),
    ):
        _let_ask(runtime, title, client, party, node)
    opened = Network(runtime, scp.serve(runtime, bind="127.0.0.1", port=0))
    try:
        yield opened
    finally:
        for association in opened.associations:
            association.abort() if association.is_established else None
        opened.scp.stop(0.5)
        runtime.close()


def _let_ask(runtime: Runtime, title: str, client: str, party: str, node: str | None) -> None:
    public = {"keys": [ECKey.generate_key("P-384", auto_kid=True).as_dict(private=False)]}
    purpose = "AIRESEARCH" if party == "university" else None
    registered = {"purposes": [purpose] if purpose else (), "terms": builders.TERMS, "node": node, "jwks": public}
    add_client(runtime, builders.ACTOR, client, party=party, **registered)  # type: ignore[arg-type]
    add_entity(runtime, builders.ACTOR, title, client=client, networks=["127.0.0.0/8"], purpose=purpose)


def hold(runtime: Runtime, *files: memoryview, alias: str = "LUNG", provider: str = "hospital-a") -> None:
    """Have these in care, as a deposit that is over."""
    batch = builders.batch(runtime, alias, provider=provider)
    for number, file in enumerate(files):
        assert take(runtime, batch, f"{number}.dcm", file).outcome == "pass"
    close_batch(runtime, batch.id)
