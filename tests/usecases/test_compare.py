"""Comparing nodes with custody: what is lost or changed is found, said in its row, and unsaid when it is sound again."""

import threading
from hashlib import sha256
from types import SimpleNamespace

import pytest
from sqlalchemy import delete, update

from adapters.nodes.folder import FolderNode
from adapters.nodes.port import Health
from adapters.sql import tables as t
from mappings.failures import NotFound, Unavailable
from server.usecases import compare, job, mend, withdraw
from server.usecases.compare import at_rest, find_damage
from server.usecases.job import list_jobs
from server.usecases.node import LOOKS, move_node
from server.usecases.parse import parse_file
from server.usecases.read_back import node_of
from server.worker.jobs import KINDS
from tests.builders import ACTOR, made
from tests.deposits import deposit, frame_of, in_care

LARGE = made(Rows=512, Columns=512, NumberOfFrames="6", PixelData=bytes(6 * 512 * 512))
ONE, TWO = "1.2.3.1.1", "1.2.3.1.2"


@pytest.fixture
def held(built):
    """A runtime that holds two objects, of which the first has parts."""
    assert deposit(built, LARGE) == deposit(built, made(TWO)) == ("pass", "declared")
    return built


def path_of(runtime, uid):
    row = in_care(runtime, uid)
    root = "quarantine" if row.quarantined else "central"
    return runtime.settings.data_dir / root / "objects" / row.place[:2] / row.place


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def look(runtime, *, digests=False, looked=lambda _row: None):
    found = compare.compare(runtime, "central", looked, digests=digests)
    return found.unknown, found.lost, found.changed


def damaged(runtime):
    return [uid for uid in (ONE, TWO) if in_care(runtime, uid).damaged is not None]


def test_a_sound_node_agrees_and_every_object_is_told_of(held):
    told = []
    assert look(held, looked=told.append) == look(held, digests=True, looked=told.append) == ([], [], [])
    assert [row.instance.sop_uid for row in told] == [ONE, TWO] * 2
    assert at_rest(held, "central") == (2, len(LARGE) + len(made(TWO)))
    assert (damaged(held), find_damage(held)) == ([], [])


def test_a_flipped_byte_is_found_by_digests_and_by_every_look_from_then_on(held):
    flip(path_of(held, ONE))
    assert look(held) == ([], [], [])
    assert look(held, digests=True) == ([], [], [ONE])
    assert damaged(held) == [ONE]
    assert look(held) == ([], [], [ONE])
    (sentence,) = find_damage(held)
    assert sentence.startswith("Objects of node central that are lost or changed, and given to nobody: 1.")


def test_what_is_lost_or_has_another_size_is_found_without_reading(held, monkeypatch):
    path_of(held, ONE).unlink()
    with path_of(held, TWO).open("ab") as file:
        file.write(b"more")
    monkeypatch.setattr(FolderNode, "open", lambda *_: pytest.fail("nothing is read"))
    assert look(held) == ([], [ONE], [TWO])
    assert damaged(held) == [ONE, TWO]


def test_what_comes_back_is_sound_again(held):
    """A disk that was not there for a while."""
    away = path_of(held, ONE).rename(held.settings.data_dir / "away")
    assert look(held) == ([], [ONE], [])
    away.rename(path_of(held, ONE))
    assert look(held) == ([], [], [])
    assert damaged(held) == []


def test_a_stranger_on_the_node_is_named(held):
    stranger = parse_file("a", made("1.2.3.1.9"), held.placeholders)
    place = node_of(held, in_care(held, ONE)).store(stranger.node_file, stranger.file)
    assert look(held) == ([place], [], [])


def test_what_waits_in_quarantine_is_looked_at_too(held):
    deposit(held, made("1.2.3.1.3", InstitutionName="Hospital"))
    flip(path_of(held, "1.2.3.1.3"))
    assert look(held, digests=True) == ([], [], ["1.2.3.1.3"])


def test_what_leaves_our_care_while_it_is_looked_at_is_not_lost(held, monkeypatch):
    really = FolderNode.size

    def withdrawn(self, place):
        monkeypatch.setattr(FolderNode, "size", really)
        withdraw.withdraw_study(held, ACTOR, "1.2.3")
        raise NotFound("node-lacks", "-")

    monkeypatch.setattr(FolderNode, "size", withdrawn)
    assert look(held)[1:] == ([], [])


def silent(*_):
    raise Unavailable("node-unavailable", "It does not answer.")


def failed(*_):
    raise Unavailable("node-failed", "It failed.")


@pytest.mark.parametrize(("asked", "well"), [(silent, False), (failed, False), (silent, True)])
def test_a_node_that_does_not_answer_has_lost_nothing(held, monkeypatch, asked, well):
    """Nor has one that is well and keeps who asks for an object waiting."""
    monkeypatch.setattr(FolderNode, "size", asked)
    monkeypatch.setattr(FolderNode, "check", lambda _: Health(ok=well, sentence="-", version=""))
    with pytest.raises(Unavailable):
        look(held)
    assert damaged(held) == []


