"""Any value that a document serves finds that document, by every search parameter of its type."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from mappings.fhir.resources import RESOURCES
from tests.house import House
from tests.served import EVERY, IDENTIFIED, PARAMETERS, PROVIDER, SERVED, filled, found, only, served, spelled, values


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    made = filled(tmp_path_factory.mktemp("house"))
    yield made
    made.runtime.close()


@pytest.mark.parametrize(("kind", "name"), PARAMETERS)
def test_any_value_that_is_served_finds_its_document(house, kind, name):
    served_by = values(house, kind, name)
    for value, ids in served_by.items():
        assert ids <= found(house, kind, f"{spelled(kind, name)}={quote(value, safe='')}"), value
    assert served_by


@pytest.mark.parametrize(("kind", "name"), PARAMETERS)
def test_what_is_missing_is_what_no_document_says(house, kind, name):
    read = SERVED.get((kind, name)) or EVERY[name]
    always = (kind, name) in IDENTIFIED
    said = {resource["id"]: always or bool(set(read(resource))) for resource in served(house, kind)}
    for missing in (True, False):
        expected = {identity for identity, says in said.items() if says is not missing}
        assert found(house, kind, f"{name}:missing={str(missing).lower()}") == expected


@pytest.mark.parametrize("kind", RESOURCES)
def test_a_sorted_search_pages_through_every_row_once(house, kind):
    every = {resource["id"] for resource in served(house, kind)}
    names = [name for name, parameter in RESOURCES[kind].parameters.items() if parameter.sort]
    orders = [
        *names,
        *(f"-{name}" for name in names),
        ",".join(names[:2]),
        f"{names[0]},-{names[-1]}",
        f"-{names[-1]},{names[0]}",
    ]
    for order in orders:
        pages, url = [], f"/fhir/R4/{kind}?_sort={order}&_count=3{only(kind)}"
        while url:
            page = house.ask("GET", url, PROVIDER).json
            pages += [entry["resource"] for entry in page.get("entry", ())]
            url = next((link["url"].partition("8080")[2] for link in page["link"] if link["relation"] == "next"), "")
        assert (len(pages), {resource["id"] for resource in pages}) == (len(every), every), order
