"""`/datasets/{alias}/dicom-web`: one dataset as an archive of its own, which knows nothing of any other."""

import pytest

from adapters.identity import Keys
from tests.house import CALLERS, House, build
from tests.running import image

PROVIDER, OTHER, USER = CALLERS["provider"], CALLERS["other-provider"], CALLERS["user"]
LUNG, BREAST = (f"/datasets/{alias}/dicom-web" for alias in ("LUNG", "BREAST"))
STUDY = "2.25.2001"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Each dataset has a study; the user sees both."""
    made = build(tmp_path_factory.mktemp("house"), Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json"))
    stored = made.ask("POST", f"{BREAST}/studies", OTHER, data=image(STUDY, "P1"), headers={"Content-Type": "application/dicom"})
    assert stored.json["00081190"]["Value"] == [f"{made.runtime.settings.base_url}{BREAST}/studies/{STUDY}"]
    yield made
    made.runtime.close()


def studies(house: House, root: str) -> set[str]:
    found = house.ask("GET", f"{root}/studies", USER).json
    urls = {study["00081190"]["Value"][0] for study in found}
    assert all(url.startswith(f"{house.runtime.settings.base_url}{root}/studies/") for url in urls)
    return {study["0020000D"]["Value"][0] for study in found}


def test_a_search_finds_the_studies_of_its_dataset_alone(house):
    assert studies(house, "/dicom-web") == {house.study, STUDY}
    assert (studies(house, LUNG), studies(house, BREAST), studies(house, "/datasets/NONE/dicom-web")) == (
        {house.study},
        {STUDY},
        set(),
    )


@pytest.mark.parametrize("below", ["", "/metadata", "/series/{series}/instances/{instance}/rendered"])
def test_a_study_is_had_from_its_own_dataset_and_from_no_other(house, below):
    path = f"/studies/{house.study}{below.format(series=house.series, instance=house.instance)}"
    asked = {
        root: house.ask("GET", root + path, USER).status_code for root in ("/dicom-web", LUNG, BREAST, "/datasets/%00/dicom-web")
    }
    assert list(asked.values()) == [200, 200, 404, 404]


def test_what_is_said_of_where_parts_are_stays_within_the_dataset(house):
    sent = house.ask("GET", f"{LUNG}/studies/{house.study}", USER)
    assert f"Content-Location: {house.runtime.settings.base_url}{LUNG}/studies/{house.study}/series/".encode() in sent.data


def test_a_batch_of_another_dataset_is_not_filled_here(house):
    batch, body = house.batch(), {"data": image("2.25.2002", "P2"), "headers": {"Content-Type": "application/dicom"}}
    assert house.ask("POST", f"{BREAST}/studies?batch={batch}", PROVIDER, **body).json["title"] == "batch-unknown"
    assert house.ask("POST", f"{LUNG}/studies?batch={batch}", PROVIDER, **body).status_code == 200


def test_a_dataset_that_the_query_names_does_not_outdo_the_path(house):
    body = {"data": image("2.25.2003", "P3"), "headers": {"Content-Type": "application/dicom"}}
    assert house.ask("POST", f"{BREAST}/studies?dataset=LUNG", PROVIDER, **body).json["title"] == "dataset-unknown"
