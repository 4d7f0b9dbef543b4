"""CORS: a viewer in a browser on a named origin may ask and read; another origin is told nothing, and nobody by default."""

import pytest

from adapters.identity import Keys
from server.web import origins
from tests.house import CALLERS, House, build

VIEWER, OTHER = "https://viewer.example.org", "https://elsewhere.example.org"
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,range"}
SAYS = "Access-Control-Allow-Origin"


@pytest.fixture(scope="module")
def signing(tmp_path_factory) -> Keys:
    return Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture(scope="module")
def house(tmp_path_factory, signing):
    made = build(tmp_path_factory.mktemp("house"), signing, origins=f"{VIEWER} http://127.0.0.1:3000")
    yield made
    made.runtime.close()


def names(told: str) -> set[str]:
    return {name.strip().lower() for name in told.split(",")}


@pytest.mark.parametrize(
    "path", ["/dicom-web/studies", "/dicom-web/studies/1.2.3/metadata", "/fhir/R4/ImagingStudy", "/oauth/token"]
)
def test_a_preflight_needs_no_token_and_says_what_may_be_sent(house, path):
    answer = house.ask("OPTIONS", path, headers={"Origin": VIEWER} | PREFLIGHT)
    assert (answer.status_code, answer.data, answer.headers[SAYS]) == (204, b"", VIEWER)
    assert {"authorization", "accept", "range", "content-type", "if-none-match", "prefer"} == names(
        answer.headers["Access-Control-Allow-Headers"]
    )
    assert "origin" in names(answer.headers["Vary"])


def test_every_method_that_a_route_takes_may_be_sent(house):
    taken = {method for rule in house.flask.url_map.iter_rules() for method in rule.methods} - {"OPTIONS"}
    assert taken == set(origins.METHODS)


@pytest.mark.parametrize("who", ["user", "anonymous"])
def test_an_answer_may_be_read_with_its_headers_and_so_may_a_refusal(house, who):
    answer = house.ask("GET", "/dicom-web/studies", CALLERS[who], headers={"Origin": VIEWER})
    assert (answer.status_code, answer.headers[SAYS]) == (200 if who == "user" else 401, VIEWER)
    exposed = names(answer.headers["Access-Control-Expose-Headers"])
    assert {"content-range", "etag", "link", "retry-after", "warning", "www-authenticate", "x-total-count"} <= exposed
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", [OTHER, "null", "*", f"{VIEWER}.evil.example", VIEWER.upper(), ""])
def test_another_origin_is_told_nothing(house, origin):
    for method, more in (("OPTIONS", PREFLIGHT), ("GET", {})):
        answer = house.ask(method, "/dicom-web/studies", headers={"Origin": origin} | more)
        assert [name for name, _ in answer.headers if name.startswith("Access-Control")] == []
        assert "origin" in names(answer.headers["Vary"])


def test_nobody_is_told_anything_where_no_origin_is_named(tmp_path, signing):
    house: House = build(tmp_path, signing)
    for method, more in (("OPTIONS", PREFLIGHT), ("GET", {})):
        answer = house.ask(method, "/dicom-web/studies", headers={"Origin": VIEWER} | more)
        assert SAYS not in answer.headers
    house.runtime.close()


def test_what_has_a_tag_may_be_kept_by_its_reader_and_is_asked_for_again(house):
    kept, other = house.ask("GET", "/terms"), house.ask("GET", "/dicom-web/studies", CALLERS["user"])
    assert ("ETag" in kept.headers, kept.headers["Cache-Control"]) == (True, "private, no-cache")
    assert ("ETag" in other.headers, other.headers["Cache-Control"]) == (False, "no-store")


@pytest.mark.parametrize("kind", ["application/json", "application/dicom+json"])
def test_json_is_gzipped_for_who_takes_it(house, kind):
    path = f"/dicom-web/studies/{house.study}/metadata"
    plain, packed = (
        house.ask("GET", path, CALLERS["user"], headers={"Accept": kind} | coding) for coding in ({}, {"Accept-Encoding": "gzip"})
    )
    assert (packed.headers["Content-Encoding"], packed.content_type) == ("gzip", kind)
    assert len(packed.data) * 2 < len(plain.data)
