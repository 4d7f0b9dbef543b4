"""The catalogue through its door: what a job described, told where it is open now, in pages, and never counted for a caller."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from html import unescape
from threading import Event

import pytest
from flask import Flask
from msgspec import structs
from rdflib import RDF, Graph, Literal, URIRef
from sqlalchemy import event, func, select, update

from adapters.nodes.watch import Watch
from adapters.sql import governance, jobs, tallies
from adapters.sql import tables as t
from adapters.sql.access import recent
from adapters.sql.custody import Lease
from consent.person import Actor, PersonRole
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.dcat.profiles import PROFILES
from mappings.rdf import PREFIXES
from server.usecases import describe, health, withdraw
from server.usecases.agreement import move_agreement
from server.usecases.dataset import set_dataset
from server.usecases.identify import identify
from server.usecases.job import Kind, Stopped, Work, do_next, list_jobs
from server.usecases.node import move_node
from server.usecases.publication import add_publication, want_doi
from server.usecases.runtime import Runtime
from server.usecases.take import take
from server.usecases.validate import validate_datasets
from server.usecases.withdraw_dataset import withdraw_dataset
from server.web import catalogue, context, errors
from server.web.bulkheads import Bulkhead, Bulkheads
from tests import builders
from tests.builders import ACTOR, OPERATOR, made
from tests.server.test_federation import study

CATALOGUE = "/catalogue"
LUNG = f"{CATALOGUE}/datasets/LUNG"
DETAILS = {
    "version": "1.0.0",
    "interoperability": "SPEC1000011",
    "health_category": "EHRS",
    "type": "SPEC1000020",
    "condition": "CLIN1000065",
    "collection_method": "SPEC1000004",
    "keyword": "lung",
    "provenance": "Collected in clinical routine.",
    "contact": "data@hospital.example.org",
}
RDF_FORMATS = ("text/turtle", "application/ld+json", "application/rdf+xml")
FORMATS = (*RDF_FORMATS, "text/html")


@pytest.fixture
def clock():
    return builders.Clock()


@pytest.fixture
def runtime(tmp_path, clock):
    built = builders.runtime(tmp_path, clock=clock)
    yield built
    built.close()


@pytest.fixture
def anywhere(tmp_path, database, clock):
    built = builders.runtime(tmp_path, url=database, clock=clock)
    yield built
    built.close()


def client(runtime: Runtime):
    app = Flask("test")
    context.install(app, runtime, partial(identify, runtime), Bulkheads(dict.fromkeys(Bulkhead, 1)))
    errors.install(app, catalogue.door())
    return app.test_client()


def complete(runtime: Runtime, alias: str = "LUNG", agreed: Mapping[str, object] | None = None, **details: str) -> None:
    """A dataset with all that a description needs, and a study."""
    builders.seed(runtime, alias=alias, provider=f"hospital-{alias.lower()}", **(agreed or {}))
    set_dataset(runtime, ACTOR, alias, DETAILS | details)
    study(runtime, alias, "p1")


def described(runtime: Runtime, **details: str) -> None:
    complete(runtime, **details)
    builders.described(runtime)


def get(runtime: Runtime, path: str = CATALOGUE, **headers: str):
    return client(runtime).get(path, headers=headers)


def datasets(data: bytes) -> set[str]:
    graph = Graph().parse(data=data, format="turtle")
    return {str(s) for s in graph.subjects(RDF.type, URIRef("http://www.w3.org/ns/dcat#Dataset"))}


def told(runtime: Runtime, path: str = CATALOGUE) -> list[str]:
    """The aliases of the datasets that are told of."""
    return sorted(iri.rpartition("/")[2] for iri in datasets(get(runtime, path).data))


def numbers(runtime: Runtime) -> set[int]:
    """The numbers that the one dataset is described with."""
    graph = Graph().parse(data=get(runtime, LUNG).data, format="turtle")
    names = ("numberOfUniqueIndividuals", "numberOfRecords", "minTypicalAge", "maxTypicalAge")
    return {int(o) for name in names for o in graph.objects(None, URIRef(PREFIXES["healthdcatap"] + name))}


def test_a_complete_dataset_stands_in_the_catalogue_and_at_its_own_address(anywhere):
    described(anywhere)
    iri = f"{anywhere.settings.base_url}{LUNG}"
    answer = get(anywhere)
    assert (answer.status_code, answer.content_type) == (200, "text/turtle")
    assert datasets(answer.data) == {iri}
    assert NEVER_FOR_DIAGNOSIS in answer.text
    assert datasets(get(anywhere, LUNG).data) == {iri}
    assert describe.find_gaps(anywhere) == []


def test_a_dataset_that_lacks_a_property_stays_out_and_the_operator_is_told_which(anywhere):
    described(anywhere, condition="")
    assert told(anywhere) == []
    assert get(anywhere, LUNG).status_code == 404
    (said,) = describe.find_gaps(anywhere)
    assert said.startswith("LUNG stays out of the catalogue. Say `accord admin dataset set LUNG condition=…`")


def test_a_dataset_without_studies_lacks_its_numbers(runtime):
    builders.seed(runtime)
    set_dataset(runtime, ACTOR, "LUNG", DETAILS)
    builders.described(runtime)
    assert "no modality to tell" in describe.find_gaps(runtime)[0]


def test_an_unlisted_dataset_is_neither_told_nor_missed(runtime):
    builders.seed(runtime, listed=False)
    set_dataset(runtime, ACTOR, "LUNG", DETAILS)
    study(runtime, "LUNG", "p1")
    builders.described(runtime)
    assert told(runtime) == []
    assert describe.find_gaps(runtime) == []


def test_the_catalogue_s_numbers_are_safe(tmp_path, clock):
    runtime = builders.runtime(tmp_path, clock=clock, min_subjects=10)
    described(runtime)
    assert "too few subjects to tell" in describe.find_gaps(runtime)[0]
    for number in range(13):
        study(runtime, "LUNG", f"more{number}", age=57)
    builders.described(runtime)
    assert numbers(runtime) == {10, 50}
    runtime.close()


# What is kept, and what is asked for


def test_a_request_counts_nothing(anywhere, monkeypatch):
    described(anywhere)
    monkeypatch.setattr(tallies, "_counted", lambda *_: pytest.fail("counted"))
    statements = []
    event.listen(anywhere.store.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    for path in (CATALOGUE, LUNG):
        assert get(anywhere, path).status_code == 200
    assert statements
    assert not any("study" in s or "series" in s for s in statements)


def test_what_is_not_described_yet_is_not_told_and_the_operator_knows(runtime):
    complete(runtime)
    assert told(runtime) == []
    (said,) = describe.find_gaps(runtime)
    assert said.startswith("LUNG stays out of the catalogue until it is described")
    operator = builders.caller(builders.Role.OPERATOR)
    assert health.check_readiness(runtime, operator, Watch()).document["catalogue"] == [said]
    assert "catalogue" not in health.check_readiness(runtime, builders.caller(), Watch()).document


def waiting(runtime: Runtime) -> list[tuple[str, float]]:
    """Subject and seconds until it is due, of the descriptions that wait."""
    rows = [row for row in list_jobs(runtime) if (row.kind, row.state) == (describe.KIND, "waiting")]
    return sorted((row.subject, (row.due - runtime.clock()).total_seconds()) for row in rows)


def test_what_changes_a_description_asks_for_it_in_its_own_transaction(runtime):
    builders.seed(runtime)
    builders.described(runtime)
    assert waiting(runtime) == []
    batch = builders.batch(runtime)
    take(runtime, batch, "a", made("1.2.3.1.1"))
    assert waiting(runtime) == [("LUNG", 20)]
    builders.described(runtime)
    take(runtime, batch, "b", made("1.2.3.1.2"))
    assert waiting(runtime) == [], "an instance more changes no number"
    take(runtime, batch, "c", made("1.2.3.2.1", series="1.2.3.2"))
    assert waiting(runtime) == [("LUNG", 20)]
    set_dataset(runtime, ACTOR, "LUNG", DETAILS)
    assert waiting(runtime) == [("LUNG", 0)]
    builders.described(runtime)
    withdraw.withdraw_study(runtime, ACTOR, "1.2.3")
    assert waiting(runtime) == [("LUNG", 20)]


def test_many_deposits_are_one_job(runtime):
    builders.seed(runtime)
    builders.described(runtime)
    batch = builders.batch(runtime)
    for number in range(40):
        take(runtime, batch, "a", made(f"1.2.{number}.1.1", study=f"1.2.{number}"))
    assert len(waiting(runtime)) == 1


@pytest.mark.parametrize("setting", [{"min_subjects": 2}, {"public_url": "https://elsewhere.example.org"}])
def test_what_was_described_with_other_settings_is_not_told(runtime, setting):
    """A repository that tells less from now on must not tell what it counted before."""
    described(runtime)
    other = replace(runtime, settings=structs.replace(runtime.settings, **setting))
    assert told(other) == []
    assert get(other, LUNG).status_code == 404
    assert describe.ask_missing(other) == 1
    assert describe.ask_missing(other) == 0, "it is under way"
    study(other, "LUNG", "p2")
    builders.described(other)
    assert told(other) == ["LUNG"]
    assert describe.ask_missing(other) == 0


def test_a_fresh_or_upgraded_database_is_described_by_its_worker(anywhere, clock):
    complete(anywhere)
    with anywhere.store.write() as connection:
        connection.execute(t.job.delete())
    assert describe.ask_missing(anywhere) == 1
    assert do_next(anywhere, describe.KIND, Kind(describe.describe), Event())
    assert told(anywhere) == ["LUNG"]


def test_the_same_said_again_keeps_its_moment(anywhere, clock):
    described(anywhere)
    first = get(anywhere, LUNG).headers["Last-Modified"]
    clock.on(3600)
    builders.described(anywhere)
    assert get(anywhere, LUNG).headers["Last-Modified"] == first
    (ended,) = (row.outcome for row in list_jobs(anywhere) if row.kind == describe.KIND)
    assert ended == "Described. Nothing has changed."
    study(anywhere, "LUNG", "p2")
    builders.described(anywhere)
    assert get(anywhere, LUNG).headers["Last-Modified"] != first


def test_a_worker_that_lost_its_job_keeps_nothing_it_counted(anywhere, clock):
    described(anywhere)
    describe.ask_all(anywhere)
    lease = Lease("stalled", clock())
    with anywhere.store.write() as connection:
        stalled = Work(jobs.claim(connection, describe.KIND, lease, clock()), Event())
    study(anywhere, "LUNG", "p2")
    with anywhere.store.write() as connection:
        assert jobs.claim(connection, describe.KIND, Lease("other", clock() + timedelta(minutes=1)), clock())
    before = get(anywhere, LUNG).data
    with pytest.raises(Stopped):
        describe.describe(anywhere, stalled)
    assert get(anywhere, LUNG).data == before


# Stops


STOPS = {
    "suspend": (
        lambda r: move_agreement(r, ACTOR, "DSA-LUNG", "suspend"),
        lambda r: move_agreement(r, ACTOR, "DSA-LUNG", "resume"),
    ),
    "unlink node": (lambda r: move_node(r, ACTOR, "central", "suspend"), lambda r: move_node(r, ACTOR, "central", "link")),
}


@pytest.mark.parametrize("name", STOPS)
def test_a_stop_binds_the_next_request_and_so_does_its_end(anywhere, name):
    described(anywhere)
    stop, resume = STOPS[name]
    tag = get(anywhere).headers["ETag"]
    stop(anywhere)
    gone = get(anywhere, LUNG)
    assert (told(anywhere), gone.status_code, gone.json["cause"]) == ([], 410, "repository")
    assert get(anywhere, CATALOGUE, **{"If-None-Match": tag}).status_code == 200
    resume(anywhere)
    assert (told(anywhere), get(anywhere, LUNG).status_code) == (["LUNG"], 200)


def test_a_stop_is_in_the_statement_and_not_only_in_what_a_process_keeps_of_governance(anywhere):
    described(anywhere)
    assert told(anywhere) == ["LUNG"]
    with anywhere.store.write() as connection:
        connection.execute(update(t.agreement).values(state="suspended"))  # and the counter is not moved
    assert (told(anywhere), get(anywhere, LUNG).status_code) == ([], 404)


def test_what_was_counted_while_it_was_stopped_is_told_at_once_when_it_is_open_again(runtime):
    described(runtime)
    move_agreement(runtime, ACTOR, "DSA-LUNG", "suspend")
    study(runtime, "LUNG", "p2")
    builders.described(runtime)
    assert told(runtime) == []
    move_agreement(runtime, ACTOR, "DSA-LUNG", "resume")
    assert 2 in numbers(runtime)


# The door


@pytest.mark.parametrize(
    ("accept", "status", "media_type"),
    [
        ("*/*", 200, "text/turtle"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 200, "text/html; charset=utf-8"),
        ("application/ld+json", 200, "application/ld+json"),
        ("application/ld+json;q=0.5, text/turtle", 200, "text/turtle"),
        ("application/rdf+xml", 200, "application/rdf+xml"),
        ("application/n-triples", 406, None),
        ("text/turtle;q=0", 406, None),
    ],
)
def test_the_catalogue_is_served_as_the_caller_accepts(runtime, accept, status, media_type):
    answer = get(runtime, Accept=accept)
    assert answer.status_code == status
    assert media_type is None or answer.content_type == media_type


@pytest.mark.parametrize("path", [CATALOGUE, LUNG])
@pytest.mark.parametrize("media_type", FORMATS)
def test_a_harvester_is_not_sent_what_it_has(runtime, path, media_type):
    described(runtime)
    first = get(runtime, path, Accept=media_type)
    tag = first.headers["ETag"]
    assert (first.status_code, tag) == (200, f'"{sha256(first.data).hexdigest()}"')
    assert first.headers["Cache-Control"] == "no-cache"
    runtime.clock.on(86400)
    again = get(runtime, path, Accept=media_type, **{"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"], again.headers["Vary"]) == (
        304,
        b"",
        tag,
        "Accept, Accept-Profile",
    )
    assert again.headers["Cache-Control"] == "no-cache"
    other = next(each for each in FORMATS if each != media_type)
    assert get(runtime, path, Accept=other, **{"If-None-Match": tag}).status_code == 200
    set_dataset(runtime, ACTOR, "LUNG", {"provenance": "Collected once more."})
    builders.described(runtime)
    assert get(runtime, path, Accept=media_type, **{"If-None-Match": tag}).status_code == 200


def test_a_date_alone_is_no_condition(runtime):
    """A stop and its end would hide behind it."""
    described(runtime)
    first = get(runtime, LUNG)
    assert get(runtime, LUNG, **{"If-Modified-Since": first.headers["Last-Modified"]}).status_code == 200


@pytest.mark.parametrize("path", [CATALOGUE, LUNG])
def test_a_head_says_what_a_get_would(runtime, path):
    described(runtime)
    whole, head = get(runtime, path), client(runtime).head(path)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", whole.headers["ETag"])
    assert head.content_length == len(whole.data)


def test_one_dataset_is_one_row_however_many_there_are(runtime):
    for alias in ("LUNG", "LIVER", "BRAIN"):
        complete(runtime, alias)
    builders.described(runtime)
    read = []
    event.listen(runtime.store.engine, "before_cursor_execute", lambda *a: read.append((a[2], a[3])))
    get(runtime, LUNG)
    statement, parameters = next((s, p) for s, p in read if "FROM description" in s)
    with runtime.store.read() as connection:
        assert len(connection.exec_driver_sql(statement, tuple(parameters)).all()) == 1


def test_a_harvest_is_recorded(runtime):
    described(runtime)
    get(runtime)
    runtime.accesses.flush()
    with runtime.store.read() as connection:
        (row,) = recent(connection)
    assert (row.subject, row.action, row.target, row.count) == ("anonymous", "discover", "catalogue", 1)


def test_harvesters_have_places_of_their_own(runtime):
    app = Flask("test")
    context.install(app, runtime, partial(identify, runtime), Bulkheads(dict.fromkeys(Bulkhead, 0) | {Bulkhead.CATALOGUE: 1}))
    errors.install(app, catalogue.door())
    assert app.test_client().get(CATALOGUE).status_code == 200


# Profiles, and how they are asked for


MEDIA_TYPE = URIRef(PREFIXES["dcat"] + "mediaType")


def media_types(answer) -> set[type]:
    return {type(o) for o in Graph().parse(data=answer.data, format="turtle").objects(None, MEDIA_TYPE)}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("path", [CATALOGUE, LUNG])
def test_a_profile_is_asked_for_by_name_or_by_its_address(runtime, name, path):
    described(runtime)
    profile = PROFILES[name]
    named = get(runtime, f"{path}?profile={name}")
    others = [{"Accept-Profile": f"<{profile.iri}/>"}, {"Accept-Profile": f"<urn:other>;q=1, {name}"}]
    assert media_types(named) == {Literal if name == "fdp" else URIRef}
    assert named.headers["Link"] == f'<{profile.iri}>; rel="profile"'
    assert {get(runtime, path, **each).data for each in others} == {named.data}


def test_who_asks_for_no_profile_or_for_another_gets_eucaim_s(runtime):
    described(runtime)
    first = get(runtime, LUNG)
    assert first.data == get(runtime, LUNG, **{"Accept-Profile": "<https://other.example.org/profile>"}).data
    assert PROFILES["eucaim-2.0"].iri in first.headers["Link"]
    assert first.data == get(runtime, LUNG, **{"Accept-Profile": f"{'x,' * 2048}fdp"}).data, "beyond what is read"
    assert first.data != get(runtime, LUNG, **{"Accept-Profile": f"{'x,' * 2000}fdp"}).data


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ("profile=eucaim", "profile-unknown"),
        ("profile=" + "x" * 5000, "profile-unknown"),
        ("format=xml", "format-unknown"),
        ("format=text/turtle", "format-unknown"),
    ],
)
@pytest.mark.parametrize("path", [CATALOGUE, LUNG])
def test_what_is_no_profile_or_format_is_said(runtime, path, asked, title):
    answer = get(runtime, f"{path}?{asked}")
    assert (answer.status_code, answer.json["title"]) == (400, title)
    assert "x" * 100 not in answer.text


@pytest.mark.parametrize(("short", "media_type"), catalogue.SHORT.items())
def test_a_format_is_asked_for_where_no_header_can_be_set(runtime, short, media_type):
    described(runtime)
    answer = get(runtime, f"{LUNG}?format={short}", Accept="text/turtle")
    assert (answer.status_code, answer.mimetype) == (200, media_type)
    assert answer.data == get(runtime, LUNG, Accept=media_type).data


# The FAIR Data Point


def followed(runtime: Runtime, start: str, *names: str) -> set[str]:
    """Where these properties lead from an address, one after another, each address asked as harvesters do."""
    reached = {start}
    for curie in names:
        prefix, _, local = curie.partition(":")
        reached = {
            str(leads) for iri in reached for leads in read(runtime, iri).objects(URIRef(iri), URIRef(PREFIXES[prefix] + local))
        }
    return reached


def read(runtime: Runtime, iri: str) -> Graph:
    path = iri.removeprefix(runtime.settings.base_url).partition("#")[0]
    assert path.startswith("/"), iri
    answer = get(runtime, path, Accept="text/turtle")
    assert (answer.status_code, answer.content_type) == (200, "text/turtle"), iri
    return Graph().parse(data=answer.data, format="turtle")


def test_every_address_that_a_harvester_of_fair_data_points_follows_answers_rdf(runtime):
    described(runtime)
    root, steps = f"{runtime.settings.base_url}/fdp", ("fdp:metadataCatalog", "dcat:dataset", "dcat:distribution")
    assert followed(runtime, root, *steps[:2]) == {f"{runtime.settings.base_url}{LUNG}"}
    for leads in ("dcat:accessService", "dcat:accessURL", "dct:rights", "dct:format"):
        assert followed(runtime, root, *steps, leads), leads
    for service in followed(runtime, root, *steps, "dcat:accessService"):
        assert list(read(runtime, service).objects(URIRef(service), URIRef(PREFIXES["dcat"] + "endpointURL")))
    for parent in followed(runtime, root, *steps[:2], "dct:isPartOf") | followed(runtime, root, steps[0], "dct:isPartOf"):
        read(runtime, parent)


def test_the_catalogue_of_a_fair_data_point_names_every_dataset_on_one_page(runtime):
    copied(runtime, 101)
    named = followed(runtime, f"{runtime.settings.base_url}/fdp", "fdp:metadataCatalog", "dcat:dataset")
    assert len(named) == 102


@pytest.mark.parametrize("path", ["/fdp", "/fdp/catalogue"])
@pytest.mark.parametrize("media_type", RDF_FORMATS)
def test_a_fair_data_point_is_served_as_the_catalogue_is(runtime, path, media_type):
    described(runtime)
    answer = get(runtime, path, Accept=media_type)
    tag = answer.headers["ETag"]
    assert (answer.content_type, answer.headers["Link"]) == (media_type, f'<{PROFILES["fdp"].iri}>; rel="profile"')
    assert get(runtime, path, Accept=media_type, **{"If-None-Match": tag}).status_code == 304
    assert get(runtime, path, Accept="text/html").status_code == 406


def test_a_stop_takes_a_dataset_from_the_names_at_once(anywhere):
    described(anywhere)
    start = f"{anywhere.settings.base_url}/fdp/catalogue"
    assert len(followed(anywhere, start, "dcat:dataset")) == 1
    with anywhere.store.write() as connection:
        connection.execute(update(t.agreement).values(state="suspended"))
    assert followed(anywhere, start, "dcat:dataset") == set()


def test_names_that_have_not_changed_are_not_written_again(runtime, monkeypatch):
    described(runtime)
    first = get(runtime, "/fdp/catalogue").data
    monkeypatch.setattr(describe, "names_statements", lambda *_: pytest.fail("written"))
    assert get(runtime, "/fdp/catalogue").data == first


# The page


def test_a_page_shows_a_dataset_to_people_and_runs_and_loads_nothing(runtime):
    described(runtime, access_url="https://negotiator.example.org/ask?a=1&b=2")
    for path in (CATALOGUE, LUNG):
        answer = get(runtime, path, Accept="text/html")
        (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        digest = b64encode(sha256(style.encode()).digest()).decode()
        assert answer.headers["Content-Security-Policy"].startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
        assert NEVER_FOR_DIAGNOSIS in answer.text
        assert not re.search(r"<(script|img|link|iframe|object)|\sstyle=|\son\w+=", answer.text)
        assert 'href="https://negotiator.example.org/ask?a=1&amp;b=2"' in answer.text
        assert ">data@hospital.example.org</a>" in answer.text


def test_what_a_provider_wrote_is_text_in_every_page(runtime):
    odd = '<script>alert("1")</script>\'" onclick=x &amp;'
    complete(runtime)
    set_dataset(runtime, ACTOR, "LUNG", {"title": odd, "description": odd, "provenance": odd, "keyword": odd.replace(";", "")})
    builders.described(runtime)
    for path in (CATALOGUE, LUNG):
        answer = get(runtime, path, Accept="text/html")
        assert "<script" not in answer.text
        assert answer.text.count("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#x27;&quot; onclick=x") == 4
        assert 'href="' + odd[:5] not in answer.text


# Since when


def moments(runtime: Runtime) -> dict[str, str]:
    graph = Graph().parse(data=get(runtime, LUNG).data, format="turtle")
    me = URIRef(f"{runtime.settings.base_url}{LUNG}")
    return {name: str(graph.value(me, URIRef(PREFIXES["dct"] + name))) for name in ("issued", "modified")}


def said_of(moment) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S+00:00}"  # as the RDF library writes what it read


def test_a_dataset_says_since_when_it_is_listed_and_when_its_description_or_counts_changed(anywhere, clock):
    complete(anywhere, condition="")
    builders.described(anywhere)
    clock.on(3600)
    set_dataset(anywhere, ACTOR, "LUNG", {"condition": "CLIN1000065"})
    builders.described(anywhere)
    first = said_of(clock())
    assert moments(anywhere) == {"issued": first, "modified": first}
    clock.on(3600)
    builders.described(anywhere)
    assert moments(anywhere) == {"issued": first, "modified": first}
    study(anywhere, "LUNG", "p2")
    builders.described(anywhere)
    assert moments(anywhere) == {"issued": first, "modified": said_of(clock())}


def test_a_setting_that_changes_no_word_leaves_the_moment(runtime, clock):
    described(runtime)
    before = moments(runtime)
    clock.on(3600)
    other = replace(runtime, settings=structs.replace(runtime.settings, min_subjects=0))
    assert describe.ask_missing(other) == 1
    builders.described(other)
    assert moments(other) == before


def test_what_an_older_version_of_the_agreement_let_is_told_no_more(anywhere):
    described(anywhere)
    assert told(anywhere) == ["LUNG"]
    with anywhere.store.write() as connection:
        (content,) = connection.execute(select(t.agreement_version)).mappings()
        newer = dict(content) | {"id": None, "version": 2, "actions": "export query", "access_class": "conditional"}
        connection.execute(t.agreement_version.insert().values({k: v for k, v in newer.items() if k != "id"}))
        connection.execute(update(t.agreement).values(version=2))
        governance.touch(connection)
    assert (told(anywhere), get(anywhere, LUNG).status_code) == ([], 404)
    (said,) = describe.find_gaps(anywhere)
    assert "until it is described" in said
    assert describe.ask_missing(anywhere) == 1
    builders.described(anywhere)
    assert re.findall(r"LUNG#(DOWNLOAD|IN_SITU_PROCESSING)> a ", get(anywhere, LUNG).text) == ["DOWNLOAD"]


@pytest.mark.parametrize("minimum", [1, 2])
def test_the_size_of_a_dataset_is_told_by_its_first_digit_unless_counts_are_exact(tmp_path, clock, minimum):
    runtime = builders.runtime(tmp_path, clock=clock, min_subjects=minimum)
    builders.seed(runtime)
    set_dataset(runtime, ACTOR, "LUNG", builders.DETAILS)
    batch = builders.batch(runtime)
    for number in range(3):
        take(runtime, batch, "a", made(f"1.2.{number}.1.1", study=f"1.2.{number}", PatientID=f"P{number}"))
    with runtime.store.read() as connection:
        (size,) = connection.execute(select(func.sum(t.custody.c.size))).scalars()
    builders.described(runtime)
    assert size > 1000
    assert f'dcat:byteSize "{size if minimum == 1 else size // 1000 * 1000}"' in get(runtime, LUNG).text
    withdraw.withdraw_study(runtime, ACTOR, "1.2.0")
    builders.described(runtime)
    smaller = size * 2 // 3
    assert minimum == 2 or f'dcat:byteSize "{smaller}"' in get(runtime, LUNG).text
    runtime.close()


# Pages


def walked(runtime: Runtime, name: str) -> list[list[str]]:
    """The aliases on each page, followed from the first by this property of Hydra's, as a harvester does."""
    pages, url = [], CATALOGUE
    while url is not None:
        graph = Graph().parse(data=get(runtime, url.removeprefix(runtime.settings.base_url)).data, format="turtle")
        datasets = graph.subjects(RDF.type, URIRef(PREFIXES["dcat"] + "Dataset"))
        pages.append(sorted(str(iri).rpartition("/")[2] for iri in datasets))
        (view,) = graph.subjects(RDF.type, URIRef(PREFIXES["hydra"] + "PagedCollection"))
        assert [int(n) for n in graph.objects(view, URIRef(PREFIXES["hydra"] + "totalItems"))] == [5]
        url = next((str(o) for o in graph.objects(view, URIRef(PREFIXES["hydra"] + name))), None)
    return pages


