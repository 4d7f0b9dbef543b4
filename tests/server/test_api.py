"""The frame of `/api/…`: one document of all its routes, which says what is asked and answered; and sentences for what is not."""

import json

import msgspec
import pytest
from openapi_spec_validator import validate

from adapters.identity import Keys
from adapters.sql import peer_queries
from consent.person import Act
from mappings.api.shapes import Asked, Line, Name, Told, read_body, read_query
from mappings.failures import Invalid
from server.usecases.take import take
from server.web import api_document, app
from server.web.api import Api
from server.web.federation import PATH as EUCAIM
from tests import builders
from tests.house import CALLERS, build
from tests.signing_in import signed_in


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    made = build(folder, Keys.load_or_make(folder / "keys.json"))
    yield made
    made.runtime.close()


@pytest.fixture(scope="module")
def document(house):
    return house.ask("GET", api_document.PATH).json


def test_the_document_is_one_of_openapi_3_1(document):
    validate(document)


def test_every_route_is_in_the_document_and_no_other(house, document):
    served = {
        (method, api_document._NAMED.sub(r"{\1}", rule.rule))
        for rule in house.flask.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and rule.rule not in (EUCAIM, api_document.PATH)
    }
    assert served == {(method.upper(), path) for path, of in document["paths"].items() for method in of}


def test_the_document_is_told_once(house):
    first = house.ask("GET", api_document.PATH)
    again = house.ask("GET", api_document.PATH, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")


def answered(document: dict, path: str, method: str = "get", status: str = "200") -> dict:
    return document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]


def asked_query(house) -> str:
    """The key of a question of the operator's to another repository, of which nothing came."""
    now = house.runtime.clock()
    known = {"key": "q", "subject": "centre", "question": "{}", "peers": {"b": "accord"}, "at": now, "until": now}
    with house.runtime.store.write() as connection:
        peer_queries.add(connection, **known)
    return "q"


def asked_paths(house, document):
    waiting = builders.batch(house.runtime)
    take(house.runtime, waiting, "a", builders.made(f"1.2.9.1.{waiting.id}", study="1.2.9", PatientName="Doe^Jane"))
    named = {"/api/batches": waiting.key, "/api/agreements": "DSA-LUNG@1", "/api/federation/queries": asked_query(house)}
    paths = [path for path, of in document["paths"].items() if "get" in of and path not in NOT_NOW]
    return {path: path.replace("{alias}", "LUNG").replace("{key}", named.get(path.partition("/{")[0], "")) for path in paths}


NOT_NOW = ("/api/studies/{study}/stop", "/api/studies/{study}/receipts", "/api/datasets/{alias}/stop", "/api/exclusions")
"""What is not stopped, and what no client may ask: their answers are read in `test_api_stops.py`."""


