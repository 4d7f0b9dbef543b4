"""The query builder on both databases: what SQL answers is what `decide` and a plain reading of the question say."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies
from sqlalchemy import insert, select, update

from adapters.sql import agreement as agreements
from adapters.sql import dataset as datasets
from adapters.sql import directory, governance, instances, migrate, rarest, renewal, search
from adapters.sql import node as nodes
from adapters.sql import tables as t
from adapters.sql.agreement import AGREEMENTS
from adapters.sql.dataset import ENDPOINTS, PATIENTS, SHARED
from adapters.sql.directory import DirectoryScope
from adapters.sql.party import ORGANISATIONS
from adapters.sql.store import Store, moment, stamp
from adapters.sql.tallies import tallies, tally_of
from consent.agreement import AgreementState
from consent.conditions import AccessClass, Action, Purpose, Visibility
from consent.policy import VisibleDatasets, decide, stopped, visible_datasets
from consent.subject import Role, Subject
from mappings.dcat.details import said
from mappings.dicom.qido import read_query
from mappings.fields import FIELDS, Kind, fold
from mappings.query import EVERYTHING, NOTHING, AllOf, AnyOf, Between, Level, Like, Not, OneOf, Page, Query
from server.usecases.governance import GovernanceSnapshot
from tests.builders import agreement_rows, subject

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = Page(limit=100_000)
PLAIN = {name: field for name, field in FIELDS.items() if "." not in field.keyword}
"""All fields but those of items of sequences."""
DEPTH = {Level.PATIENT: 0, Level.STUDY: 1, Level.SERIES: 2, Level.INSTANCE: 3}
AMONG = {"modalities": (2, "modality"), "sop_classes": (3, "sop_class")}
"""What a study says of all its rows at a depth, and what each of them calls it."""
WORDS = {
    Kind.CODE: ["", "CT", "MR", "ct", "PAT-1", "PAT_1", "pat%2", "A\\B", "CTX"],
    Kind.UID: ["1.2.3", "1.2.30", "1.2.4"],
    Kind.TEXT: ["", "chest ct", "chest%", "head", "che_t", "thorax\\abdomen"],
    Kind.NAME: ["", "doe^jane", "doe^john", "yamada^tarou=山田^太郎", "a=doe^x"],
    Kind.DATE: ["", "20200101", "20200229", "20211231"],
    Kind.TIME: ["", "10", "101500", "101500.5", "235959"],
}
PATTERNS = [
    "*",
    "",
    "CT*",
    "ct*",
    "*T",
    "C?",
    "PAT_*",
    "PAT?1",
    "*%*",
    "*\\*",
    "doe^j*",
    "*doe*",
    "山田*",
    "che_t",
    "???",
    "1.2.3*",
    "x*",
]


@dataclass
class Row:
    """A row of the naive index: its level, its values by field name, its parent and its children."""

    level: Level
    values: dict[str, object]
    dataset: int
    parent: "Row | None" = None
    children: list["Row"] = field(default_factory=list)

    def value(self, name: str) -> object:
        """The field's value here or above."""
        return self.values[name] if name in self.values else self.parent.value(name) if self.parent else None

    def below(self, depth: int) -> list["Row"]:
        """The rows at this depth under this one."""
        return [self] if DEPTH[self.level] == depth else [r for c in self.children for r in c.below(depth)]


@dataclass
class Index:
    """A filled database and the same rows in memory."""

    store: Store
    studies: list[Row]


def some(chance: random.Random, kind: Kind) -> object:
    if kind is Kind.NUMBER:
        return chance.choice([None, 0, 1, 7, 45, 63])
    if kind is Kind.MOMENT:
        return chance.choice([None, 0, 3, 9, 200, 500])
    return chance.choice(WORDS[kind])


VERSIONS = (
    {"version": "1.0.0"},
    {"version": "1.1.0", "contains": "1.0.0"},
    {"version": "2.0.0", "renewal": True, "effective_at": stamp(NOW)},
    {"version": "3.0.0", "renewal": True, "contains": "2.0.0", "effective_at": stamp(NOW + DAY)},
)
"""Versions of the general terms."""


STATES = [AgreementState(s) for s in ("draft", "proposed", "active", "suspended", "terminated")]