@pytest.fixture
def five(anywhere, monkeypatch):
    monkeypatch.setattr(describe, "PAGE", 2)
    for number in range(5):
        complete(anywhere, f"D{number}")
    builders.described(anywhere)
    return anywhere


@pytest.mark.parametrize("name", ["next", "nextPage"])
def test_a_harvester_walks_every_page(five, name):
    assert walked(five, name) == [["D0", "D1"], ["D2", "D3"], ["D4"]]


def test_no_dataset_is_passed_over_when_one_goes_between_two_pages(five):
    move_agreement(five, ACTOR, "DSA-D0", "suspend")
    assert told(five, f"{CATALOGUE}?after=D1") == ["D2", "D3"]


def copied(runtime: Runtime, many: int) -> None:
    """A described dataset, and others that are told as it is."""
    complete(runtime)
    builders.described(runtime)
    with runtime.store.write() as connection:
        (kept,) = connection.execute(select(t.description)).mappings()
        (first,) = connection.execute(select(t.dataset)).mappings()
        pieces = connection.execute(select(t.description_piece)).mappings().all()
        governance.touch(connection)
        for number in range(many):
            key = connection.execute(t.dataset.insert().values(dict(first) | {"id": None, "alias": f"D{number}"})).lastrowid
            connection.execute(t.description.insert().values(dict(kept) | {"dataset": key}))
            connection.execute(t.description_piece.insert(), [dict(each) | {"dataset": key} for each in pieces])


