"""The DIMSE statuses: every rule that can refuse has one, and each says no more than a C-STORE response may."""

from pathlib import Path

import pytest

from consent.deposit import RULES, Outcome
from mappings.dicom.dimse import TRANSFER_SYNTAXES, agrees, status_for
from mappings.dicom.part10 import read_part10

REFUSING = [r.code for r in RULES if Outcome.REJECT in {r.outcome_declared, r.outcome_undeclared}]


@pytest.mark.parametrize("rule", REFUSING)
def test_every_refusing_rule_has_a_failure_status_and_a_short_ascii_comment(rule: str) -> None:
    status = status_for(rule, Outcome.REJECT)
    # PS3.7 Annex C: A7xx, A9xx, Cxxx or a general failure
    assert status.code in {0x0111, 0x0124} or status.code >> 8 in {0xA7, 0xA9} or status.code >> 12 == 0xC
    assert 0 < len(status.comment) <= 64
    assert status.comment.isascii()
    assert "\\" not in status.comment


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.REVIEW, Outcome.DUPLICATE])
def test_what_is_taken_known_or_quarantined_succeeded(outcome: Outcome) -> None:
    assert (status_for("person-name", outcome).code, status_for("person-name", outcome).comment) == (0, "")


def test_compressed_syntaxes_come_before_explicit_before_implicit() -> None:
    plain = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2"]
    assert list(TRANSFER_SYNTAXES[-4:]) == plain
    assert len(set(TRANSFER_SYNTAXES)) == len(TRANSFER_SYNTAXES)


@pytest.mark.parametrize("name", ["ct/lung_lctsc_ct01.dcm", "ct/syntaxes/ctimage_deflated.dcm", "mr/MR_small_bigendian.dcm"])
def test_a_data_set_agrees_with_its_own_uids_and_with_no_others(name: str) -> None:
    file = read_part10(memoryview((Path("samples/dicom") / name).read_bytes()))
    own = (file.media_sop_class, file.media_sop_instance)
    assert agrees(file.dataset, *own, file.transfer_syntax)
    assert not agrees(file.dataset, own[0], "1.2.3", file.transfer_syntax)
    assert not agrees(file.dataset, "1.2.3", own[1], file.transfer_syntax)


def test_what_a_data_set_lacks_is_for_others_to_judge() -> None:
    assert agrees(memoryview(b""), "1.2.3", "1.2.4", "1.2.840.10008.1.2")