def govern(chance: random.Random, connection) -> list[int]:
    """Random parties, nodes, agreements with datasets and permits; the ids of the datasets."""
    terms = [governance.insert_row(connection, t.terms, NOW, sha256="0" * 64, text=b"", at=0, **values) for values in VERSIONS]
    parties = [
        governance.insert_row(connection, t.party, NOW, key=k, name=k, role=r, approved=True)
        for k, r in (("hospital-a", "provider"), ("clinic", "provider"), ("university", "user"))
    ]
    shared = {"kind": "folder", "hosting": "central", "url": "", "networks": "", "allow": ""}
    nodes = [
        governance.insert_row(connection, t.node, NOW, name=f"n{s}", state=s, **shared)
        for s in ("linked", "linked2", "suspended", "unlinked")
    ]
    governance.update_row(connection, t.node, nodes[1], NOW, state="linked")
    datasets, other = [], random.Random(2)
    for n in range(16):
        agreement = agreement_rows(
            connection,
            f"A{n}",
            party=chance.choice(parties[:2]),
            node=chance.choice([*nodes[:2], *nodes]),
            terms=other.choice(terms),
            external=other.random() < 0.6,
            federated=other.random() < 0.6,
            state=str(chance.choice([AgreementState.ACTIVE] * 6 + STATES)),
            starts=stamp(NOW + chance.choice([-DAY, -DAY, -DAY, timedelta(0), timedelta(microseconds=1)])),
            ends=chance.choice([None, None, stamp(NOW), stamp(NOW + timedelta(microseconds=1))]),
            access_class=str(chance.choice(list(AccessClass))),
            listed=chance.random() < 0.5,
            actions=" ".join(a for a in ("query", "process", "export") if chance.random() < 0.7),
            visibility=str(chance.choice(list(Visibility))),
            purposes=" ".join(p for p in map(str, Purpose) if chance.random() < 0.8),
        )
        dataset = governance.insert_row(
            connection,
            t.dataset,
            NOW + timedelta(seconds=n),
            alias=f"D{n}",
            agreement=agreement,
            title=("", "The Set", "clinic")[n % 3],
            description="",
            details=("{}", '{"condition":"CLIN1000065"}', '{"condition":"no code"}', '{"condition":"CLIN1000060"}')[n % 4],
        )
        if other.random() < 0.4:  # its provider accepted later terms
            renewed = renewal.Pinned(agreement, f"A{n}", 1, "", 1)
            renewal.bring_under(connection, renewed, terms[other.choice([2, 3])], "x", NOW)
        datasets.append(dataset)
        if chance.random() < 0.5:
            ends = chance.choice([None, stamp(NOW), stamp(NOW + DAY)])
            revoked = chance.choice([None, None, stamp(NOW)])
            governance.insert_row(
                connection, t.permit, NOW, dataset=dataset, party=parties[2], starts=0, ends=ends, revoked=revoked
            )
    return datasets


def fill(chance: random.Random, connection, datasets: list[int]) -> list[Row]:
    """Random studies with series and instances, in the tables and in memory."""
    batch = {
        "key": "b",
        "door": "push",
        "dataset": datasets[0],
        "subject": "",
        "peer": "",
        "calling": "",
        "called": "",
        "attested": False,
        "opened": 0,
        "touched": 0,
    }
    batch_id = connection.execute(insert(t.batch).values(**batch).returning(t.batch.c.id)).scalar_one()
    patients = []
    for n in range(12):
        row = {"key": f"{n + 1:032x}", "party": 1, "patient_id": f"P{n}"}
        values = {"patient_key": row["key"], "pseudonym": row["patient_id"], "patient_provider": "hospital-a"}
        patients.append((connection.execute(insert(t.patient).values(**row).returning(t.patient.c.id)).scalar_one(), values))
    return [_study(chance, connection, n, chance.choice(datasets), chance.choice(patients), batch_id) for n in range(90)]


OF_DATASET = {"alias", "provider", "condition"}


def _study(chance, connection, n, dataset, patient, batch) -> Row:
    own = {
        f.name: some(chance, f.kind)
        for f in PLAIN.values()
        if f.level is Level.STUDY
        and f.name not in {"study_uid", "study_key", "updated", "alias", "provider", "condition", *AMONG}
    }
    governing = t.dataset.join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
    named = select(t.dataset.c.alias, t.party.c.key, t.dataset.c.details)
    named = named.select_from(governing.join(t.party, t.agreement.c.party == t.party.c.id))
    alias, provider, details = connection.execute(named.where(t.dataset.c.id == dataset)).one()
    own |= {"study_uid": f"1.2.{n}", "study_key": f"s{n}", "updated": n * 10, "alias": alias, "provider": provider}
    own["condition"] = json.loads(details).get("condition")
    own["patient_sex"] = chance.choice(["M"] * (n % 3) + ["F", "", "CT"])
    study = Row(Level.STUDY, own, dataset, Row(Level.PATIENT, patient[1], dataset))
    values = {k: v for k, v in own.items() if k not in {"study_key", *OF_DATASET}} | {
        "key": own["study_key"],
        "dataset": dataset,
        "patient": patient[0],
    }
    rest = {"header": "{}", "modalities": "", "sop_classes": "", "series": 0, "instances": 0, "version": 1, "touched": 0}
    document = None if n % 7 == 0 else b"doc " + own["study_uid"].encode()
    study.values["document"] = document
    key = connection.execute(
        insert(t.study).values(**values, **rest, fragment=own["study_uid"].encode(), document=document).returning(t.study.c.id)
    ).scalar_one()
    for m in range(chance.randint(1, 3)):
        study.children.append(_series(chance, connection, f"{own['study_uid']}.{m}", key, study, batch))
    for name, (depth, single) in AMONG.items():
        study.values[name] = tuple(row.values[single] for row in study.below(depth))
    return study


