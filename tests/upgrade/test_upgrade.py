"""Every frozen database is migrated by this release: it tells what it told, is read, grows, and what it left is worked off."""

import json
from base64 import b64decode
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select

from adapters.sql import acceptance, migrate, texts
from adapters.sql import party as parties
from adapters.sql import reindex as rows
from adapters.sql import tables as t
from consent.agreement import MOVES, AgreementState, Side
from mappings.failures import Conflict
from mappings.query import EVERYTHING, Level, Page, Query
from mappings.study import study_key
from server.usecases import document, ledger, read, reindex, release, report, search
from server.usecases.agreement import list_agreements, move_agreement, read_agreement
from server.usecases.batch import close_batch
from server.usecases.deliver import Wanted, deliver
from server.usecases.node import list_nodes
from server.usecases.parse import parse_file
from server.usecases.party import list_parties
from server.usecases.read_back import read_back
from server.usecases.signing import verify_agreement
from server.usecases.take import take
from server.usecases.terms import list_documents, read_terms
from server.worker.jobs import KINDS, work_off
from server.worker.loop import chores
from tests import builders
from tests.builders import ACTOR, made, sample
from tests.upgrade.facts import FACTS, STUDY, caller
from tests.upgrade.freeze import thaw, told
from tests.upgrade.test_requests import MIGRATION

FROZEN = sorted(path.with_suffix("") for path in Path(__file__).parent.glob("*.json"))
NARROWED = {("researcher", "LUNG"): "export-unconditional", ("compute", "LUNG"): "export-in-training"}
"""(client, dataset) that was exported until permits named it, and the rule that refuses it now; what was ticked stays ticked."""
LIVER = "1.2.392.200103.20080913.113635.0.2009.6.22.21.43.10.22941.1"


@pytest.fixture(params=FROZEN, ids=lambda path: path.name)
def frozen(request):
    """The files of one revision."""
    return request.param


@pytest.fixture
def world(frozen, fresh, tmp_path):
    """A runtime of this release on a frozen world, at the moment when that was frozen."""
    thaw(frozen, fresh, tmp_path / "data")
    runtime = builders.runtime(tmp_path, url=fresh, clock=builders.Clock(datetime.fromisoformat(told(frozen)["at"])))
    yield runtime
    runtime.close()


def states(runtime):
    with runtime.store.read() as connection:
        c = t.custody.c
        return {row.sop_uid: row.state for row in connection.execute(select(c.sop_uid, c.state).order_by(c.id))}


def test_the_first_release_is_among_them():
    assert FROZEN[0].name == "0001"


def test_its_schema_is_what_the_tables_say(world):
    assert migrate.current(world.store) == migrate.newest()
    with world.store.read() as connection:
        assert (
            compare_metadata(
                MigrationContext.configure(connection, opts={"compare_type": True, "include_object": texts.are_tables}),
                t.metadata,
            )
            == []
        )


def test_it_tells_what_it_told(world, frozen):
    """Governance, decisions, searches, reports, provenance, and a ledger that verifies."""
    facts = told(frozen)["facts"]
    for (client, alias), rule in NARROWED.items():
        rules = facts["decisions"][client][alias]
        rules["export"] = rule if frozen.name < "0010" else rules["export"]
        assert "export" in facts["datasets"][alias][-2][2]
    for entries in facts["provenance"].values():
        entries[:] = [entry for entry in entries if not entry[0].startswith("use.")]  # they are AuditEvents now
    assert {name: fact(world) for name, fact in FACTS.items()} == facts


def test_its_uses_are_told_as_events_that_showed_their_study(world):
    w, study = t.window.c, study_key(STUDY)
    with world.store.read() as connection:
        used = connection.execute(select(t.access.c.id).join(t.window, t.access.c.window == w.id).where(w.study_uid == STUDY))
        expected = {str(key) for key in used.scalars()}
    for who in ("centre", "pacs-a"):
        asked = [("entity", f"ImagingStudy/{study}"), ("_count", "1000")]
        found = json.loads(read.search_resources(world, caller(world, who), "AuditEvent", asked))["entry"]
        assert {entry["resource"]["id"] for entry in found} == expected
    assert expected


def test_its_searches_are_told_as_searches(world):
    found = json.loads(read.search_resources(world, caller(world, "centre"), "AuditEvent", [("action", "E"), ("_count", "1000")]))
    asked = [b64decode(e["query"]).decode() for each in found["entry"] for e in each["resource"]["entity"] if "query" in e]
    assert len(asked) == len(found["entry"])
    assert all(question.startswith("qido/") or "?" in question for question in asked)


