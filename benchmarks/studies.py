"""Fills an index with studies as if they had been deposited: rows, fragments and documents as the product itself makes them."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy import insert, select, text, update

from adapters.sql import tables as t
from adapters.sql.index import started_columns
from adapters.sql.store import moment, stamp
from mappings.dicom.fragment import series_fragment, study_fragment
from mappings.dicom.header import Header
from mappings.fhir.imaging_study import document
from mappings.study import Instance, Series, Study, patient_key, study_key
from server.usecases.runtime import Runtime

ROOT = "1.2.826.0.1.3680043.10.1561"
CT_IMAGE, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
SERIES, INSTANCES = 2, 4
TOGETHER = 2_000
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Owner:
    """A dataset and whose it is."""

    dataset: int
    alias: str
    party: int
    provider: str


def fill(runtime: Runtime, count: int) -> None:
    """Index `count` studies, each of a patient of its own, in turn to each dataset; published, without custody and files."""
    with runtime.store.read() as connection:
        owners = [Owner(*row) for row in connection.execute(_OWNERS)]
    chance, at = random.Random(3), stamp(runtime.clock())
    for start in range(1, count + 1, TOGETHER):
        numbers = range(start, min(start + TOGETHER, count + 1))
        made = [_made(number, owners[number % len(owners)], chance, at + number) for number in numbers]
        with runtime.store.write(durable=False) as connection:
            for table, rows in zip((t.patient, t.study, t.series), zip(*made, strict=True), strict=True):
                connection.execute(insert(table), list(_flat(rows)))
            connection.execute(update(t.feed).values(at=at + numbers[-1]))
    if not runtime.store.is_sqlite:  # as autovacuum does within a minute of so many rows
        with runtime.store.write(durable=False) as connection:
            connection.execute(text("ANALYZE"))


_OWNERS = (
    select(t.dataset.c.id, t.dataset.c.alias, t.agreement.c.party, t.party.c.key)
    .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
    .join(t.party, t.agreement.c.party == t.party.c.id)
)


def _flat(rows: Iterable[Row | list[Row]]) -> Iterator[Row]:
    for row in rows:
        yield from row if isinstance(row, list) else [row]


def _header(number: int, chance: random.Random) -> Header:
    day = date(2010, 1, 1) + timedelta(days=chance.randrange(5_000))
    said = {
        "transfer_syntax": EXPLICIT,
        "sop_class_uid": CT_IMAGE,
        "study_instance_uid": f"{ROOT}.{number}",
        "patient_id": f"SUBJECT-{number:07}",
        "patient_name": f"SUBJECT-{number:07}^",
        "patient_sex": chance.choice("MFO"),
        "patient_birth_date": f"{day.year - chance.randrange(20, 90)}0101",
        "age_years": chance.randrange(20, 90),
        "study_date": f"{day:%Y%m%d}",
        "study_time": f"{chance.randrange(24):02}{chance.randrange(60):02}{chance.randrange(60):02}.125000",
        "timezone_offset": "+0100",
        "accession_number": f"A{number:07}",
        "study_id": str(number),
        "study_description": "CT thorax and abdomen with contrast, portal venous phase",
        "modality": chance.choice(("CT", "CT", "MR", "PT", "MG")),
        "series_description": "Axial, soft tissue kernel, 3 mm",
        "body_part_examined": chance.choice(("CHEST", "ABDOMEN", "PROSTATE", "BREAST", "LIVER")),
        "manufacturer": "Benchmark Imaging",
    }
    return Header(**(_EMPTY | said))


_EMPTY: Row = dict.fromkeys(Header.__slots__)


def _made(number: int, owner: Owner, chance: random.Random, at: int) -> tuple[Row, Row, list[Row]]:
    """The rows of a patient, its study and the study's series."""
    header = _header(number, chance)
    each = [_series(header, n) for n in range(1, SERIES + 1)]
    key = patient_key(owner.provider, str(header.patient_id))
    patient = {
        "id": number,
        "key": key,
        "party": owner.party,
        "patient_id": header.patient_id,
    }
    return patient, _study(number, owner, header, each, key, at), [_series_row(number, header, series) for series in each]


def _series(header: Header, number: int) -> Series:
    uid = f"{header.study_instance_uid}.{number}"
    instances = tuple(Instance(f"{uid}.{n}", CT_IMAGE, n) for n in range(1, INSTANCES + 1))
    return Series(
        uid,
        header.modality,
        instances,
        number,
        header.series_description,
        header.body_part_examined,
        None,
        header.study_date,
        header.study_time,
    )


def _study(number: int, owner: Owner, header: Header, series: list[Series], patient: str, at: int) -> Row:
    uid, modality = header.study_instance_uid, str(header.modality)
    counts = {"series": SERIES, "instances": SERIES * INSTANCES}
    fragment = study_fragment(header, issuer=owner.provider, modalities=[modality], sop_classes=[CT_IMAGE], **counts)
    noun = Study(
        study_key(uid), uid, patient, owner.alias, 1, moment(at), tuple(series), header.study_date, header.study_time,
        header.timezone_offset, header.accession_number, header.study_id, header.study_description, owner.provider,
    )  # fmt: skip
    same = ("patient_id", "patient_sex", "patient_birth_date", "study_date", "study_time", "accession_number", "study_id")
    begun = started_columns(header.study_date, header.study_time, header.timezone_offset)
    return {name: getattr(header, name) for name in same} | counts | begun | {
        "id": number, "key": noun.key, "study_uid": uid, "dataset": owner.dataset, "patient": number, "referring": "",
        "patient_name": str(header.patient_name).lower(), "age": header.age_years, "modalities": modality,
        "description": str(header.study_description).lower(), "header": msgspec.json.encode(header).decode(),
        "sop_classes": CT_IMAGE, "fragment": fragment.encode(), "document": document(noun),
        "version": 1, "updated": at, "published": at, "touched": at, "dirty_since": None,
    }  # fmt: skip


def _series_row(study: int, header: Header, series: Series) -> Row:
    own = replace(header, series_instance_uid=series.uid, series_number=series.number)
    return {
        "study": study, "series_uid": series.uid, "modality": series.modality, "body_part": series.body_part,
        "manufacturer": str(header.manufacturer).lower(), "number": series.number, "instances": INSTANCES,
        "description": str(series.description).lower(), "header": msgspec.json.encode(own).decode(),
        "fragment": series_fragment(own, instances=INSTANCES).encode(),
    }  # fmt: skip
