"""The index's writing side: what one held instance adds to its study and series, and how a withdrawn study leaves.

Adding costs the same for the first and the ten-thousandth instance of a study: counts are kept, not counted, and the study's
fragment is made again from its own header. Its FHIR document is the worker's, who is told that the study has changed.

What is kept as bytes is of a form. A header says its own ("v"; none is form 0) and is read whichever release wrote it: fields
that this one does not know are passed over, those that it misses are None. Fragments and documents are finished and say nothing:
`study.form` is the lowest form of anything kept for the study, so that a release whose bytes differ raises FORM and finds what to
make again (`form < FORM`, see `adapters.sql.reindex`): from the files, and the document from its rows.
"""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, bindparam, case, delete, exists, func, insert, select, update

from adapters.sql import feed
from adapters.sql import tables as t
from adapters.sql.prepared import Prepared
from adapters.sql.store import insert_of, insert_one, moment, stamp
from consent.stop import Cause
from mappings.dicom.fragment import instance_summary, series_fragment, study_fragment
from mappings.dicom.header import OF_SERIES, Header
from mappings.fhir.imaging_study import started
from mappings.fhir.moments import span
from mappings.fhir.serial import dated
from mappings.fields import fold, fold_name
from mappings.study import Code, Instance, Series, Study, patient_key, study_key

_s, _e, _i = t.study.c, t.series.c, t.instance.c
FORM = 3
"""The form of what this release keeps as bytes. 0: the first, whose headers do not say it; 1 had no procedures, 2 no requests."""


class StudyElsewhere(Exception):
    """The study came to belong to another dataset while this object was on its way."""


def add(
    connection: Connection,
    header: Header,
    metadata: bytes,
    *,
    dataset: int,
    party: int,
    provider: str,
    custody: int,
    now: datetime,
) -> bool:
    """Index one held instance, in the transaction that settles it; whether its series is new. Raises StudyElsewhere."""
    patient = _patient(connection, header, party, provider)
    held = _study(connection, header, dataset, patient, now)
    series, is_new = _series(connection, header, held.id)
    values = {"study": held.id, "series": series, "custody": custody, "sop_uid": header.sop_instance_uid}
    insert_one(connection, t.instance, **values, **instance_values(header), metadata=metadata)
    modalities, classes = _with(held.modalities, header.modality), _with(held.sop_classes, header.sop_class_uid)
    series_held, instances_held = held.series + is_new, held.instances + 1
    fragment = study_fragment(
        read_header(held.header),
        issuer=provider,
        modalities=modalities.split(),
        sop_classes=classes.split(),
        series=series_held,
        instances=instances_held,
    ).encode()
    values = {"modalities": modalities, "sop_classes": classes, "fragment": fragment, "touched": stamp(now)}
    values |= {"series": series_held, "instances": instances_held, "form": FORM}
    _GROW.count(connection, {f"new_{k}": v for k, v in values.items()} | {"row": held.id})
    return is_new


def instance_values(header: Header) -> dict[str, object]:
    """The columns that a header says of its instance, but for its UID and metadata."""
    values: dict[str, object] = {
        "sop_class": header.sop_class_uid,
        "number": header.instance_number,
        "frames": max(header.number_of_frames or 1, 1),
        "title": header.image_type or header.content_label,
        "laterality": header.image_laterality,
    }
    return fitted(t.instance, values) | {"summary": instance_summary(header, header.transfer_syntax).encode()}


def _with(words: str, word: str | None) -> str:
    return words if not word or word in words.split() else f"{words} {word}".strip()


def _insert_missing(connection: Connection, table: Any, values: dict[str, object]) -> int | None:
    """Insert unless the row is there, since another transaction may have made it; its id where it was made here."""
    inserted = insert_of(connection)(table).values(**values).on_conflict_do_nothing().returning(table.c.id)
    made: int | None = connection.execute(inserted).scalar_one_or_none()
    return made


_PATIENT = Prepared(select(t.patient.c.id).where(t.patient.c.key == bindparam("key")))
_STUDY = Prepared(
    select(_s.id, _s.dataset, _s.modalities, _s.sop_classes, _s.series, _s.instances, _s.header)
    .where(_s.study_uid == bindparam("uid"))
    .with_for_update()
)
_SERIES = Prepared(select(_e.id, _e.header, _e.instances).where(_e.study == bindparam("of"), _e.series_uid == bindparam("uid")))
_GROW = Prepared(
    update(t.study)
    .where(_s.id == bindparam("row"))
    .values(
        {c: bindparam(f"new_{c}") for c in ("modalities", "sop_classes", "fragment", "touched", "series", "instances")}
        | {"dirty_since": func.coalesce(_s.dirty_since, bindparam("new_touched"))}
        | {"form": case((_s.form > bindparam("new_form"), bindparam("new_form")), else_=_s.form)}  # a newer process made it
    )
)
_GROW_SERIES = Prepared(
    update(t.series)
    .where(_e.id == bindparam("row"))
    .values(instances=bindparam("new_instances"), fragment=bindparam("new_fragment"))
)