@pytest.mark.parametrize("media_type", RDF_FORMATS)
def test_a_page_has_a_hundred_at_most(runtime, media_type):
    copied(runtime, 100)
    answer = get(runtime, Accept=media_type)
    assert len(set(re.findall(r"/catalogue/datasets/(D\d+)", answer.text))) == 100
    assert "?after=D99" in answer.text
    rest = get(runtime, f"{CATALOGUE}?after=D99", Accept=media_type)
    assert re.findall(r"/catalogue/datasets/(D\d+)", rest.text) == []


def test_a_page_for_people_has_as_many_and_links_to_the_next(runtime):
    copied(runtime, 100)
    answer = get(runtime, Accept="text/html")
    assert (answer.text.count("<article>"), "101 datasets" in answer.text) == (100, True)
    (following,) = re.findall(r'href="([^"]+)">Next page', answer.text)
    rest = get(runtime, unescape(following).removeprefix(runtime.settings.base_url))
    assert (rest.content_type, rest.text.count("<article>"), "Next page" in rest.text) == ("text/html; charset=utf-8", 1, False)


# What may be harvested


def test_what_its_provider_does_not_share_is_on_no_page_and_described_at_its_own_address(anywhere):
    """It is listed, so that its address may be given to anybody; harvested it is not."""
    complete(anywhere, "OPEN")
    complete(anywhere, "KEPT", {"federated": False})
    builders.described(anywhere)
    assert told(anywhere) == ["OPEN"]
    for path in (f"{CATALOGUE}?format=html", "/fdp/catalogue", "/fdp", CATALOGUE):
        assert "KEPT" not in get(anywhere, path).text, path
    assert get(anywhere, f"{CATALOGUE}/datasets/KEPT").status_code == 200
    move_agreement(anywhere, ACTOR, "DSA-KEPT", "terminate")
    assert gone(anywhere) == {}
    assert get(anywhere, f"{CATALOGUE}/datasets/KEPT").status_code == 410, "it was listed"


