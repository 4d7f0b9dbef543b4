"""Whatever is said to the DICOM network door, it answers or ends the association, and the next one is served.

`python -m benchmarks.fuzz_dicom --door network` makes a hundred thousand connections, these among them.
"""

from collections import Counter

import pytest
from pydicom import config

from tests import fuzzed_dicom
from tests.fuzz_dimse import Calls
from tests.running import eventually

CASES = 150


def test_nothing_that_is_said_breaks_the_door(tmp_path, monkeypatch):
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.settings.reading_validation_mode)
    answered: Counter[str] = Counter()
    with fuzzed_dicom.called(tmp_path) as net:
        wrong = list(fuzzed_dicom.connected(net, 1, range(CASES), answered))
        assert not wrong, "\n".join(wrong)
        assert net.run("echoscu").returncode == 0
        assert eventually(lambda: not net.scp._server.active_associations)
    assert answered["A-ASSOCIATE-AC P-DATA-TF A-RELEASE-RP"] > CASES // 20, "nothing was heard"
    assert answered["A-ABORT"] > CASES // 20, "nothing was refused"


def test_a_case_is_what_its_seed_and_number_say():
    assert Calls(1).case(7) == Calls(1).case(7)
    assert len({Calls(seed).case(number).request for seed in (1, 2) for number in range(20)}) > 15


@pytest.mark.parametrize(
    ("said", "wrong"), [(b"\2\0\0\0\0\0", 0), (b"HTTP/1.1 400", 1), (b"\2\0\0\0\0\x09x", 1), (b"\4\0\0\0\0\x09x", 0)]
)
def test_what_is_no_pdu_is_no_answer(said, wrong):
    """A data set may be cut off where the connection ends."""
    assert len(list(fuzzed_dicom.unanswered(said))) == wrong
