"""`docs/dicom-conformance.md` says what the server does: its tables are the code's own, and every test that it names is there."""

import re
from pathlib import Path

import pytest

from mappings.dicom.capabilities import SERVICES
from tests import dicom_doc

TOP = Path(__file__).parent.parent
TEXT = dicom_doc.DOCUMENT.read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", TEXT)))


def test_the_tables_are_the_codes_own():
    assert dicom_doc.filled(TEXT) == TEXT, "run python -m tests.dicom_doc, and read the diff"


def test_every_transaction_has_its_row():
    assert all(f"| {name} |" in TEXT for name, _ in SERVICES.values())


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_is_there(named):
    file, _, test = named.partition("::")
    assert f"def {test}(" in (TOP / file).read_text() if test else (TOP / file).exists()
