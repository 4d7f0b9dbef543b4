"""`docs/terms.md` says what is done about each clause: the lines and tests it names are there."""

import pytest

from tests import terms_doc
from tests.terms_doc import CLAUSES, TOP, Clause

ENFORCED = [each for each in CLAUSES if each.switch is not None]


def test_the_table_is_the_codes_own():
    text = terms_doc.DOCUMENT.read_text()
    assert terms_doc.filled(text) == text, "run python -m tests.terms_doc, and read the diff"


@pytest.mark.parametrize("clause", ENFORCED, ids=[each.does for each in ENFORCED])
def test_what_enforces_a_clause_stands_once_and_tests_are_named(clause: Clause):
    assert clause.switch
    assert (TOP / clause.switch.file).read_text().count(clause.switch.line) == 1, clause.switch.line
    assert clause.tests


@pytest.mark.parametrize("named", sorted({test for each in CLAUSES for test in each.tests}))
def test_a_test_that_is_named_is_there(named: str):
    file, _, test = named.partition("::")
    assert f"def {test}(" in (TOP / file).read_text() if test else (TOP / file).exists()