def fitted(table: Table, values: dict[str, object]) -> dict[str, object]:
    """Values cut to their columns: real files hold codes and numbers longer than their VR, which a strict database refuses.

    Only what is searched by is cut; fragments and headers keep a value whole.
    """
    return {name: value[: _width(table, name)] if isinstance(value, str) else value for name, value in values.items()}


def _width(table: Table, name: str) -> int | None:
    return getattr(table.c[name].type, "length", None)


def _patient(connection: Connection, header: Header, party: int, provider: str) -> int:
    key = patient_key(provider, header.patient_id or "")
    if (row := _PATIENT.first(connection, {"key": key})) is None:
        values = {"key": key, "party": party, "patient_id": header.patient_id or ""}
        _insert_missing(connection, t.patient, values)
        row = _PATIENT.first(connection, {"key": key})
    return int(row.id)


def _study(connection: Connection, header: Header, dataset: int, patient: int, now: datetime) -> Any:
    """The study's row as it stands, locked until the transaction ends; made where it was missing."""
    named = {"uid": header.study_instance_uid}
    row = _STUDY.first(connection, named)
    if row is None:
        made = _insert_missing(connection, t.study, fitted(t.study, _study_values(header, dataset, patient, now)))
        if made is not None:
            insert_items(connection, header, made)
        row = _STUDY.first(connection, named)
    if row.dataset != dataset:
        raise StudyElsewhere
    return row


def started_columns(date: str | None, time: str | None, zone: str | None) -> dict[str, int | None]:
    """The columns that say when a study started, as its document does."""
    begins, ends = span(started(date, time, zone))
    return {"started_from": begins, "started_to": ends}


def _study_values(header: Header, dataset: int, patient: int, now: datetime) -> dict[str, object]:
    return study_values(header) | {
        "key": study_key(header.study_instance_uid),
        "study_uid": header.study_instance_uid,
        "dataset": dataset,
        "patient": patient,
        "modalities": "",
        "sop_classes": "",
        "series": 0,
        "instances": 0,
        "fragment": b"",
        "form": FORM,
        "version": 0,
        "updated": 0,
        "touched": stamp(now),
    }


def study_values(header: Header) -> dict[str, object]:
    """The columns that the header of its first object says of a study, but for what that belongs to."""
    return started_columns(header.study_date, header.study_time, header.timezone_offset) | {
        "patient_id": header.patient_id or "",
        "patient_name": fold_name(header.patient_name or ""),
        "patient_sex": header.patient_sex or "",
        "patient_birth_date": header.patient_birth_date or "",
        "age": header.age_years,
        "study_date": header.study_date or "",
        "study_time": header.study_time or "",
        "accession_number": header.accession_number or "",
        "study_id": header.study_id or "",
        "description": fold(header.study_description or ""),
        "referring": fold_name(header.referring_physician_name or ""),
        "header": _stored(header),
    }


def _series(connection: Connection, header: Header, study: int) -> tuple[int, bool]:
    row = _SERIES.first(connection, {"of": study, "uid": header.series_instance_uid})
    if row is None:
        made = insert_one(connection, t.series, **fitted(t.series, {"study": study, "instances": 1} | series_values(header, 1)))
        insert_items(connection, header, study, made)
        return made, True
    fragment = series_fragment(read_header(row.header), instances=row.instances + 1).encode()
    _GROW_SERIES.count(connection, {"row": row.id, "new_instances": row.instances + 1, "new_fragment": fragment})
    return row.id, False


def insert_items(connection: Connection, header: Header, study: int, series: int | None = None) -> None:
    """Keep the items of sequences that a header says of its study, or of its series where one is named."""
    of: dict[str, object] = {"study": study, "series": series}
    codes = [
        of | {"sequence": sequence, "scheme": scheme, "code": code, "meaning": fold(meaning)}
        for sequence, scheme, code, meaning in header.codes or ()
        if (sequence in OF_SERIES) == (series is not None)
    ]
    requests = [
        of | {"procedure_id": procedure, "step_id": step} for procedure, step in header.requests or () if series is not None
    ]
    for table, rows in ((t.coded, codes), (t.request, requests)):
        if rows:
            connection.execute(insert(table), [fitted(table, row) for row in rows])


def series_values(header: Header, instances: int) -> dict[str, object]:
    """The columns that the header of its first object says of a series of so many instances."""
    return {
        "series_uid": header.series_instance_uid,
        "modality": header.modality or "",
        "body_part": header.body_part_examined or "",
        "manufacturer": fold(header.manufacturer or ""),
        "number": header.series_number,
        "description": fold(header.series_description or ""),
        "performed_date": header.performed_date or "",
        "performed_time": header.performed_time or "",
        "header": _stored(header),
        "fragment": series_fragment(header, instances=instances).encode(),
    }