def _series(chance, connection, uid, study_key, study, batch) -> Row:
    own = {f.name: some(chance, f.kind) for f in PLAIN.values() if f.level is Level.SERIES} | {"series_uid": uid}
    series = Row(Level.SERIES, own, study.dataset, study)
    names = {"series_number": "number", "series_description": "description"}
    values = {names.get(k, k): v for k, v in own.items()} | {
        "study": study_key,
        "header": "{}",
        "instances": 1,
        "fragment": uid.encode(),
    }
    key = connection.execute(insert(t.series).values(**values).returning(t.series.c.id)).scalar_one()
    for m in range(chance.randint(1, 2)):
        series.children.append(_instance(chance, connection, f"{uid}.{m}", (study_key, key), series, batch))
    return series


def _instance(chance, connection, uid, keys, series, batch) -> Row:
    own = {"sop_uid": uid, "sop_class": some(chance, Kind.UID), "instance_number": some(chance, Kind.NUMBER)}
    held = {
        "sop_uid": uid,
        "series_uid": "",
        "study_uid": "",
        "patient_id": "",
        "dataset": series.dataset,
        "node": 1,
        "batch": batch,
        "state": "held",
    }
    held |= {
        "quarantined": False,
        "digest": b"",
        "file_digest": b"",
        "size": 1,
        "dataset_start": 0,
        "transfer_syntax": "",
        "place": uid,
        "name": uid,
        "rule": "",
        "at": 0,
    }
    custody = connection.execute(insert(t.custody).values(**held).returning(t.custody.c.id)).scalar_one()
    values = {
        "sop_uid": uid,
        "sop_class": own["sop_class"],
        "number": own["instance_number"],
        "frames": 1,
        "summary": uid.encode(),
    }
    connection.execute(insert(t.instance).values(**values, metadata=uid.encode(), study=keys[0], series=keys[1], custody=custody))
    return Row(Level.INSTANCE, own, series.dataset, series)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def index(request, tmp_path_factory) -> Iterator[Index]:
    url = (
        f"sqlite:///{tmp_path_factory.mktemp('search')}/accord.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgresql")()
    )
    store = Store(url)
    migrate.upgrade(store)
    chance = random.Random(11)
    with store.write() as connection:
        studies = fill(chance, connection, govern(chance, connection))
    yield Index(store, studies)
    store.close()


@pytest.fixture(scope="module")
def kept(index) -> GovernanceSnapshot:
    """Governance as a process keeps it, with what it decided between two turns."""
    with index.store.read() as connection:
        return GovernanceSnapshot(0, governance.facts(connection), {}, {}, frozenset())


@pytest.fixture(autouse=True)
def some_are_rare(monkeypatch) -> None:
    """What a quarter of the studies answer is looked up first, and what more do is not."""
    monkeypatch.setattr(rarest, "FEW", 22)
    monkeypatch.setattr(rarest, "FEW_BY_TEXT", 22)


def everywhere(index: Index) -> VisibleDatasets:
    """Every dataset: SQL's own predicate still applies."""
    return VisibleDatasets(frozenset(s.dataset for s in index.studies), None)


def open_studies(index: Index) -> list[Row]:
    """What is not stopped, by `consent`'s own word."""
    with index.store.read() as connection:
        datasets = {f.dataset for f in governance.facts(connection) if not stopped(f, NOW)}
    going = [s for s in index.studies if s.dataset in datasets]
    for study in going:
        study.parent.children = [s for s in going if s.value("patient_key") == study.value("patient_key")]
        sexes = {s.values["patient_sex"] for s in study.parent.children} & {"M", "F", "O"}
        study.parent.values["gender"] = next(iter(sexes)) if len(sexes) == 1 else None
        study.parent.values["patient_updated"] = max(s.values["updated"] for s in study.parent.children)
    return going


# --- the naive reading of a question


def holds(condition, row: Row) -> bool:
    """Whether a condition holds on a row, read aloud from `mappings.query`."""
    depth = DEPTH[row.level]
    if isinstance(condition, AllOf):
        return _all_hold(condition.parts, row, depth)
    if isinstance(condition, AnyOf):
        return any(holds(p, row) for p in condition.parts)
    if isinstance(condition, Not):
        return not holds(condition.part, row)
    below = DEPTH[FIELDS[condition.field].level]
    return any(_holds_here(condition, r) for r in row.below(below)) if below > depth else _holds_here(condition, row)


def _all_hold(parts, row: Row, depth: int) -> bool:
    same: dict[int, list[object]] = {}
    for part in parts:
        depths = _depths(part)
        if depths is not None and len(depths) == 1 and max(depths) > depth:
            same.setdefault(max(depths), []).append(part)
        elif not holds(part, row):
            return False
    return all(any(all(holds(p, r) for p in group) for r in row.below(deep)) for deep, group in same.items())


def _depths(condition) -> set[int] | None:
    """The depths a condition speaks of, none where it is empty; None where it denies."""
    if isinstance(condition, Not):
        return None
    if isinstance(condition, AllOf | AnyOf):
        parts = [_depths(p) for p in condition.parts]
        return None if None in parts else set().union(*parts)
    return {DEPTH[FIELDS[condition.field].level]}