def test_every_version_it_cited_resolves_and_its_acts_are_kept_with_their_moments(world):
    agreed = 0
    for cited in list_agreements(world):
        for version in range(1, cited.content.version + 1):
            older = read_agreement(world, f"{cited.key}@{version}")
            assert (older.content.version, older.content.conditions) == (version, cited.content.conditions)
        state = AgreementState.DRAFT
        for act in cited.acts:
            state = MOVES[act.verb][1]
        assert state is cited.standing.state
        assert [act.at for act in cited.acts] == sorted(act.at for act in cited.acts)
        assert cited.standing.stops == ({Side.REPOSITORY} if state is AgreementState.SUSPENDED else set())
        agreed += len(cited.acts)
    assert agreed > 10


def test_its_versions_are_told_as_imported_and_hosted_as_their_nodes_are(world):
    hosting = {node.name: str(node.hosting) for node in list_nodes(world)}
    for cited in list_agreements(world):
        verified = verify_agreement(world, cited.key)
        content = verified.cited.content
        assert content.hosting == hosting[content.node]
        assert (content.text, content.conditions.data_use, cited.signatures) == (b"", (), ())
        assert verified.is_imported is any(act.verb == "activate" for act in cited.acts)
        assert (verified.broken == ()) is verified.is_imported


def test_its_stop_is_lifted_by_the_repository_which_set_it(world):
    stopped = next(cited.key for cited in list_agreements(world) if cited.standing.stops)
    with pytest.raises(Conflict):
        move_agreement(world, ACTOR, stopped, "resume", Side.PROVIDER)
    assert move_agreement(world, ACTOR, stopped, "resume", Side.REPOSITORY) is AgreementState.ACTIVE
    assert ledger.verify(world).broken is None


def test_its_objects_are_given_out_to_the_byte(world):
    asking = caller(world, "compute", inside=True)
    for study, count in ((LIVER, 3), (STUDY, 3)):
        sent = deliver(world, asking, Wanted(study), len)
        assert [sha256(b"".join(file)).hexdigest() for _, file in sent] == [located.place for located in sent.objects]
        assert len(sent.objects) == count
    assert ledger.verify(world).broken is None


def study_of(runtime, uid):
    """What QIDO tells of a study, and its FHIR document."""
    asked = Query(Level.STUDY, EVERYTHING, Page())
    fragments = [json.loads(f.replace(b"\1", b"")) for f in search.fragments(runtime, caller(runtime, "researcher"), asked)]
    fragment = next(f for f in fragments if f["0020000D"]["Value"] == [uid])
    served = read.read_resource(runtime, caller(runtime, "researcher"), "ImagingStudy", study_key(uid))
    return fragment, json.loads(served.body)


def form_of(runtime, uid):
    with runtime.store.read() as connection:
        return connection.execute(select(t.study.c.form).where(t.study.c.study_uid == uid)).scalar_one()


@pytest.mark.parametrize(
    ("uid", "name", "file", "word"),
    [
        (LIVER, "ct/liver/03.dcm", sample("ct/liver/03.dcm"), "attested"),
        (STUDY, "new.dcm", made("1.2.3.1.3", study=STUDY, series="1.2.3.1"), "declared"),
    ],
    ids=["liver", "small"],
)
def test_an_old_study_and_its_old_series_grow(world, uid, name, file, word):
    fragment, before = study_of(world, uid)
    batch = builders.association(world)
    taken = take(world, batch, name, file)
    assert (str(taken.outcome), taken.rule) == ("pass", word)
    again = take(world, batch, name, file)
    assert (str(again.outcome), again.rule) == ("duplicate", "known")
    close_batch(world, batch.id)
    world.clock.on(10)
    with world.store.read() as connection:
        due = connection.execute(select(func.count()).where(t.study.c.dirty_since.is_not(None))).scalar_one()
    assert document.rebuild(world) == due, "all of them: the documents of before said another moment than they were searched by"
    grown, after = study_of(world, uid)
    assert grown == fragment | {"00201208": {"vr": "IS", "Value": [4]}}
    assert after["numberOfInstances"] == before["numberOfInstances"] + 1 == 4
    assert int(after["meta"]["versionId"]) == int(before["meta"]["versionId"]) + 1
    assert [(s["uid"], s.get("description")) for s in after["series"]] == [
        (s["uid"], s.get("description")) for s in before["series"]
    ]
    assert sum(s["numberOfInstances"] for s in after["series"]) == 4
    assert form_of(world, uid) == 0  # what of it is old stays to be found
    assert len(search.metadata(world, caller(world, "researcher"), Wanted(uid))) == 4


def test_what_is_known_blocked_or_of_another_dataset_is_as_before(world):
    batch = builders.batch(world)
    for uid, outcome in {
        "1.2.40.1.1": "duplicate known",
        "1.2.3.1.2": "reject content-conflict",
        "1.2.11.1.1": "pass declared",
        "1.2.20.1.1": "reject blocked",
        "1.2.21.1.1": "pass declared",
        "1.2.5.1.1": "reject study-not-yours",
    }.items():
        parts = uid.split(".")
        taken = take(world, batch, uid, made(uid, study=".".join(parts[:3]), series=".".join(parts[:4])))
        assert f"{taken.outcome} {taken.rule}" == outcome, uid


