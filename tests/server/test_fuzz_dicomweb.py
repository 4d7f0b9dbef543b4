"""Whatever is asked of DICOMweb, the answer is one, or a problem that says why not: nothing breaks, nothing hidden is told.

`python -m benchmarks.fuzz_dicom` asks a hundred thousand cases, these among them, and as many of STOW-RS and of DICOM's network.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from adapters.spool import IN_MEMORY, Spool
from tests import fuzzed_dicom
from tests.fuzz_dicomweb import Stored, case
from tests.fuzz_fhir import Case
from tests.fuzzed import Fuzzed
from tests.fuzzed_dicom import wrongs

CASES, STORES = 600, 100


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory) -> Iterator[Fuzzed]:
    made = Fuzzed(tmp_path_factory.mktemp("fuzzed"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def stored(fuzzed) -> list[Stored]:
    return fuzzed_dicom.stored(fuzzed)


def test_nothing_that_is_asked_breaks_the_archive_or_shows_what_is_hidden(fuzzed, stored):
    answered: Counter[int] = Counter()
    wrong = []
    for number in range(CASES):
        one = case(stored, 1, number)
        answer = fuzzed.ask(one)
        answered[answer.status_code] += 1
        wrong += [f"{why}: {one}"[:3_000] for why in wrongs(one, answer)]
    assert not wrong, "\n".join(wrong)
    assert answered[200] > CASES // 12, "most was refused before it was read"
    assert answered[400] > CASES // 12, "nothing was refused"
    assert answered[206], "no range was answered"


def test_nothing_that_is_stored_breaks_the_archive(fuzzed):
    answered: Counter[str] = Counter()
    wrong = list(fuzzed_dicom.brought(fuzzed, 1, range(STORES), answered))
    assert not wrong, "\n".join(wrong)
    assert answered["200"] + answered["202"] > STORES // 10, "nothing was taken"
    assert answered["409"] > STORES // 20, "nothing was refused"


def test_who_sees_a_study_is_told_what_the_blind_are_not(fuzzed, stored):
    """Or the look for secrets could not fail."""
    seen = fuzzed.ask(Case(0, "provider", "GET", "/dicom-web/studies", ""))
    assert list(wrongs(Case(0, "other-provider", "GET", "/dicom-web/studies", ""), seen)) == ["tells what is hidden"]


def test_an_object_that_waits_in_a_file_is_counted_until_it_is_let_go_of(tmp_path):
    """Or what is held at the end of a run could not grow."""
    waiting: list[memoryview] = []
    spool = Spool(tmp_path, 2 * IN_MEMORY, waiting.append, lambda: None)
    before = fuzzed_dicom.held()["files"]
    spool.write(bytes(IN_MEMORY + 1))
    assert fuzzed_dicom.held()["files"] == before + 1
    spool.close()
    assert fuzzed_dicom.held()["files"] == before + 1, "mapped, without a descriptor"
    waiting.clear()
    assert fuzzed_dicom.held()["files"] == before