def _holds_here(condition, row: Row) -> bool:
    return any(meets(condition, value, FIELDS[condition.field].kind) for value in several(row.value(condition.field)))


def meets(condition, value: object, kind: Kind) -> bool:
    """Whether a value meets a leaf."""
    if isinstance(condition, OneOf):
        return value is not None and value in condition.values
    if isinstance(condition, Like):
        pattern = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in condition.pattern)
        return re.fullmatch(f"(.*=)?({pattern})" if kind is Kind.NAME else pattern, str(value), re.DOTALL) is not None
    if value in (None, ""):
        return False
    return (condition.low is None or value >= condition.low) and (condition.high is None or value <= condition.high)


def some_condition(chance: random.Random, depth: int = 0):
    kind = chance.randrange(10)
    if depth < 3 and kind < 6:
        parts = tuple(some_condition(chance, depth + 1) for _ in range(chance.randint(0, 3)))
        return AllOf(parts) if kind < 3 else AnyOf(parts) if kind < 5 else Not(some_condition(chance, depth + 1))
    field = chance.choice(list(PLAIN.values()))
    return some_alternatives(chance, field) if kind < 8 else some_leaf(chance, field)


def some_alternatives(chance: random.Random, asked):
    """What a list of values is read into: alternatives in alternatives, of one field or two, one of them perhaps of nothing."""
    other = chance.choice([f for f in PLAIN.values() if f.level is asked.level])
    fields = [asked, asked, asked, other]
    parts = [some_leaf(chance, chance.choice(fields)) for _ in range(chance.randint(1, 5))]
    return AnyOf((*(chance.choice([part, AnyOf((part,)), AnyOf((NOTHING, part))]) for part in parts),))


def some_leaf(chance: random.Random, asked):
    values = {
        "study_uid": ["1.2.3", "1.2.40", "1.2.x"],
        "study_key": ["s1", "s2"],
        "patient_key": [f"{n + 1:032x}" for n in (1, 2, 99)],
        "pseudonym": ["P1", "P2", "P"],
        "gender": ["M", "F"],
        "condition": ["CLIN1000065", "CLIN1000060", "no code", "CLIN1000057"],
    }
    if asked.kind is Kind.MOMENT:
        return Between(asked.name, chance.choice([None, 3, 200]), chance.choice([None, 9, 500]))
    if asked.kind is Kind.NUMBER:
        low, high = chance.choice([None, 1, 45]), chance.choice([None, 7, 63])
        return chance.choice([OneOf(asked.name, (7, 45)), OneOf(asked.name, ()), Between(asked.name, low, high)])
    words = values.get(asked.name, WORDS[asked.kind])
    if asked.kind in (Kind.DATE, Kind.TIME) and chance.random() < 0.7:
        return Between(asked.name, chance.choice([None, *words]), chance.choice([None, *words]))
    if asked.kind in (Kind.TEXT, Kind.NAME, Kind.CODE) and asked.name != "gender" and chance.random() < 0.5:
        return Like(asked.name, chance.choice(PATTERNS))
    return OneOf(asked.name, tuple(chance.sample(words, chance.randint(0, 2))))


def answers(index: Index, query: Query, visible: VisibleDatasets) -> set[str]:
    with index.store.read() as connection:
        return {f.decode() for f in search.fragments(connection, query, visible, NOW)}


def expected(studies: list[Row], level: Level, condition) -> set[str]:
    name = {Level.STUDY: "study_uid", Level.SERIES: "series_uid", Level.INSTANCE: "sop_uid"}[level]
    return {str(r.values[name]) for s in studies for r in s.below(DEPTH[level]) if holds(condition, r)}


# --- who may see what


@pytest.mark.parametrize("seed", range(4))
def test_the_rows_sql_answers_are_the_rows_decide_allows(index, seed):
    chance = random.Random(seed)
    with index.store.read() as connection:
        facts = governance.facts(connection)
    for _ in range(12):
        who = subject(
            chance.choice(list(Role)),
            party=chance.choice([None, "hospital-a", "clinic", "university"]),
            approved=chance.random() < 0.9,
            terms=frozenset(v["version"] for v in VERSIONS if chance.random() < 0.6),
            external=chance.random() < 0.4,
        )
        action, purpose = (
            chance.choice([Action.QUERY, Action.DISCOVER, Action.EXPORT]),
            chance.choice([None, "TREAT", *map(str, Purpose)]),
        )
        yes = {f.dataset for f in facts if decide(who, action, purpose, f, NOW).allowed}
        mine = [s for s in index.studies if s.dataset in yes]
        visible = visible_datasets(who, action, purpose, facts, NOW)
        for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
            assert answers(index, Query(level, page=ALL), visible) == expected(mine, level, EVERYTHING)