def test_what_a_node_that_answers_can_not_give_is_lost(held, monkeypatch):
    """An Orthanc whose file is gone fails, and finds everything else."""
    pauses = []
    monkeypatch.setattr(compare, "time", SimpleNamespace(sleep=pauses.append))  # its own: other threads sleep too
    monkeypatch.setattr(FolderNode, "size", failed)
    assert look(held) == ([], [ONE, TWO], [])
    assert pauses == [compare.AGAIN_SECONDS], "one for both: a disk may have lost thousands"


def test_what_a_node_did_not_give_once_is_asked_for_again_before_it_is_called_lost(held, monkeypatch):
    """A node that is started again, or a proxy before it, fails for a moment; what it holds would be given to nobody for days."""
    really, asked = FolderNode.size, []

    def fails_once(self, place):
        asked.append(place)
        if len(asked) == 1:
            failed()
        return really(self, place)

    monkeypatch.setattr(compare, "AGAIN_SECONDS", 0)
    monkeypatch.setattr(FolderNode, "size", fails_once)
    assert look(held) == ([], [], [])
    assert len(asked) == 3


def test_one_object_that_is_never_given_keeps_no_other_from_being_looked_at(held, monkeypatch):
    """The look has failed all the same, and is tried again."""
    really, first = FolderNode.size, in_care(held, ONE).place
    monkeypatch.setattr(FolderNode, "size", lambda self, place: silent() if place == first else really(self, place))
    monkeypatch.setattr(FolderNode, "check", lambda _: Health(ok=True, sentence="-", version=""))
    path_of(held, TWO).unlink()
    with pytest.raises(Unavailable):
        look(held)
    assert damaged(held) == [TWO]


def test_a_node_that_is_silent_is_left_after_a_few_objects(held, monkeypatch):
    for n in range(3, 9):
        deposit(held, made(f"1.2.3.1.{n}"))
    asked = []
    monkeypatch.setattr(FolderNode, "size", lambda _, place: (asked.append(place), silent()))
    with pytest.raises(Unavailable):
        look(held)
    assert len(asked) == compare.MOST_SILENT


def test_there_is_no_look_at_a_node_that_is_not_there(held):
    with pytest.raises(NotFound):
        compare.compare(held, "nowhere", lambda _row: None, digests=False)


# --- digests of parts that an earlier release did not keep


def test_a_look_at_digests_keeps_those_of_parts(held):
    with held.store.write() as connection:
        connection.execute(delete(t.part_digests))
    copy = in_care(held, ONE).copy
    assert frame_of(held, copy, 6) is None
    look(held)
    assert frame_of(held, copy, 6) is None
    look(held, digests=True)
    assert frame_of(held, copy, 6) == bytes(512 * 512)


def test_of_what_this_release_can_not_read_the_blocks_are_kept(held):
    odd = path_of(held, ONE)
    odd.write_bytes(bytes(len(LARGE)))
    with held.store.write() as connection:
        connection.execute(delete(t.part_digests))
        same = update(t.custody).where(t.custody.c.sop_uid == ONE)
        connection.execute(same.values(file_digest=sha256(bytes(len(LARGE))).digest()))
    look(held, digests=True)
    with held.store.read() as connection:
        kept = connection.execute(t.part_digests.select()).one()
    assert (len(kept.blocks), kept.frames) == (64, b"")


# --- the jobs


def work_off(runtime, kind):
    assert job.do_next(runtime, kind, KINDS[kind], threading.Event())
    return next(row for row in list_jobs(runtime) if row.kind == kind and row.outcome)


def test_a_node_is_looked_at_from_when_it_is_added_and_again_within_each_period(held, clock):
    flip(path_of(held, ONE))
    said = {kind: work_off(held, kind).outcome for kind in LOOKS}
    assert said == {
        "presence": "2 objects looked at, 0 lost, 0 changed.",
        "digests": "2 objects looked at, 0 lost, 1 changed.",
    }
    waiting = {row.kind: (row.due - clock()).days for row in list_jobs(held) if row.kind in LOOKS and str(row.state) == "waiting"}
    assert waiting == {"presence": 7, "digests": 90}


def test_a_node_that_is_not_linked_is_left_alone(held, monkeypatch):
    monkeypatch.setattr(FolderNode, "size", silent)
    move_node(held, ACTOR, "central", "unlink")
    assert work_off(held, "presence").outcome == "Not looked at: the node is not linked."


def test_a_job_says_how_far_it_is_and_ends_when_it_is_told(held):
    leaving = threading.Event()
    leaving.set()
    assert job.do_next(held, "presence", KINDS["presence"], leaving)
    row = next(row for row in list_jobs(held) if row.kind == "presence")
    assert (str(row.state), row.outcome) == ("waiting", "Its worker was stopped.")


# --- mending from a backup


def test_what_is_found_in_a_folder_is_put_back(held, tmp_path, sound):
    flip(path_of(held, ONE))
    path_of(held, TWO).unlink()
    look(held, digests=True)
    files = [tmp_path / name for name in ("other", "same size", "one", "two")]
    for path, content in zip(files, (b"x", bytes(len(LARGE)), LARGE, made(TWO)), strict=True):
        path.write_bytes(content)
    told = []
    assert mend.mend_from(held, "central", files[:3], told.append) == [TWO]
    assert told == files[:3]
    assert mend.mend_from(held, "central", files, told.append) == []
    assert look(held, digests=True) == ([], [], [])
    sound(held)
