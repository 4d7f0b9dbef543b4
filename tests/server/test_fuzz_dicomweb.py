"""Whatever is asked of DICOMweb, the answer is one, or a problem that says why not: nothing breaks, nothing hidden is told."""

import io
from collections import Counter
from collections.abc import Iterator

import pytest
from pydicom import dcmread
from werkzeug.test import TestResponse

from server.usecases import document
from server.usecases.batch import close_batch
from server.usecases.take import take
from tests import builders
from tests.fuzz_dicomweb import Stored, case
from tests.fuzz_fhir import ASKERS, Case
from tests.fuzzed import BLIND, LEAKS, SECRET_PATIENT, SECRET_STUDY, Fuzzed

CASES = 600
SAMPLES = ("mr/emri_small_rle.dcm", "mr/emri_small_jpegls.dcm", "ct/CT_small.dcm", "rt/rtplan.dcm", "rt/rtdose.dcm")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory) -> Iterator[Fuzzed]:
    made = Fuzzed(tmp_path_factory.mktemp("fuzzed"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def stored(fuzzed) -> list[Stored]:
    """What there is: samples of several kinds, and what is nobody's business."""
    runtime, files = fuzzed.house.runtime, [builders.sample(name) for name in SAMPLES]
    batch = builders.batch(runtime)
    taken = [file for file in files if take(runtime, batch, "x", file).outcome == "pass"]
    close_batch(runtime, batch.id)
    document.rebuild(runtime)
    headers = [dcmread(io.BytesIO(file), stop_before_pixels=True) for file in taken]
    secret = fuzzed.house.ask("GET", f"/dicom-web/studies/{SECRET_STUDY}/instances", ASKERS["provider"]).json[0]
    hidden = Stored(SECRET_STUDY, *(secret[tag]["Value"][0] for tag in ("0020000E", "00080018")))
    return [*(Stored(h.StudyInstanceUID, h.SeriesInstanceUID, h.SOPInstanceUID) for h in headers), hidden]


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


def test_who_sees_a_study_is_told_what_the_blind_are_not(fuzzed, stored):
    """Or the look for secrets could not fail."""
    seen = fuzzed.ask(Case(0, "provider", "GET", "/dicom-web/studies", ""))
    assert list(wrongs(Case(0, "other-provider", "GET", "/dicom-web/studies", ""), seen)) == ["tells what is hidden"]


def wrongs(one: Case, answer: TestResponse) -> Iterator[str]:
    """What is wrong of an answer."""
    text = answer.get_data(as_text=True) if answer.status_code >= 400 else ""
    if answer.status_code >= 500:
        yield f"answered {answer.status_code}"
    if text and answer.mimetype != "application/problem+json":
        yield f"{answer.status_code} is no problem"
    if leak := LEAKS.search(text):
        yield f"tells of the inside: {leak[0]}"
    if any({"\r", "\n"} & set(value) or name == "X-Bad" for name, value in answer.headers):
        yield "a header breaks"
    elsewhere = one.caller in BLIND or not one.path.startswith(("/dicom-web", "/datasets/LUNG"))
    told = f"{answer.data.decode('latin-1')} {answer.headers}"
    if elsewhere and any(secret in told and secret not in f"{one.path} {one.query}" for secret in (SECRET_STUDY, SECRET_PATIENT)):
        yield "tells what is hidden"
