"""Sealed cursors: they say nothing, and open for the question and the key that they were sealed with."""

from stat import S_IMODE
from threading import Thread

import pytest

from adapters.cursors import Cursors

QUESTION = b'["ImagingStudy","reader",[]]'
PLACES = [b"[]", b"[1]", b'["2020-01-01",7]', b"x" * 64, b"x" * 65, "[é]".encode()]


@pytest.fixture
def cursors(tmp_path):
    return Cursors.load_or_make(tmp_path / "cursors.key")


@pytest.mark.parametrize("place", PLACES)
def test_a_place_comes_back_and_its_length_tells_next_to_nothing(cursors, place):
    sealed = cursors.seal(QUESTION, place)
    assert cursors.opened(QUESTION, sealed) == place
    assert len(sealed) == len(cursors.seal(QUESTION, b"y" * (64 if len(place) <= 64 else 128)))
    assert sealed == cursors.seal(QUESTION, place)


def test_what_was_not_sealed_for_this_question_by_this_key_is_no_cursor(cursors, tmp_path):
    sealed = cursors.seal(QUESTION, b"[41]")
    assert cursors.opened(b"another", sealed) is None
    assert Cursors.load_or_make(tmp_path / "other").opened(QUESTION, sealed) is None
    for place, character in enumerate(sealed.rstrip("=")[:-1]):
        changed = sealed[:place] + ("A" if character != "A" else "B") + sealed[place + 1 :]
        assert cursors.opened(QUESTION, changed) is None, place
    for text in ("", "=", "AAAA", "é", sealed[:-4], sealed + "AAAA", "\0" * 108):
        assert cursors.opened(QUESTION, text) is None


def test_processes_started_at_once_agree_on_one_key_that_only_its_owner_reads(tmp_path):
    path, sealed = tmp_path / "cursors.key", []
    threads = [Thread(target=lambda: sealed.append(Cursors.load_or_make(path).seal(QUESTION, b"[41]"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(sealed)) == 1
    assert S_IMODE(path.stat().st_mode) == 0o600