def test_every_answer_is_as_the_document_says(house, document):
    """By its schema, read by a validator that is not ours."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    paths = asked_paths(house, document)
    assert len(paths) >= 4
    ada = signed_in(house.runtime, house.flask, "ada", "operator")
    for path, asked in paths.items():
        who = CALLERS["operator" if "/federation/" in path else "provider"]
        response = ada.get(asked) if path == "/api/sessions" else house.ask("GET", asked, who)
        assert response.status_code == 200, (path, response.data)
        schema = answered(document, path) | {"components": document["components"]}
        Draft202012Validator(schema).validate(response.json)


def test_of_published_work_nothing_but_title_summary_and_doi_is_taken(house):
    said, path = {"title": "CT at scale", "summary": "A model."}, "/api/datasets/LUNG/publications"
    for more in ({"patients": ["P1"]}, {"authors": "Dr. A."}, {"abstract": "Long."}):
        told = house.ask("POST", path, CALLERS["provider"], json=said | more)
        assert (told.status_code, told.json["title"]) == (400, "body-invalid")
    assert house.ask("GET", path).json["publications"] == []
    made = house.ask("POST", path, CALLERS["provider"], json=said)
    assert made.status_code == 201
    assert [one["title"] for one in house.ask("GET", path).json["publications"]] == ["CT at scale"]
    assert house.ask("POST", f"{path}/{made.json['key']}/removal", CALLERS["provider"]).status_code == 200


def test_a_provider_reads_its_own_agreements_and_the_operator_all(house):
    def keys(name: str) -> list[str]:
        return [one["key"] for one in house.ask("GET", "/api/agreements", CALLERS[name]).json["agreements"]]

    told = {name: keys(name) for name in ("provider", "other-provider", "operator", "user")}
    assert told == {
        "provider": ["DSA-LUNG"],
        "other-provider": ["DSA-BREAST"],
        "operator": ["DSA-LUNG", "DSA-BREAST"],
        "user": [],
    }


def test_anothers_agreement_and_none_look_alike(house):
    told = [house.ask("GET", f"/api/agreements/{key}", CALLERS["other-provider"]) for key in ("DSA-LUNG", "DSA-NONE")]
    assert {t.status_code for t in told} == {404}
    assert {t.json["title"] for t in told} == {"agreement-unknown"}


class Thing(Asked):
    name: Name
    said: Line = "x"
    many: list[int] = msgspec.field(default_factory=list)


class Made(Told):
    name: str
    many: int


@pytest.fixture(scope="module")
def frame(house):
    """An application with one more row."""
    routes = Api("things")

    @routes.row("POST", "/api/things", Made, scope="Consent.c", act=Act.DRAFT, body=Thing, status=201)
    def make(asked: Thing) -> Made:
        """Make a thing."""
        return Made(name=asked.name, many=len(asked.many))

    @routes.row("GET", "/api/things", Made, scope="Consent.r", query=Thing)
    def look(asked: Thing) -> Made:
        """Look at a thing."""
        return Made(name=asked.name, many=0)

    made = app.create(house.runtime, house.keys)
    made.register_blueprint(routes)
    return made, routes


def post(house, frame, body: bytes, media_type: str = "application/json"):
    token = {"Authorization": f"Bearer {house.token(CALLERS['provider'])}", "Content-Type": media_type}
    return frame[0].test_client().post("/api/things", data=body, headers=token)


def test_a_row_reads_its_body_and_tells_its_answer(house, frame):
    made = post(house, frame, b'{"name": "a", "many": [1, 2]}')
    assert (made.status_code, made.content_type, made.json) == (201, "application/json", {"name": "a", "many": 2})


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        (b"", "not-json", None),
        (b"{", "not-json", None),
        (b'{"name": "\xff"}', "not-json", None),
        (b"[" * 50_000, "body-invalid", "$"),
        (b'{"many": ' + b"[" * 50_000, "body-invalid", "$.many[0]"),
        (b"[]", "body-invalid", "$"),
        (b"{}", "body-invalid", "$"),
        (b'{"name": 1}', "body-invalid", "$.name"),
        (b'{"name": "PATIENT^A"}', "body-invalid", "$.name"),
        (b'{"name": "a", "said": "PATIENT\\u0000"}', "body-invalid", "$.said"),
        (b'{"name": "a", "PATIENT": 1}', "body-invalid", "$"),
        (b'{"name": "a", "many": [1, "PATIENT"]}', "body-invalid", "$.many[1]"),
        (json.dumps({"name": "a", "said": "x" * 501}).encode(), "body-invalid", "$.said"),
    ],
)
def test_a_body_that_can_not_be_read_is_told_where_and_never_what_it_held(house, frame, body, code, where):
    told = post(house, frame, body)
    assert (told.status_code, told.json["title"], told.json.get("where")) == (400, code, where)
    assert "PATIENT" not in told.text


def test_a_body_of_another_type_or_size_is_not_read(house, frame):
    assert post(house, frame, b'{"name": "a"}', "text/plain").json["where"] == "Content-Type"
    assert post(house, frame, b'{"name": "' + b"a" * 70_000 + b'"}').status_code == 413


def test_a_query_is_read_as_its_row_says(house, frame):
    token = {"Authorization": f"Bearer {house.token(CALLERS['provider'])}"}
    assert frame[0].test_client().get("/api/things?name=a", headers=token).json == {"name": "a", "many": 0}
    refused = frame[0].test_client().get("/api/things?name=a&PATIENT=1", headers=token)
    assert (refused.status_code, refused.json["title"]) == (400, "parameter-invalid")
    assert "PATIENT" not in refused.text


def test_a_row_stands_in_a_document_with_its_act_and_scope(frame):
    told = api_document.described(frame[1].operations)
    validate(told)
    made = told["paths"]["/api/things"]["post"]
    assert (made["x-accord-act"], made["summary"]) == (Act.DRAFT, "Make a thing.")
    assert "system/Consent.c" in made["description"]
    assert [p["name"] for p in told["paths"]["/api/things"]["get"]["parameters"]] == ["name", "said", "many"]


@pytest.mark.parametrize("read", [lambda text: read_body(msgspec.json.encode(text), Thing), lambda text: read_query(text, Thing)])
def test_places_and_sentences_have_bounds(read):
    with pytest.raises(Invalid) as refused:
        read({"name": "a", "x" * 60_000: 1})
    assert len(str(refused.value)) + len(refused.value.where) < 300