def test_a_batch_that_waits_is_released(world):
    key = next(r.key for r in report.reports(world, None) if r.waiting == 2)
    assert release.release(world, ACTOR, key, frozenset({"1.2.11.1.1"})).objects == 1
    assert states(world)["1.2.11.1.1"] == "held"
    assert report.report(world, None, key).waiting == 1
    assert search.metadata(world, caller(world, "researcher"), Wanted("1.2.11"))


def test_what_it_left_behind_is_worked_off(world):
    before = states(world)
    world.clock.on(1000)
    done = {chore.name: chore.run(world) for chore in chores()}
    left = {"recover": 2, "purge": 2, "quiet": 1, "windows": 1}
    assert {name: done[name] for name in left} == left
    moved = {uid: state for uid, state in states(world).items() if state != before[uid]}
    assert moved == {"1.2.30.1.1": "held", "1.2.22.1.1": "purged", "1.2.24.1.1": "refused"}
    assert before.keys() - states(world).keys() == {"1.2.31.1.1"}
    world.clock.on(10)
    assert document.rebuild(world) == 1  # the recovered one
    ledger.sequence(world)
    checked = ledger.verify(world)
    assert (checked.broken, checked.roots) == (None, 3)
    with world.store.read() as connection:
        c = t.custody.c
        rest = connection.execute(select(c.place, c.quarantined).where(c.state.in_(["held", "review"]))).all()
    assert sorted(world.quarantine.places()) == sorted(row.place for row in rest if row.quarantined)


def test_its_documents_say_what_its_objects_said_before_anybody_read_it(world):
    """Titles, sides and procedures, which the first release kept in the objects' metadata alone."""
    world.clock.on(10)
    document.rebuild(world)
    _, told = study_of(world, LIVER)
    assert {image["title"] for series in told["series"] for image in series["instance"]} == {
        "ORIGINAL\\PRIMARY\\AXIAL",
        "DERIVED\\PRIMARY",
    }
    with world.store.read() as connection:
        kept = connection.execute(select(t.instance.c.title, t.instance.c.metadata)).all()
    assert any(row.title for row in kept)
    for row in kept:
        said = json.loads(row.metadata.replace(b"\1", b"").replace(b"\2", b""))
        assert row.title == ("\\".join(said.get("00080008", {}).get("Value", [])) or None)


def test_series_that_were_there_say_when_they_were_performed(world):
    """As the metadata of their first object does."""
    first = select(t.instance.c.metadata).where(t.instance.c.series == t.series.c.id).order_by(t.instance.c.id).limit(1)
    with world.store.read() as connection:
        rows = connection.execute(select(t.series, first.scalar_subquery().label("first"))).all()
    assert rows
    for row in rows:
        said = MIGRATION._said(bytes(row.first))
        assert row.performed_date == said.get("performed_date", "")
        assert (f'"{row.performed_date}"'.encode() in row.fragment) is bool(row.performed_date)


def test_what_it_indexed_is_indexed_again_by_a_job_as_if_it_came_today(world):
    count = reindex.ask_missing(world)
    before = {name: fact(world) for name, fact in FACTS.items() if name != "uses"}
    assert work_off(world, reindex.KIND, KINDS[reindex.KIND], Event()) == 1
    assert (count > 1, reindex.find_old(world), reindex.ask_missing(world)) == (True, [], 0)
    assert {name: FACTS[name](world) for name in before} == before
    with world.store.read() as connection:
        keys = connection.execute(select(t.study.c.id)).scalars().all()
        held = [indexed for key in keys for indexed in rows.instances(connection, key)]
        kept = dict(connection.execute(select(t.instance.c.id, t.instance.c.metadata)).all())
    for indexed in held:
        assert kept[indexed.id] == parse_file("", read_back(world, indexed.copy), world.placeholders).metadata


def test_its_terms_are_documents_what_clients_accepted_is_kept_and_every_party_is_a_beneficiary(world):
    issues = {d.version: (d.kind, d.issue.contains, d.issue.effective_at == d.published) for d in list_documents(world)}
    assert issues == {"1.0.0": ("general", frozenset(), True), "1.1.0": ("general", {"1.0.0"}, True)}
    assert "+Never for diagnosis, jamás." in read_terms(world, "1.1.0").changes
    with world.store.read() as connection:
        accepted, acts = acceptance.read_versions(connection), parties.read_acts(connection)
        content = connection.execute(select(t.agreement_version.c.federated, t.agreement_version.c.listed)).all()
    assert (accepted["researcher"], accepted["compute"]) == ({"1.0.0", "1.1.0"}, {"1.1.0"})
    assert "newcomer" not in accepted
    assert all(federated == listed for federated, listed in content)
    assert {federated for federated, _ in content} == {True, False}
    now = {party.key: (party.role, party.approved, party.external) for party in list_parties(world)}
    assert {key: (done[-1].role, done[-1].approved, done[-1].external) for key, done in acts.items()} == now
    assert not any(external for _, _, external in now.values())