def _stored(header: Header) -> str:
    return f'{{"v":{FORM},{msgspec.json.encode(header).decode()[1:]}'


def read_header(stored: str) -> Header:
    """A header as any release kept it."""
    return msgspec.json.decode(stored, type=Header)


def dirty(
    connection: Connection, quiet_before: datetime, since_before: datetime, ahead_of: datetime, limit: int = 50
) -> list[int]:
    """Studies whose document is due: quiet since one moment, or changed since before another, so that none starves.

    One touched later than a third moment is due as well: a clock was ahead for a while.
    """
    due = (_s.touched <= stamp(quiet_before)) | (_s.dirty_since <= stamp(since_before)) | (_s.touched > stamp(ahead_of))
    return list(
        connection.execute(
            select(_s.id).where(_s.dirty_since.is_not(None), due).order_by(_s.dirty_since, _s.id).limit(limit)
        ).scalars()
    )


def study(connection: Connection, key: int, now: datetime) -> tuple[Study, int] | None:
    """A study with its series and instances as FHIR needs it to be published now, and the `touched` it was read at."""
    row = connection.execute(
        select(t.study, t.dataset.c.alias, t.party.c.key.label("provider"), t.patient.c.key.label("patient_key"))
        .join(t.dataset, _s.dataset == t.dataset.c.id)
        .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
        .join(t.party, t.agreement.c.party == t.party.c.id)
        .join(t.patient, _s.patient == t.patient.c.id)
        .where(_s.id == key)
    ).one_or_none()
    return None if row is None else (_noun(row, _series_of(connection, key), now), row.touched)


def _series_of(connection: Connection, study_id: int) -> tuple[Series, ...]:
    held: dict[int, list[Instance]] = {}
    columns = (_i.series, _i.sop_uid, _i.sop_class, _i.number, _i.frames, _i.title, _i.laterality)
    instances = select(*columns).where(_i.study == study_id).order_by(_i.series, _i.number.nulls_last(), _i.id)
    for row in connection.execute(instances):
        held.setdefault(row.series, []).append(Instance(*row[1:]))
    rows = connection.execute(select(t.series).where(_e.study == study_id).order_by(_e.number.nulls_last(), _e.id))
    return tuple(_series_noun(r, read_header(r.header), tuple(held.get(r.id, ()))) for r in rows)


def _series_noun(row: Any, header: Header, instances: tuple[Instance, ...]) -> Series:
    return Series(
        uid=row.series_uid,
        modality=row.modality or None,
        number=row.number,
        description=header.series_description,
        body_part=header.body_part_examined,
        laterality=header.laterality,
        date=header.series_date,
        time=header.series_time,
        instances=instances,
    )


def _noun(row: Any, series: tuple[Series, ...], now: datetime) -> Study:
    header = read_header(row.header)
    return Study(
        key=row.key,
        uid=row.study_uid,
        alias=row.alias,
        patient_key=row.patient_key,
        accession_number=header.accession_number,
        study_id=header.study_id,
        description=header.study_description,
        provider=row.provider,
        procedures=tuple(Code(*code) for code in header.procedures or ()),
        date=header.study_date,
        time=header.study_time,
        timezone_offset=header.timezone_offset,
        version=row.version + 1,
        updated=now,
        series=series,
    )


def keep_document(connection: Connection, key: int, document: bytes, touched: int, now: datetime) -> bool:
    """Publish a study's document, which then says the feed's stamp of it.

    False where the study changed meanwhile (it stays due), or another worker kept the same. The study is locked before the feed,
    as whoever withdraws one does.
    """
    due = select(_s.id).where(_s.id == key, _s.touched == touched, _s.dirty_since.is_not(None)).with_for_update()
    if connection.execute(due).one_or_none() is None:
        return False
    at = feed.take_stamp(connection, now)
    values = {"document": dated(document, moment(at)), "version": _s.version + 1, "updated": at, "dirty_since": None}
    connection.execute(update(t.study).where(_s.id == key).values(**values, published=func.coalesce(_s.published, at)))
    return True


def remove_study(connection: Connection, study_uid: str, cause: Cause) -> None:
    """Take a study and its patient, if that was the patient's last, out of the index; the feed has yet to tell of it."""
    row = connection.execute(select(_s.id, _s.patient).where(_s.study_uid == study_uid)).one_or_none()
    if row is None:
        return
    feed.bury(connection, row.id, cause)
    for table in (t.coded, t.request, t.instance, t.series):
        connection.execute(delete(table).where(table.c.study == row.id))
    connection.execute(delete(t.study).where(_s.id == row.id))
    lonely = ~exists().where(_s.patient == row.patient)
    connection.execute(delete(t.patient).where(t.patient.c.id == row.patient, lonely))
