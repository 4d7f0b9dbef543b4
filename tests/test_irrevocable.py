"""Acts that can't be taken back say what they will do, and are done when somebody agrees."""

import pytest

from tests import builders
from tests.commands import on_a_terminal
from tests.deposits import deposit
from tests.running import COMMAND


@pytest.fixture
def waiting(accord, tmp_path):
    """An Accord with an object that waits, and one that is held: the batch's key."""
    runtime = builders.runtime(tmp_path)
    builders.seed(runtime)
    batch = builders.batch(runtime)
    deposit(runtime, builders.made("1.2.4.1.1", study="1.2.4", InstitutionName="Hospital"), batch)
    deposit(runtime, builders.made())
    runtime.close()
    return batch.key


ACTS = {
    "agreement terminate DSA-LUNG": "It covers 1 dataset (LUNG) with 2 studies of 2 objects.",
    "batch release {batch}": "1 for institution: ",
    "batch refuse {batch} 1.2.4.1.1": "  1.2.4.1.1\n",
    "study withdraw 1.2.3": "1 object (",
    "study withdraw --dataset LUNG --patient P1": " of 2 studies, 1.2.3, 1.2.4.",
}
"""Acts that can't be taken back, and what they say of what they will do."""


@pytest.mark.parametrize("line", ACTS)
def test_what_can_not_be_taken_back_says_what_it_will_do_and_is_done_when_it_is_agreed_to(accord, waiting, line):
    act = f"admin {line.format(batch=waiting)}"
    before = accord("ledger verify")
    status, said = accord(f"{act} --dry-run")
    assert (status, ACTS[line] in said, said.endswith("Nothing was done.\n")) == (0, True, True), said
    status, said = accord(act)
    assert (status, "say --yes" in said) == (1, True), "nobody is there to be asked"
    assert accord("ledger verify") == before
    status, said = accord(f"{act} --yes --reason 'as agreed'")
    assert (status, ACTS[line] in said) == (0, True)
    assert accord("ledger verify") != before


def test_who_is_asked_may_say_no(accord, waiting, tmp_path):
    environment = {"ACCORD_DATA_DIR": str(tmp_path / "data")}
    seen = on_a_terminal([*COMMAND, "admin", "study", "withdraw", "1.2.3"], typed="n\n", **environment)
    assert "Do it? [y/N]" in seen
    assert "Nothing was done." in seen
    assert "1 object withdrawn" in on_a_terminal([*COMMAND, "admin", "study", "withdraw", "1.2.3"], typed="y\n", **environment)
