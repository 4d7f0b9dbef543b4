"""No face of the repository is without the sentence that nothing here is for diagnosis: pages, descriptions, manifests, help."""

import json
import re
from pathlib import Path

import pytest

from adapters.identity import Keys
from consent.policy import NEVER_FOR_DIAGNOSIS
from tests.commands import run
from tests.house import CALLERS, build
from tests.signing_in import signed_in

README = Path(__file__).parents[2] / "README.md"
MACHINES = {
    "FHIR": "/fhir/R4/metadata",
    "FHIR R5": "/fhir/R5/metadata",
    "the catalogue": "/catalogue",
    "a dataset of the catalogue": "/catalogue/datasets/LUNG",
    "a dataset": "/api/datasets/LUNG",
    "the API": "/api/openapi.json",
}
"""What describes this repository, or a dataset, to programs."""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = build(tmp_path_factory.mktemp("house"), Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json"))
    yield made
    made.runtime.close()


def says(text):
    """Whether a text has the sentence, however its lines are broken and its letters written."""
    return NEVER_FOR_DIAGNOSIS in re.sub(r"\s+", " ", text.replace("&#39;", "'"))


@pytest.mark.parametrize("face", MACHINES)
@pytest.mark.parametrize("accept", ["*/*", "text/turtle", "application/ld+json"])
def test_what_describes_the_repository_to_programs_says_it(house, face, accept):
    told = house.ask("GET", MACHINES[face], headers={"Accept": accept} if "catalogue" in face else {})
    assert told.status_code == 200
    assert says(told.text)


@pytest.mark.parametrize("root", ["/dicom-web", "/datasets/LUNG/dicom-web", "/dicom-web/studies/1.2.3"])
def test_dicomweb_s_capabilities_say_it(house, root):
    assert says(house.ask("OPTIONS", root).text)


def test_every_page_says_it_and_every_refusal_of_one(house):
    """Each route without a name in it, as anybody and as who is signed in; what answers with a page is a face."""
    ada = signed_in(house.runtime, house.flask, "ada", "operator")
    paths = [rule.rule for rule in house.flask.url_map.iter_rules() if "GET" in rule.methods and "<" not in rule.rule]
    pages = set()
    for path in paths:
        for told in (house.ask("GET", path, headers={"Accept": "text/html"}), ada.get(path, headers={"Accept": "text/html"})):
            if told.mimetype == "text/html" and told.data:
                pages.add((path, told.status_code))
                assert says(told.text), path
    assert {("/sign-in", 200), ("/account", 200)} <= pages


def test_the_manifest_of_an_export_says_it(house):
    told = house.ask("GET", f"/fhir/R4/$export/{house.export()}", CALLERS["provider"])
    assert says(json.loads(told.data)["extension"]["notice"])


def test_the_readme_and_the_help_of_all_commands_say_it(capsys):
    assert says(README.read_text())
    assert run("--help") == 0
    assert says(capsys.readouterr().out)