def test_a_dataset_s_terms_and_deviations_are_in_both_graphs_and_on_its_page(anywhere):
    terms = {"purposes": ("AIRESEARCH",), "data_use": ("NCU", "DS=MONDO:0005233"), "deviations": "<b>Not</b> on weekends."}
    complete(anywhere, "LUNG", terms)
    builders.described(anywhere)
    for form in ("turtle", "rdfxml"):
        for profile in ("eucaim-2.0", "fdp"):
            said = get(anywhere, f"{LUNG}?format={form}&profile={profile}")
            graph = Graph().parse(data=said.data, format=said.mimetype)
            words = {str(text) for text in graph.objects(None, URIRef(PREFIXES["rdfs"] + "label"))}
            words |= {str(text) for text in graph.objects(None, URIRef(PREFIXES["rdfs"] + "comment"))}
            named = {"For no commercial use.", "Research on the named diseases only: MONDO:0005233.", "<b>Not</b> on weekends."}
            assert named <= words, (form, profile)
    page = get(anywhere, f"{LUNG}?format=html").text
    assert "Research on the named diseases only: MONDO:0005233." in page
    assert "&lt;b&gt;Not&lt;/b&gt; on weekends." in page
    assert "<b>" not in page


def test_published_work_is_told_with_its_doi_when_both_sides_want_that_and_so_is_where_a_dataset_is_hosted(anywhere):
    complete(anywhere, "LUNG")
    manager = Actor("person:mara", "hospital-lung", frozenset({PersonRole.DATA_MANAGER}))
    add_publication(anywhere, manager, "LUNG", "Nodules <i>found</i>", "A network for nodules.")
    made = add_publication(anywhere, manager, "LUNG", "More nodules", "Another.", "10.1000/a<b>")
    builders.described(anywhere)
    assert "10.1000" not in get(anywhere, LUNG).text
    want_doi(anywhere, OPERATOR, "LUNG", made.key, "10.1000/a<b>")
    builders.described(anywhere)
    graph = Graph().parse(data=get(anywhere, LUNG).data, format="turtle")
    dct = PREFIXES["dct"]
    told = {str(it): str(graph.value(it, URIRef(f"{dct}title"))) for it in graph.objects(None, URIRef(f"{dct}isReferencedBy"))}
    assert told.pop("https://doi.org/10.1000/a%3Cb%3E") == "More nodules"
    assert list(told.values()) == ["Nodules <i>found</i>"]
    page = get(anywhere, f"{LUNG}?format=html").text
    assert "Nodules &lt;i&gt;found&lt;/i&gt;" in page
    assert 'href="https://doi.org/10.1000/a%3Cb%3E"' in page
    assert "hosted at the repository&#x27;s central node" in page
    assert "Availability is not promised" in get(anywhere, LUNG).text
    wrong = [what for *_, found in validate_datasets(anywhere, ["LUNG"], list(PROFILES)) for what in found]
    assert [what for what in wrong if "hdab" not in what] == []