PEOPLE = strategies.builds(
    Subject,
    id=strategies.just("x"),
    role=strategies.sampled_from([*Role, Role.USER, Role.USER, Role.INSIDE]),
    party=strategies.sampled_from([None, "hospital-a", "clinic", "university", "university"]),
    approved=strategies.booleans(),
    terms=strategies.frozensets(strategies.sampled_from([v["version"] for v in VERSIONS] + ["9.9.9"])),
    purposes=strategies.frozensets(strategies.sampled_from(list(Purpose))),
    external=strategies.booleans(),
)
MOMENTS = strategies.sampled_from([-DAY, -timedelta(microseconds=1), timedelta(0), timedelta(microseconds=1), DAY, 9 * DAY])
ASKED = strategies.sampled_from([Action.QUERY, Action.DISCOVER, Action.EXPORT, Action.VIEW])
PURPOSES = strategies.sampled_from([None, "TREAT", *map(str, Purpose)])


@given(who=PEOPLE, action=ASKED, purpose=PURPOSES, later=MOMENTS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_rows_by_sql_are_rows_by_decide_at_any_moment_also_from_what_a_process_keeps(index, kept, who, action, purpose, later):
    """Random agreements in versions, under terms that take effect, and people: by decisions that are kept between two turns."""
    now = NOW + later
    with index.store.read() as connection:
        visible = kept.visible_datasets(who, action, purpose, now)
        found = {f.decode() for f in search.fragments(connection, Query(Level.STUDY, page=ALL), visible, now)}
    yes = {f.dataset for f in kept.facts if decide(who, action, purpose, f, now).allowed}
    assert found == {str(s.values["study_uid"]) for s in index.studies if s.dataset in yes}


def test_visible_datasets_are_never_enough_what_is_stopped_stays_out_of_every_statement(index):
    """What was visible may be older than a stop: each statement joins the governing rows itself."""
    visible, going = everywhere(index), open_studies(index)
    assert 0 < len(going) < len(index.studies)
    with index.store.read() as connection:
        every = Query(Level.INSTANCE, page=ALL)
        held = expected(going, Level.INSTANCE, EVERYTHING)
        assert {o.sop_uid for o in instances.locate(connection, every, visible, NOW)} == held
        assert {m.decode() for m in instances.metadata(connection, every, visible, NOW)} == held
        documented = {s.values["document"] for s in going} - {None}
        assert {d for _, d, _ in search.documents(connection, Query(Level.STUDY, page=ALL), visible, NOW)} == documented
        assert search.count(connection, Query(Level.STUDY), visible, NOW) == len(documented)
        patients = {s.value("patient_key") for s in going}
        assert {p.key for _, p in search.patients(connection, Query(Level.PATIENT, page=ALL), visible, NOW)} == patients
        assert search.count(connection, Query(Level.PATIENT), visible, NOW) == len(patients)
        assert {x.dataset for x in tallies(connection, Query(Level.STUDY), visible, NOW)} == {s.dataset for s in going}


def test_without_a_visible_dataset_nothing_is_answered(index):
    assert answers(index, Query(Level.STUDY, page=ALL), VisibleDatasets(frozenset(), None)) == set()


def end_in_version_2(connection, agreement):
    content = connection.execute(t.agreement_version.select().filter_by(agreement=agreement, version=1)).mappings().one()
    ended = {**content, "version": 9, "ends": stamp(NOW)}
    connection.execute(t.agreement_version.insert().values(**{name: ended[name] for name in ended if name != "id"}))


@pytest.mark.parametrize(
    ("noun", "change"),
    [
        ("agreement", {"state": "suspended"}),
        ("agreement", {"version": 9}),  # whose content has ended
        ("node", {"state": "unlinked"}),
        ("node", {"state": "suspended"}),
    ],
)
def test_a_stop_binds_the_next_statement(index, noun, change):
    study = open_studies(index)[0]
    visible, query = everywhere(index), Query(Level.STUDY, OneOf("study_uid", (str(study.values["study_uid"]),)))
    with index.store.read() as connection:
        facts = next(f for f in governance.facts(connection) if f.dataset == study.dataset)
        key = agreements.find(connection, facts.agreement).id if noun == "agreement" else nodes.find(connection, facts.node).id
        assert len(search.fragments(connection, query, visible, NOW)) == 1
        with index.store.write() as writing:
            if "version" in change:
                end_in_version_2(writing, key)
            before = {c: writing.execute(t.metadata.tables[noun].select().filter_by(id=key)).mappings().one()[c] for c in change}
            writing.execute(update(t.metadata.tables[noun]).filter_by(id=key).values(**change))
        try:
            assert search.fragments(connection, query, visible, NOW) == []
        finally:
            with index.store.write() as writing:
                writing.execute(update(t.metadata.tables[noun]).filter_by(id=key).values(**before))


# --- what a question means


@pytest.mark.parametrize("name", PLAIN)
def test_every_field_is_matched_as_a_plain_reading_matches_it(index, name):
    chance, visible, going = random.Random(name), everywhere(index), open_studies(index)
    for _ in range(8):
        leaf = some_leaf(chance, FIELDS[name])
        for condition in (leaf, Not(leaf)):
            for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
                assert answers(index, Query(level, condition, ALL), visible) == expected(going, level, condition), (
                    level,
                    condition,
                )


@pytest.mark.parametrize("seed", range(12))
def test_every_tree_of_conditions_is_matched_as_a_plain_reading_matches_it(index, seed):
    chance, visible, going = random.Random(seed), everywhere(index), open_studies(index)
    for _ in range(6):
        condition = some_condition(chance)
        for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
            assert answers(index, Query(level, condition, ALL), visible) == expected(going, level, condition), (level, condition)


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("jan", {"doe^jane"}),
        ("DOE J", {"doe^jane", "doe^john"}),
        ("doe", {"doe^jane", "doe^john", "a=doe^x"}),
        ("j^d", {"doe^jane", "doe^john"}),
        ("ohn", set()),
        ("太郎", {"yamada^tarou=山田^太郎"}),
        ("Ta Ya", {"yamada^tarou=山田^太郎"}),
        ("*ohn", {"doe^john"}),
        ("doe^jan?", {"doe^jane"}),
    ],
)
def test_a_fuzzy_name_begins_words_and_one_with_wildcards_is_as_it_says(index, name, matches):
    query, warnings = read_query(Level.STUDY, [("PatientName", name), ("fuzzymatching", "true")])
    assert warnings == []
    named = {str(s.values["study_uid"]) for s in open_studies(index) if s.values["patient_name"] in matches}
    assert answers(index, replace(query, page=ALL), everywhere(index)) == named
    assert bool(named) is bool(matches)


