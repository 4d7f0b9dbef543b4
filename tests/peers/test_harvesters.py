"""What CKAN's own reader of DCAT takes of a catalogue of 101 datasets is what their agreements say."""

import json
from collections.abc import Iterator

import pytest

from tests import builders
from tests.peers.conftest import Program
from tests.running import Accord, eventually, running
from tests.server.test_catalogue import DETAILS, complete

DATASETS = 101
AGREED = {
    "access_class": "conditional",
    "actions": ("query", "process", "export"),
    "purposes": ("AIRESEARCH", "AITRAIN"),
    "data_use": ("IRB", "DS=MONDO:0005233"),
    "deviations": "On weekdays only.",
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accord]:
    """A catalogue of two pages."""
    home = tmp_path_factory.mktemp("catalogue")
    built = builders.runtime(home)
    for number in range(DATASETS):
        complete(built, f"D{number:03}", AGREED)
    built.close()
    with running(home / "data", min_subjects="1", min_free_mb="1") as accord:
        assert eventually(lambda: f'{DATASETS}"^^xsd:nonNegativeInteger' in accord.get("/catalogue").text, 60)
        yield accord


@pytest.mark.parametrize("profile", ["euro_dcat_ap_3", "euro_health_dcat_ap"])
def test_ckan_reads_every_dataset_and_access_condition(repository: Accord, ckan: Program, profile: str):
    printed = ckan("harvest", f"{repository.base}/catalogue", profile)
    told = {found["uri"]: found for found in map(flat, printed.splitlines())}
    assert set(told) == {f"{repository.base}/catalogue/datasets/D{number:03}" for number in range(DATASETS)}
    for uri, dataset in told.items():
        rights = {each["uri"].rpartition("#")[2]: each["rights"].rpartition("#")[2] for each in dataset["resources"]}
        assert rights == {code: code for code in ("DOWNLOAD", "IN_SITU_PROCESSING")}, uri
        for each in dataset["resources"]:
            assert "Research on the named diseases only: MONDO:0005233. With an ethics approval." in each["description"]
            assert "On weekdays only." in each["description"]
            assert (each["format"].rpartition("/")[2], each["license"]) == ("DICOM", f"{repository.base}/terms/1.0.0")
            assert endpoints(each) == {f"{repository.base}/{path}" for path in (f"datasets/{uri[-4:]}/dicom-web", "fhir/R4")}
        assert dataset["version"] == DETAILS["version"]


def flat(line: str) -> dict:
    """A dataset as CKAN has it, whichever profile puts what among its extras."""
    dataset = json.loads(line)
    return dataset | {each["key"]: each["value"] for each in dataset.get("extras", [])}


def endpoints(resource: dict) -> set[str]:
    """The addresses of the services that give access to a distribution."""
    services = resource["access_services"]
    return {url for each in (json.loads(services) if isinstance(services, str) else services) for url in each["endpoint_url"]}
