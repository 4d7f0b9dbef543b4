"""What would be told of datasets, held against profiles: complete or not, by the dataset it belongs to, in words."""

import sys

import pytest

from mappings.failures import NotFound, Unavailable
from server.usecases.dataset import set_dataset
from server.usecases.validate import validate_datasets
from tests import builders
from tests.builders import ACTOR
from tests.commands import run
from tests.server.test_catalogue import complete, described


@pytest.fixture
def runtime(tmp_path):
    built = builders.runtime(tmp_path)
    yield built
    built.close()


def test_each_dataset_is_held_against_each_profile(runtime):
    complete(runtime)
    described(runtime, alias="LIVER", version="")
    told = list(validate_datasets(runtime, [], ["eucaim-2.0", "dcat-ap-3", "fdp"]))
    asked = "dcat:version is missing. Say `accord admin dataset set LIVER version=…`: SemVer or CalVer."
    assert [(alias, profile) for alias, profile, said in told if not said] == [
        ("LIVER", "dcat-ap-3"),
        ("LUNG", "eucaim-2.0"),
        ("LUNG", "dcat-ap-3"),
        ("LUNG", "fdp"),
    ]
    assert told[0] == ("LIVER", "eucaim-2.0", [asked])
    assert told[2][2] == [asked], "said once, though the dataset's services and distributions lack it too"


def test_a_health_data_access_body_is_missed_by_the_profile_that_needs_one(runtime):
    complete(runtime)
    ((_, _, said),) = validate_datasets(runtime, ["LUNG"], ["healthdcat-ap-8"])
    assert [each.partition(" ")[0] for each in said] == ["healthdcatap:hdab"]
    set_dataset(runtime, ACTOR, "LUNG", {"hdab": "Body <https://body.example.org>"})
    assert list(validate_datasets(runtime, ["LUNG"], ["healthdcat-ap-8"])) == [("LUNG", "healthdcat-ap-8", [])]


def test_what_an_unlisted_or_empty_dataset_lacks_is_said_too(runtime):
    builders.seed(runtime, listed=False)
    ((_, _, said),) = validate_datasets(runtime, ["LUNG"], ["eucaim-2.0"])
    assert len(said) > 10
    assert any("too few subjects" in each for each in said)


def test_a_dataset_that_is_none_is_not_found(runtime):
    with pytest.raises(NotFound):
        list(validate_datasets(runtime, ["NONE"], ["eucaim-2.0"]))


def test_without_the_validator_it_is_said_how_to_get_it(runtime, monkeypatch):
    complete(runtime)
    monkeypatch.delitem(sys.modules, "mappings.dcat.advice", raising=False)
    monkeypatch.delitem(sys.modules, "mappings.dcat.validation", raising=False)
    monkeypatch.setitem(sys.modules, "pyshacl", None)
    with pytest.raises(Unavailable, match=r"install accord\[catalogue\]"):
        list(validate_datasets(runtime, [], ["eucaim-2.0"]))


def test_the_command_ends_with_1_where_something_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ACCORD_MIN_SUBJECTS", "1")
    runtime = builders.runtime(tmp_path)
    complete(runtime)
    runtime.close()
    command = ("catalogue", "validate", "--data", str(runtime.settings.data_dir))
    assert run(*command) == 0
    assert capsys.readouterr().out == "LUNG, eucaim-2.0: conforms.\n"
    assert run(*command, "LUNG", "--profile", "fdp", "--profile", "healthdcat-ap-8") == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == "LUNG, fdp: conforms."
    assert second.startswith("LUNG, healthdcat-ap-8: healthdcatap:hdab is missing. Say `accord admin dataset set LUNG hdab=…`")
    assert run(*command, "--profile", "mine") == 2
