"""Out by every way: what a server holds comes back by WADO-RS, C-GET and C-MOVE as it came, and renders where it can be decoded.

HTTP gives the whole file, DICOM's network its data set, both bit for bit. Each object is fetched alone over HTTP, and with its
study over DICOM. Whether its first frame can be decoded is what pydicom says, with the decoders that are installed.
"""

import io
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx
from pydicom import Dataset, dcmread
from pydicom.pixels import pixel_array
from pynetdicom import AE, AllStoragePresentationContexts, build_context, build_role, evt
from pynetdicom.events import Event
from sqlalchemy import select
from tqdm import tqdm

from adapters.sql import tables as t
from benchmarks.accord import PROVIDER, Accord
from consent.custody import State
from mappings.dicom.dimse import TRANSFER_SYNTAXES
from tests.servers import free_port

ASKS = "BENCHASKS"
GET, MOVE = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.2"
STORED = "application/dicom; transfer-syntax=*"
DONE = 0x0000
MOST_CONTEXTS = 120


@dataclass(frozen=True)
class Held:
    """An object in custody: its names, and the whole file that came in."""

    study: str
    series: str
    instance: str
    sop_class: str
    transfer_syntax: str
    dataset_start: int
    file: bytes

    @property
    def path(self) -> str:
        """Of its instance, below the archive's root."""
        return f"/dicom-web/studies/{self.study}/series/{self.series}/instances/{self.instance}"


def check(accord: Accord, came: Iterable[bytes]) -> int:
    """Release what waits, have all that is held out by each way, and print what is not as it `came`; how many things that are."""
    _release(accord)
    originals = {sha256(file).digest(): file for file in came}
    held, wrong = _held(accord, originals)
    wrong += [f"{one.instance} by {way}: {what}" for way, found in _ways(accord, held) for one, what in found]
    rendered, refused = _rendered(accord, held)
    print(f"Out by WADO-RS, C-GET and C-MOVE: {len(held)} objects each, {len(wrong)} not as they came.")
    unmade = len(refused) - len(rendered)
    print(f"Rendered: {len(held) - len(refused)}; refused, as pydicom has no picture of them either: {unmade}.")
    for line in wrong + rendered:
        print("  WRONG", line)
    return len(wrong) + len(rendered)


def _release(accord: Accord) -> None:
    runtime = accord.runtime()
    with runtime.store.read() as connection:
        waiting = select(t.custody.c.batch).where(t.custody.c.state == State.REVIEW)
        keys = connection.execute(select(t.batch.c.key).where(t.batch.c.id.in_(waiting))).scalars().all()
    for key in keys:
        accord.run("admin", "batch", "release", key, "--yes")


def _held(accord: Accord, originals: dict[bytes, bytes]) -> tuple[list[Held], list[str]]:
    """What is held, and what of it is no file that came."""
    c, i = t.custody.c, t.instance.c
    named = (t.study.c.study_uid, t.series.c.series_uid, i.sop_uid, i.sop_class)
    columns = (*named, c.transfer_syntax, c.dataset_start, c.file_digest)
    joined = t.instance.join(t.series, i.series == t.series.c.id).join(t.study, t.series.c.study == t.study.c.id)
    rows = select(*columns).select_from(joined.join(t.custody, i.custody == c.id)).where(c.state == State.HELD)
    with accord.runtime().store.read() as connection:
        found = [tuple(row) for row in connection.execute(rows)]
    strange = [f"{row[2]}: is no file that was sent" for row in found if row[-1] not in originals]
    return [Held(*row[:-1], originals[row[-1]]) for row in found if row[-1] in originals], strange


Found = list[tuple[Held, str]]


def _ways(accord: Accord, held: list[Held]) -> Iterator[tuple[str, Found]]:
    yield "WADO-RS", _by_wado(accord, held)
    port = free_port()
    accord.run("admin", "ae", "add", ASKS, "--client", PROVIDER, "--from", "127.0.0.1/32", "--scp", f"127.0.0.1:{port}")
    yield "C-GET", _by_get(accord, held)
    yield "C-MOVE", _by_move(accord, held, port)


