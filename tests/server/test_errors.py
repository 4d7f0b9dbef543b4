"""Every door tells of failures in the dialect it declares, and of paths that are not there in that of their root."""

import json

import pytest
from werkzeug.exceptions import default_exceptions

from adapters.identity import Keys
from mappings.failures import Busy, Failure, Invalid, NotFound, Unauthenticated, Unavailable
from server import faults
from server.web import app, errors, fhir_answer, pages
from server.web.bulkheads import Bulkhead
from tests.house import CALLERS, House, build

DIALECTS = {
    "access": errors.problem,
    "account": pages.dialect,
    "agreements": errors.problem,
    "api-document": errors.problem,
    "stops": errors.problem,
    "bulk_data": fhir_answer.refused,
    "batches": errors.problem,
    "withdrawals": errors.problem,
    "catalogue": errors.problem,
    "datasets": errors.problem,
    "demo": pages.dialect,
    "documents": errors.problem,
    "dicomweb": errors.problem,
    "dicomweb_dataset": errors.problem,
    "federation": errors.eucaim,
    "fhir": fhir_answer.refused,
    "fhir_r5": errors.operation_outcome,
    "ledger": errors.problem,
    "oauth": errors.oauth,
    "operations": errors.problem,
    "peers": errors.problem,
    "people": errors.problem,
    "sign-in": pages.dialect,
    "terms": errors.problem,
}
"""The design's, not the code's."""


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    folder = tmp_path_factory.mktemp("house")
    made = build(folder, Keys.load_or_make(folder / "keys.json"))
    yield made
    made.runtime.close()


def test_every_blueprint_declares_its_dialect(house):
    assert {name: blueprint.dialect for name, blueprint in house.flask.blueprints.items()} == DIALECTS


@pytest.mark.parametrize(
    ("method", "path", "media_type", "names"),
    [
        ("GET", "/fhir/R4/ImagingStudy/0", "application/fhir+json", {"resourceType", "issue"}),
        ("GET", "/fhir/R9/nothing", "application/fhir+json", {"resourceType", "issue"}),
        ("GET", "/dicom-web/studies/1.2.3", "application/problem+json", {"type", "title", "status", "detail", "instance"}),
        ("GET", "/nowhere", "application/problem+json", {"type", "title", "status", "detail", "instance"}),
        ("POST", "/oauth/token", "application/json", {"error", "error_description", "code"}),
    ],
)
def test_a_refusal_speaks_the_dialect_of_its_door(house, method, path, media_type, names):
    response = house.ask(method, path, CALLERS["provider"])
    assert response.status_code in (400, 404)
    assert (response.content_type, set(response.json)) == (media_type, names)


def test_what_is_no_matter_of_oauth_is_told_as_everywhere(house):
    told = errors.oauth(Busy("busy", "Full."), faults.fault(Busy("busy", "Full.")), "r1")
    assert (told.status, told.media_type) == (503, "application/problem+json")
    made = app.create(house.runtime, house.keys)
    places = made.extensions["accord"].bulkheads
    for _ in range(house.runtime.settings.forms):
        places.enter(Bulkhead.FORM)
    response = made.test_client().post("/oauth/token")
    assert (response.status_code, response.headers["Retry-After"], response.json["title"]) == (503, "5", "busy")


@pytest.mark.parametrize(("code", "status"), [("not-json", 400), ("ast-missing", 422)])
def test_eucaim_is_told_apart_what_is_no_json_and_what_is_no_question(code, status):
    failure = Invalid(code, "A sentence.")
    told = errors.eucaim(failure, faults.fault(failure), "r1")
    assert (told.status, json.loads(told.body)["status"]) == (status, status)


def test_a_sentence_that_oauth_can_not_say_is_made_plain():
    told = errors.oauth(Invalid("scope", 'A "scope" é\\', "scope"), faults.fault(Invalid("scope", "")), "r1")
    assert json.loads(told.body) == {"error": "invalid_scope", "error_description": "A ?scope? ??", "code": "scope"}


def test_a_challenge_names_an_error_only_where_a_token_was_shown():
    missing, invalid = (Unauthenticated(code, "-") for code in ("token-missing", "token-invalid"))
    headers = [
        errors.problem(f, faults.fault(f), "r").headers.get("WWW-Authenticate") for f in (missing, invalid, NotFound("x", "-"))
    ]
    assert headers == ['Bearer realm="accord"', 'Bearer realm="accord", error="invalid_token"', None]
    assert Unavailable("x", "-").retry_after == 10


def test_a_federation_without_a_question_is_told_by_its_own_status(house):
    sent = {"data": b"{}", "content_type": "application/json"}
    response = house.ask("POST", "/api/datasets/eucaimSearch", CALLERS["federation"], **sent)
    assert (response.status_code, response.json["title"]) == (422, "ast-missing")


def test_no_frameworks_sentence_reaches_a_caller():
    """Werkzeug's are for browsers: *If you entered the URL manually please check your spelling*."""
    for status, (kind, sentence) in errors._HTTP.items():
        assert issubclass(kind, Failure)
        assert sentence != getattr(default_exceptions[status], "description", None)
