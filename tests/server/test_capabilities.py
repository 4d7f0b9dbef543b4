"""OPTIONS says what may be done with a resource (PS3.18 section 8.9), and what it says is what is there."""

import re

import pytest
from lxml import etree

from adapters.identity import Keys
from mappings.dicom.accept import choose_rendered, choose_retrieve, choose_stored
from mappings.dicom.capabilities import SERVICES, methods_of
from mappings.negotiation import MediaType, read_media_type
from tests.house import CALLERS, build

WADL = "{http://wadl.dev.java.net/2009/02}"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = build(tmp_path_factory.mktemp("house"), Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json"))
    yield made
    made.runtime.close()


def routes(house) -> set[tuple[str, str]]:
    rules = [rule for rule in house.flask.url_map.iter_rules() if rule.endpoint.startswith("dicomweb.")]
    named = {(r.rule.removeprefix("/dicom-web"), method) for r in rules for method in r.methods - {"HEAD", "OPTIONS"}}
    return {(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule), method) for rule, method in named}


def test_what_is_described_is_what_is_served(house):
    assert set(SERVICES) == routes(house)
    assert len({name for name, _ in SERVICES.values()}) == len(SERVICES)


@pytest.mark.parametrize("root", ["/dicom-web", "/datasets/LUNG/dicom-web"])
def test_the_archive_describes_all_of_itself_to_anybody(house, root):
    told = house.ask("OPTIONS", root)
    assert (told.status_code, told.content_type) == (200, "application/vnd.sun.wadl+xml")
    resources = etree.fromstring(told.data).find(f"{WADL}resources")
    assert resources.get("base") == f"{house.runtime.settings.base_url}{root}"
    said = {(f"/{resource.get('path')}", method.get("name")) for resource in resources for method in resource}
    assert said == set(SERVICES)


def test_a_resource_describes_itself_alone(house):
    told = house.ask("OPTIONS", "/dicom-web/studies/1.2.3")
    assert told.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
    (resource,) = etree.fromstring(told.data).find(f"{WADL}resources")
    assert (resource.get("path"), [m.get("id") for m in resource]) == (
        "studies/{study}",
        ["RetrieveStudy", "StoreStudyInstances"],
    )
    types = [kind.get("mediaType") for kind in resource[0].find(f"{WADL}response").iter(f"{WADL}representation")]
    assert types == ['multipart/related; type="application/dicom"', "application/dicom", "application/zip"]


@pytest.mark.parametrize("path", sorted({path for path, _ in SERVICES}))
def test_each_method_that_a_resource_allows_is_taken_and_no_other(house, path):
    named = {"{study}": house.study, "{series}": house.series, "{instance}": house.instance}
    named |= {"{frame}": "1", "{frames}": "1", "{element}": "7FE00010"}
    at = "/dicom-web" + path
    for name, value in named.items():
        at = at.replace(name, value)
    told = house.ask("OPTIONS", at)
    assert told.headers["Allow"] == ", ".join(methods_of(path))
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        answer = house.ask(method, at, CALLERS["provider"])
        assert (answer.status_code == 405) == (method not in methods_of(path)), method
        assert answer.status_code != 405 or {*answer.headers["Allow"].split(", ")} == {*methods_of(path)}, method


CHOOSES = {
    "RetrieveStudy": lambda accept: choose_retrieve(accept, ["1.2"], archived=True).media_type,
    "RetrieveInstance": lambda accept: choose_retrieve(accept, ["1.2"]).media_type,
    "RetrieveRenderedFrame": choose_rendered,
    "StoreInstances": choose_stored,
}


@pytest.mark.parametrize("name", CHOOSES)
def test_each_media_type_that_is_described_is_had(name):
    (transaction,) = [t for called, t in SERVICES.values() if called == name]
    for media_type in transaction.answers:
        read = read_media_type(media_type) or MediaType("")
        assert CHOOSES[name](media_type) == (read.get("type") or read.name)


def test_capabilities_in_another_form_are_not_acceptable(house):
    assert house.ask("OPTIONS", "/dicom-web", headers={"Accept": "text/plain"}).status_code == 406
    assert house.ask("OPTIONS", "/dicom-web", headers={"Accept": "application/xml"}).content_type == "application/xml"