# What is gone


def gone(runtime: Runtime, path: str = CATALOGUE) -> dict[str, str]:
    """Alias → since when, of the tombstones on a page, none of which is a dataset."""
    graph = Graph().parse(data=get(runtime, path).data, format="turtle")
    as_, dcat = PREFIXES["as"], PREFIXES["dcat"]
    stones = list(graph.subjects(RDF.type, URIRef(f"{as_}Tombstone")))
    assert all(set(graph.objects(each, RDF.type)) == {URIRef(f"{as_}Tombstone")} for each in stones)
    assert all(graph.value(each, URIRef(f"{as_}formerType")) == URIRef(f"{dcat}Dataset") for each in stones)
    return {str(each).rpartition("/")[2]: str(graph.value(each, URIRef(f"{as_}deleted"))) for each in stones}


def test_what_was_told_and_ended_for_good_is_a_tombstone_and_what_is_stopped_is_none(five, clock):
    move_agreement(five, ACTOR, "DSA-D2", "suspend")
    clock.on(60)
    move_agreement(five, ACTOR, "DSA-D1", "terminate")
    assert gone(five) == {"D1": said_of(clock())}
    assert (told(five), get(five, f"{CATALOGUE}/datasets/D1").status_code) == (["D0", "D3"], 410)
    assert gone(five, f"{CATALOGUE}?after=D3") == {}
    move_agreement(five, ACTOR, "DSA-D4", "terminate")
    assert gone(five) == {"D1": said_of(clock()), "D4": said_of(clock())}, "no more pages follow"