def test_conditions_on_series_in_one_all_of_hold_on_the_same_series(index):
    """CT of the head and MR of the chest is no CT of the chest."""
    going, visible = open_studies(index), everywhere(index)
    pairs = [(a, b) for s in going for a in s.children for b in s.children if a is not b]
    crossed = next(
        (a, b)
        for a, b in pairs
        if not any(
            (c.values["modality"], c.values["body_part"]) == (a.values["modality"], b.values["body_part"])
            for c in a.parent.children
        )
    )
    modality, part = OneOf("modality", (crossed[0].values["modality"],)), OneOf("body_part", (crossed[1].values["body_part"],))
    this = OneOf("study_uid", (crossed[0].parent.values["study_uid"],))
    assert answers(index, Query(Level.STUDY, AllOf((this, modality, part)), ALL), visible) == set()
    each_alone = AllOf((this, AnyOf((modality,)), Not(Not(part))))
    assert len(answers(index, Query(Level.STUDY, each_alone, ALL), visible)) == 1


def test_wrapping_a_condition_changes_nothing(index):
    visible, chance = everywhere(index), random.Random(3)
    for _ in range(30):
        inner = some_condition(chance, 2)
        plain = answers(index, Query(Level.STUDY, inner, ALL), visible)
        for wrapped in (AllOf((inner,)), AnyOf((inner,)), Not(Not(inner)), AllOf((AnyOf((Not(Not(inner)),)),))):
            assert answers(index, Query(Level.STUDY, wrapped, ALL), visible) == plain, wrapped


def test_everything_is_everything_and_nothing_is_nothing(index):
    visible, going = everywhere(index), open_studies(index)
    assert answers(index, Query(Level.STUDY, EVERYTHING, ALL), visible) == expected(going, Level.STUDY, EVERYTHING)
    assert answers(index, Query(Level.STUDY, NOTHING, ALL), visible) == set()


@pytest.mark.parametrize("seed", range(4))
def test_patients_and_what_is_told_of_them_come_from_the_studies_that_are_open(index, seed):
    chance, visible = random.Random(seed), everywhere(index)
    people = {s.value("patient_key"): s.parent for s in open_studies(index)}
    assert {p.value("gender") for p in people.values()} == {"M", "F", None}
    for _ in range(8):
        condition = some_condition(chance)
        matching = {key: p for key, p in people.items() if holds(condition, p)}
        with index.store.read() as connection:
            found = [p for _, p in search.patients(connection, Query(Level.PATIENT, condition, ALL), visible, NOW)]
            assert search.count(connection, Query(Level.PATIENT, condition), visible, NOW) == len(matching)
        assert [p.key for p in found] == sorted(matching), condition
        for p in found:
            told = p.patient_id, p.sex, stamp(p.updated)
            assert told == tuple(matching[p.key].value(name) for name in ("pseudonym", "gender", "patient_updated"))


