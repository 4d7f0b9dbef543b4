"""One table says what each failure is called in every dialect; what is not in it loses its detail."""

import json

import pytest

from mappings import failures
from mappings.failures import Busy, Failure, Full, TooLarge, Unavailable
from server import faults

KINDS = [kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, Failure) and kind is not Failure]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_failure_has_its_row(kind):
    fault = faults.fault(kind("code", "A sentence."))
    assert fault is not faults.UNKNOWN
    assert 400 <= fault.http < 600
    assert 0 < len(fault.comment) <= 64
    assert fault.comment.isascii()


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Full("disk", "Doe^John"), 0xA700),
        (TooLarge("object", "Doe^John"), 0xA700),
        (Busy("object", "Doe^John"), 0xA701),
        (Unavailable("node", "Doe^John"), 0xA700),
        (ValueError("Doe^John"), 0x0110),
    ],
)
def test_a_dimse_status_tells_nothing_of_its_cause(failure, status):
    fault = faults.fault(failure)
    assert fault.dimse == status
    assert "Doe" not in fault.comment


def test_what_is_ours_is_told_by_its_reference_only():
    said = faults.failure_of(KeyError("Doe^John"), "7F3K")
    told = json.loads(faults.problem(said, 500, "7F3K"))
    assert "7F3K" in told["detail"]
    assert "Doe" not in json.dumps(told)