# --- HTTP


def _http(accord: Accord, accept: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {accord.token()}", "Accept": accept}
    return httpx.Client(base_url=accord.url, headers=headers, timeout=120)


def _by_wado(accord: Accord, held: list[Held]) -> Found:
    with _http(accord, STORED) as http:
        answers = [(one, http.get(one.path)) for one in tqdm(held, desc="WADO-RS", unit="object", disable=None)]
    return [(one, f"{answer.status_code}, other bytes") for one, answer in answers if answer.content != one.file]


def _rendered(accord: Accord, held: list[Held]) -> tuple[list[str], list[str]]:
    """What is wrong of pictures, and all that have none."""
    with _http(accord, "image/jpeg") as http:
        answers = [(one, http.get(f"{one.path}/rendered")) for one in tqdm(held, desc="rendered", unit="object", disable=None)]
    refused = [(one, answer) for one, answer in answers if answer.status_code != 200]
    wrong = [f"{one.path}: {a.status_code} {a.text}" for one, a in refused if a.status_code != 406 or _is_decodable(one.file)]
    return wrong, [one.instance for one, _ in refused]


def _is_decodable(file: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pixel_array(dcmread(io.BytesIO(file), force=True), index=0).size > 0
        except Exception:  # noqa: BLE001 - decoders raise anything
            return False


# --- DICOM's network


def _by_get(accord: Accord, held: list[Held]) -> Found:
    came: dict[str, bytes] = {}
    wrong: Found = []
    for study, objects in tqdm(_studies(held).items(), desc="C-GET", unit="study", disable=None):
        entity = AE(ASKS)
        pairs = sorted({(one.sop_class, one.transfer_syntax) for one in objects})[:MOST_CONTEXTS]
        contexts = [build_context(GET), *(build_context(sop_class, syntax) for sop_class, syntax in pairs)]
        roles: list[Any] = [build_role(sop_class, scp_role=True) for sop_class in {sop_class for sop_class, _ in pairs}]
        at = ("127.0.0.1", accord.dimse_port)
        asked = entity.associate(
            *at, contexts=contexts, ae_title="ACCORD", ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, _taking(came))]
        )
        wrong += _ended(objects, [status for status, _ in asked.send_c_get(_identifier(study), GET)])
        asked.release()
    return wrong + _unlike(held, came)


def _by_move(accord: Accord, held: list[Held], port: int) -> Found:
    came: dict[str, bytes] = {}
    entity = AE(ASKS)
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), list(TRANSFER_SYNTAXES))
    entity.add_requested_context(MOVE)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, _taking(came))])
    try:
        asked = entity.associate("127.0.0.1", accord.dimse_port, ae_title="ACCORD")
        wrong: Found = []
        for study, objects in tqdm(_studies(held).items(), desc="C-MOVE", unit="study", disable=None):
            wrong += _ended(objects, [status for status, _ in asked.send_c_move(_identifier(study), ASKS, MOVE)])
        asked.release()
    finally:
        server.shutdown()
    return wrong + _unlike(held, came)


def _taking(came: dict[str, bytes]) -> Any:
    def store(event: Event) -> int:
        came[event.request.AffectedSOPInstanceUID] = event.request.DataSet.getvalue()
        return 0

    return store


def _studies(held: list[Held]) -> dict[str, list[Held]]:
    return {one.study: [other for other in held if other.study == one.study] for one in held}


def _identifier(study: str) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", study
    return asked


def _ended(objects: list[Held], statuses: list[Dataset]) -> Found:
    last = statuses[-1].get("Status") if statuses else None
    return [] if last == DONE else [(objects[0], f"its study's retrieval ended with {last and hex(last)}")]


def _unlike(held: list[Held], came: dict[str, bytes]) -> Found:
    unlike = [one for one in held if came.get(one.instance) != one.file[one.dataset_start :]]
    return [(one, "another data set" if one.instance in came else "did not come") for one in unlike]