@pytest.mark.parametrize("seed", range(4))
def test_a_tally_is_what_can_be_counted_by_hand(index, seed):
    chance, visible, going = random.Random(seed), everywhere(index), open_studies(index)
    condition = EVERYTHING if seed == 0 else some_condition(chance)
    matching = [s for s in going if holds(condition, s)]
    with index.store.read() as connection:
        found = {x.dataset: x for x in tallies(connection, Query(Level.STUDY, condition), visible, NOW)}
    assert set(found) == {s.dataset for s in matching}
    for dataset, tally in found.items():
        mine = [s for s in matching if s.dataset == dataset]
        ages = [s.values["age"] for s in mine if s.values["age"] is not None]
        assert (tally.studies, tally.subjects) == (len(mine), len({s.value("patient_key") for s in mine}))
        assert (tally.youngest, tally.oldest) == (min(ages, default=None), max(ages, default=None))
        assert tally.sexes == tuple(sorted({s.values["patient_sex"] for s in mine} - {""}))
        assert tally.manufacturers == ()
        for name, words in (("modality", tally.modalities), ("body_part", tally.body_parts)):
            assert words == tuple(sorted({c.values[name] for s in mine for c in s.children} - {""}))


@pytest.mark.parametrize("minimum", [1, 2, 3])
def test_a_whole_dataset_is_told_by_the_words_and_ages_that_enough_subjects_share(index, minimum):
    told = set()
    for dataset in {s.dataset for s in index.studies}:
        mine = [(s, s.value("patient_key")) for s in index.studies if s.dataset == dataset]
        with index.store.read() as connection:
            tally = tally_of(connection, dataset, NOW, minimum)
        series = [(c, person) for s, person in mine for c in s.children]
        sexes = shared([(s.values["patient_sex"], person) for s, person in mine], minimum)
        words = [
            shared([(c.values[n], person) for c, person in series], minimum) for n in ("modality", "body_part", "manufacturer")
        ]
        assert [tally.sexes, tally.modalities, tally.body_parts, tally.manufacturers] == [sexes, *words]
        ages = sorted({(s.values["age"], person) for s, person in mine if s.values["age"] is not None})
        assert (tally.youngest, tally.oldest) == (end(ages, minimum), end(ages[::-1], minimum))
        assert (tally.studies, tally.subjects) == (len(mine), len({person for _, person in mine}))
        told |= {n for n, said in enumerate([sexes, *words]) if said}
    assert told == {0, 1, 2, 3}


def shared(said, minimum):
    """The words among these (word, person) that so many share."""
    who = {word: {person for named, person in said if named == word} for word, _ in said if word}
    return tuple(sorted(word for word, people in who.items() if len(people) >= minimum))


def end(ages, minimum):
    """The first age of these different (age, person) up to which there are so many."""
    return ages[minimum - 1][0] if len(ages) >= minimum else None


def test_only_the_datasets_asked_for_are_looked_at(index):
    with index.store.read() as connection:
        alias = {d.id: d.alias for d in datasets.read_all(connection)}
    going = open_studies(index)
    asked = frozenset(sorted({alias[s.dataset] for s in going})[:2])
    query = Query(Level.STUDY, page=ALL, aliases=asked)
    assert answers(index, query, everywhere(index)) == expected(
        [s for s in going if alias[s.dataset] in asked], Level.STUDY, EVERYTHING
    )
    assert answers(index, Query(Level.STUDY, page=ALL, aliases=frozenset()), everywhere(index)) == set()


# --- what the directory is asked


def a_scope(chance: random.Random, facts) -> DirectoryScope:
    """A view of a random caller's."""
    party = chance.choice([None, "hospital-a", "clinic", "university"])
    some_of = [f.dataset for f in facts if chance.random() < 0.7]
    provider = chance.choice([None, party])
    every = chance.random() < 0.5
    rows_of = frozenset(f.dataset for f in facts if chance.random() < 0.7)
    return DirectoryScope(NOW, "c", party, provider, every, frozenset(some_of), rows_of, "The Repository", "")


DIRECTORIES = {
    "agreements": (
        AGREEMENTS,
        {
            "agreement": (Kind.CODE, lambda a: a.key),
            "status": (Kind.CODE, lambda a: str(a.state)),
            "provider": (Kind.CODE, lambda a: a.provider),
            "dataset": (Kind.CODE, lambda a: a.aliases),
            "starts": (Kind.MOMENT, lambda a: stamp(a.starts)),
            "ends": (Kind.MOMENT, lambda a: stamp(a.ends or datetime(9999, 12, 31, tzinfo=UTC))),
            "updated": (Kind.MOMENT, lambda a: stamp(a.updated)),
        },
    ),
    "endpoints": (
        ENDPOINTS,
        {
            "dataset": (Kind.CODE, lambda e: e.alias),
            "status": (Kind.CODE, lambda e: "active" if e.is_open else "suspended"),
            "name": (Kind.TEXT, lambda e: fold(e.title or e.alias)),
            "updated": (Kind.MOMENT, lambda e: stamp(e.updated)),
        },
    ),
    "datasets": (
        SHARED,
        {
            "dataset": (Kind.CODE, lambda d: d.alias),
            "sharing": (Kind.CODE, lambda d: str(d.sharing)),
            "provider": (Kind.CODE, lambda d: d.provider),
            "title": (Kind.TEXT, lambda d: fold(d.title)),
            "condition": (Kind.CODE, lambda d: tuple(said(d.details, "condition"))),
            "updated": (Kind.MOMENT, lambda d: stamp(d.updated)),
        },
    ),
    "members": (
        PATIENTS,
        {
            "dataset": (Kind.CODE, lambda g: g.alias),
            "provider": (Kind.CODE, lambda g: g.provider),
            "member": (Kind.CODE, lambda g: g.patients),
            "updated": (Kind.MOMENT, lambda g: stamp(g.updated)),
        },
    ),
    "organisations": (
        ORGANISATIONS,
        {
            "party": (Kind.CODE, lambda p: p.key),
            "name": (Kind.TEXT, lambda p: fold(p.name)),
            "updated": (Kind.MOMENT, lambda p: stamp(p.updated) if p.updated else None),
        },
    ),
}
"""A source, and a field's kind and how it is read off a noun."""
MOMENTS = [None, 0, *(stamp(NOW + n * timedelta(seconds=1)) for n in (0, 3, 9))]