def test_a_dataset_that_was_withdrawn_leaves_its_tombstone_when_it_can_not_come_back_any_more(five, clock):
    kept = replace(five, settings=structs.replace(five.settings, grace_days=7))
    since = clock()
    withdraw_dataset(kept, OPERATOR, "D2", circumstance="legal-order")
    clock.on(7 * 86_400 - 1)
    page = f"{CATALOGUE}?after=D1"
    assert (gone(kept, page), told(kept, page)) == ({}, ["D3", "D4"])
    clock.on(1)
    assert (gone(kept, page), told(kept, page)) == ({"D2": said_of(since)}, ["D3", "D4"])


def test_what_was_never_told_leaves_no_tombstone(anywhere):
    complete(anywhere, "EMPTY", condition="")
    builders.seed(anywhere, alias="HIDDEN", provider="hospital-b", listed=False)
    set_dataset(anywhere, ACTOR, "HIDDEN", DETAILS)
    study(anywhere, "HIDDEN", "p1")
    builders.described(anywhere)
    for alias in ("EMPTY", "HIDDEN"):
        move_agreement(anywhere, ACTOR, f"DSA-{alias}", "terminate")
    assert gone(anywhere) == {}
    assert "HIDDEN" not in get(anywhere).text


def test_what_its_provider_had_unlisted_before_it_ended_leaves_no_tombstone(anywhere):
    described(anywhere)
    with anywhere.store.write() as connection:
        (content,) = connection.execute(select(t.agreement_version)).mappings()
        newer = {k: v for k, v in content.items() if k != "id"} | {"version": 2, "listed": False}
        connection.execute(t.agreement_version.insert().values(newer))
        connection.execute(update(t.agreement).values(version=2))
        governance.touch(connection)
    move_agreement(anywhere, ACTOR, "DSA-LUNG", "terminate")
    assert gone(anywhere) == {}


@pytest.mark.parametrize("after", ["lung", "A" * 17, "A%00", "é", "A'--"])
def test_what_is_no_page_is_said(runtime, after):
    answer = get(runtime, f"{CATALOGUE}?after={after}")
    assert (answer.status_code, answer.json["title"]) == (400, "page-unknown")