def some_directory_condition(chance: random.Random, fields, nouns, depth: int = 0):
    """A tree over the fields of a directory, its values those of some nouns and one that none has."""
    kind = chance.randrange(9)
    if depth < 3 and kind < 6:
        parts = tuple(some_directory_condition(chance, fields, nouns, depth + 1) for _ in range(chance.randint(0, 3)))
        return AllOf(parts) if kind < 2 else AnyOf(parts) if kind < 5 else Not(AnyOf(parts))
    name = chance.choice(list(fields))
    asked, read = fields[name]
    if asked is Kind.TEXT:
        return Like(name, chance.choice(["*", "the*", "c?inic", "hospital-a", "x*"]))
    if asked is Kind.MOMENT and chance.random() < 0.7:
        return Between(name, chance.choice(MOMENTS), chance.choice(MOMENTS))
    words = [*(word for noun in nouns for word in several(read(noun)) if word is not None), 0 if asked is Kind.MOMENT else "x"]
    return AnyOf(tuple(AnyOf((OneOf(name, (chance.choice(words),)),)) for _ in range(chance.randint(1, 4))))


def holds_on(condition, noun, fields) -> bool:
    """Whether a condition holds on a noun."""
    if isinstance(condition, AllOf):
        return all(holds_on(p, noun, fields) for p in condition.parts)
    if isinstance(condition, AnyOf):
        return any(holds_on(p, noun, fields) for p in condition.parts)
    if isinstance(condition, Not):
        return not holds_on(condition.part, noun, fields)
    kind, read = fields[condition.field]
    return any(meets(condition, value, kind) for value in several(read(noun)))


def several(value) -> tuple:
    """What a noun says of a field, which may be more than one thing."""
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize("name", DIRECTORIES)
@pytest.mark.parametrize("seed", range(4))
def test_a_directory_is_searched_as_a_plain_reading_of_its_nouns(index, name, seed):
    chance, (source, fields) = random.Random(seed), DIRECTORIES[name]
    with index.store.read() as connection:
        facts = governance.facts(connection)
        for _ in range(12):
            scope = a_scope(chance, facts)
            whole = directory.page(connection, source, EVERYTHING, scope, Page(100))
            condition = some_directory_condition(chance, fields, [noun for _, noun in whole])
            matching = [(key, noun) for key, noun in whole if holds_on(condition, noun, fields)]
            assert directory.page(connection, source, condition, scope, Page(100)) == matching, condition
            assert directory.count(connection, source, condition, scope) == len(matching), condition


# --- pages


def test_keyset_pages_of_documents_cover_every_row_once_in_one_order(index):
    visible, after, found = everywhere(index), (), []
    with index.store.read() as connection:
        while page := search.documents(connection, Query(Level.STUDY, page=Page(limit=7, after=after)), visible, NOW):
            assert len(page) <= 7
            found += page
            after = page[-1][0]
        assert found == search.documents(connection, Query(Level.STUDY, page=ALL), visible, NOW)
    assert len({key for key, _, _ in found}) == len(found) > 14


def test_keyset_pages_of_patients_cover_every_row_once(index):
    visible, after, found = everywhere(index), (), []
    with index.store.read() as connection:
        while page := search.patients(connection, Query(Level.PATIENT, page=Page(limit=2, after=after)), visible, NOW):
            found += page
            after = page[-1][0]
        assert found == search.patients(connection, Query(Level.PATIENT, page=ALL), visible, NOW)


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.INSTANCE])
def test_offset_pages_cover_every_row_once_in_one_order(index, level):
    visible = everywhere(index)
    with index.store.read() as connection:
        whole = search.fragments(connection, Query(level, page=ALL), visible, NOW)
        paged = [
            f for n in range(0, len(whole), 9) for f in search.fragments(connection, Query(level, page=Page(9, n)), visible, NOW)
        ]
    assert paged == whole
    assert len(set(whole)) == len(whole)


def test_a_count_stops_at_its_ceiling(index):
    with index.store.read() as connection:
        assert search.count(connection, Query(Level.STUDY), everywhere(index), NOW, ceiling=5) == 5


def test_a_moment_is_kept_to_the_microsecond():
    at = NOW + timedelta(microseconds=123_457)
    assert moment(stamp(at)) == at
