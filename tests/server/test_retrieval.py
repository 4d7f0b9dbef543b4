"""C-GET and C-MOVE at the repository's AE: what HTTP delivers, by the same decision and record, from the stored bytes."""

import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydicom import config, dcmread
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt

from mappings.dicom.part10 import file_meta
from mappings.failures import Unavailable
from server.dimse import destination, retrieve, suboperations
from server.usecases import convert
from server.usecases.agreement import move_agreement
from server.usecases.entity import add_entity
from server.usecases.node import set_node
from server.usecases.permit import revoke_permit
from server.usecases.withdraw import withdraw_study
from tests import builders
from tests.builders import made, sample
from tests.network import LITTLE_ENDIAN, STUDY_GET, STUDY_MOVE, Network, hold, identifier, last_of, network
from tests.servers import find, free_port

if TYPE_CHECKING:
    from pynetdicom.transport import ThreadedAssociationServer

MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT, IMPLICIT = LITTLE_ENDIAN
JPEG = "1.2.840.10008.1.2.4.50"
STUDY = "1.2.1"
OBJECTS = {uid: made(uid, study=STUDY, series=series) for uid, series in (("1.2.1.1.1", "1.2.1.1"), ("1.2.1.1.2", "1.2.1.1"),
                                                                      ("1.2.1.2.1", "1.2.1.2"))}  # fmt: skip
LARGE = "mr/emri_small.dcm"


def data_set(file: memoryview) -> bytes:
    """What follows the file meta."""
    read = dcmread(BytesIO(file), stop_before_pixels=True)
    return bytes(file[132 + 12 + read.file_meta.FileMetaInformationGroupLength :])


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.settings.reading_validation_mode)
    with network(tmp_path) as opened:
        hold(opened.runtime, *OBJECTS.values(), sample(LARGE))
        hold(opened.runtime, made("1.9.1.1.1", study="1.9.1"), alias="BREAST", provider="hospital-b")
        yield opened


@pytest.fixture
def taker(net: Network) -> Iterator["Taker"]:
    opened = Taker(net)
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


class Taker:
    """An SCP of the university's, registered as the AE TAKER."""

    def __init__(self, net: Network, host: str = "127.0.0.1") -> None:
        self.came: dict[str, bytes] = {}
        self.asked: list[list[tuple[str, list[str]]]] = []
        self.originators: set[object] = set()
        self.status, self.seconds, self.leaves_at = 0x0000, 0.0, ""
        self.meanwhile: Callable[[], object] = lambda: None
        entity = AE("TAKER")
        entity.supported_contexts = AllStoragePresentationContexts
        handlers = [(evt.EVT_C_STORE, self._take), (evt.EVT_REQUESTED, self._requested)]
        self.server: ThreadedAssociationServer = entity.start_server((host, 0), block=False, evt_handlers=handlers)  # type: ignore[assignment, arg-type]
        scp = f"{host}:{self.server.server_address[1]}"
        add_entity(net.runtime, builders.ACTOR, "TAKER", client="compute", networks=["127.0.0.0/8"], scp=scp)

    def _take(self, event: evt.Event) -> int:
        time.sleep(self.seconds)
        self.meanwhile()
        request = event.request
        if request.AffectedSOPInstanceUID == self.leaves_at:
            event.assoc.abort()
        self.came[request.AffectedSOPInstanceUID] = event.encoded_dataset(include_meta=False)
        self.originators.add((request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID))
        return self.status

    def _requested(self, event: evt.Event) -> None:
        contexts = event.assoc.requestor.requested_contexts
        self.asked.append([(str(cx.abstract_syntax), [str(syntax) for syntax in cx.transfer_syntax]) for cx in contexts])


# --- C-GET


def test_getscu_takes_a_study_as_it_is_stored(net: Network, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}"]
    said = net.run("getscu", "-v", "-S", "+B", "-od", str(tmp_path / "taken"), *keys)
    assert said.returncode == 0, said.stderr
    taken = [memoryview(path.read_bytes()) for path in (tmp_path / "taken").iterdir()]
    assert sorted(map(data_set, taken)) == sorted(map(data_set, OBJECTS.values()))
    assert net.accesses() == [("researcher", "export", STUDY, 3)]


def test_getscu_as_it_comes_takes_all_of_a_study_of_several_syntaxes_and_says_nothing(net: Network, tmp_path: Path) -> None:
    """dcmtk's accepts one uncompressed syntax for each class."""
    names = ("mr/emri_small.dcm", "mr/emri_small_rle.dcm", "ct/liver/01.dcm", "ct/syntaxes/ctimage_deflated.dcm")
    hold(net.runtime, *(renamed(name, n) for n, name in enumerate(names, 1)))
    (tmp_path / "taken").mkdir()
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.78"]
    said = net.run("getscu", "-S", "-od", str(tmp_path / "taken"), *keys)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    assert len(list((tmp_path / "taken").iterdir())) == len(names)


@pytest.mark.parametrize(
    ("level", "keys", "came"),
    [
        ("STUDY", {"StudyInstanceUID": STUDY}, list(OBJECTS)),
        ("SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "1.2.1.1"}, ["1.2.1.1.1", "1.2.1.1.2"]),
        ("SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": ["1.2.1.1", "1.2.1.2"]}, list(OBJECTS)),
        ("IMAGE", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "1.2.1.1", "SOPInstanceUID": "1.2.1.1.2"}, ["1.2.1.1.2"]),
        ("IMAGE", {"StudyInstanceUID": STUDY, "SOPInstanceUID": ["1.2.1.1.2", "1.2.1.2.1"]}, ["1.2.1.1.2", "1.2.1.2.1"]),
        ("STUDY", {"StudyInstanceUID": ["1.2.7", STUDY]}, list(OBJECTS)),
        ("STUDY", {"StudyInstanceUID": "1.2.7"}, []),
    ],
)
def test_each_level_brings_what_it_names_and_counts_it(net: Network, level, keys, came) -> None:
    asked = net.retrieve()
    assert asked.get(level, **keys) == [(0x0000, None, len(came), 0, 0)]
    assert asked.came == {uid: data_set(OBJECTS[uid]) for uid in came}


def test_a_large_object_comes_in_pieces_as_it_is(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suboperations, "IN_MEMORY", 0)
    read = dcmread(BytesIO(sample(LARGE)), stop_before_pixels=True)
    asked = net.retrieve(syntaxes=[read.file_meta.TransferSyntaxUID])
    assert asked.get("STUDY", StudyInstanceUID=read.StudyInstanceUID) == [(0x0000, None, 1, 0, 0)]
    assert list(asked.came.values()) == [data_set(sample(LARGE))]


@pytest.mark.parametrize(
    "offer", [{"roles": False}, {"syntaxes": [JPEG]}, {"classes": ["1.2.840.10008.5.1.4.1.1.2"]}]
)  # fmt: skip
def test_what_was_accepted_in_no_syntax_that_it_can_be_sent_in_has_failed_and_is_named(net: Network, offer) -> None:
    asked = net.retrieve(**offer)
    assert asked.get("STUDY", StudyInstanceUID=STUDY) == [(0xA702, None, 0, 3, 0)]
    assert asked.came == {}


@pytest.mark.parametrize("name", ["mr/emri_small.dcm", "mr/emri_small_rle.dcm", "ct/liver/01.dcm"])
@pytest.mark.parametrize("syntax", LITTLE_ENDIAN)
def test_an_object_comes_in_the_syntax_that_was_accepted(net: Network, name, syntax) -> None:
    file = renamed(name)
    hold(net.runtime, file)
    stored = dcmread(BytesIO(file))
    asked = net.retrieve(syntaxes=[syntax], classes=[stored.SOPClassUID])
    assert asked.get("STUDY", StudyInstanceUID="1.2.78")[-1] == (0x0000, None, 1, 0, 0)
    sent = dcmread(BytesIO(file_meta(stored.SOPClassUID, "1.2.78.1.1", syntax) + asked.came["1.2.78.1.1"]))
    assert {e.tag: str(e.value) for e in sent if e.keyword != "PixelData"} == {
        e.tag: str(e.value) for e in stored if e.keyword != "PixelData"
    }
    assert (sent.pixel_array == stored.pixel_array).all()


def renamed(name: str, number: int = 1) -> memoryview:
    """A sample as an object of another study."""
    dataset = dcmread(BytesIO(sample(name)))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.PatientIdentityRemoved = "1.2.78", "1.2.78.1", "YES"
    dataset.PatientName = dataset.PatientID = "P1"
    dataset.PatientBirthDate = ""
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.78.1.{number}"
    out = BytesIO()
    dataset.save_as(out)
    return memoryview(out.getvalue())


def test_one_that_can_not_be_converted_has_failed_and_the_rest_comes(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(net.runtime, renamed("mr/emri_small_rle.dcm"), made("1.2.78.2.1", study="1.2.78", series="1.2.78.2"))
    monkeypatch.setattr(convert, "MOST_FRAMES", 1)
    asked = net.retrieve()
    assert asked.get("STUDY", StudyInstanceUID="1.2.78")[-1] == (0xB000, None, 1, 1, 0)
    assert list(asked.came) == ["1.2.78.2.1"]


def test_a_destination_that_takes_implicit_alone_gets_it_so(net: Network, taker: Taker) -> None:
    taker.server.contexts = [build_context(MR, IMPLICIT)]
    asked = net.retrieve(calling="COMPUTE")
    assert asked.move("TAKER", "STUDY", StudyInstanceUID=STUDY)[-1] == (0x0000, None, 3, 0, 0)
    assert all(came[4:8] != b"UI\x1a\0" for came in taker.came.values()), "without VRs"


def test_some_that_fail_are_named_and_the_rest_comes(net: Network) -> None:
    hold(net.runtime, made("1.2.1.3.1", study=STUDY, series="1.2.1.3", SOPClassUID="1.2.840.10008.5.1.4.1.1.7"))
    asked = net.retrieve(classes=[MR])
    ((status, failed),) = asked.association.send_c_get(identifier("STUDY", StudyInstanceUID=STUDY), STUDY_GET)
    assert (status.Status, status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations) == (0xB000, 3, 1)
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == "1.2.1.3.1"


def test_who_may_know_of_a_study_but_not_have_it_is_told_the_rule_and_gets_no_byte(net: Network) -> None:
    asked = net.retrieve(calling="COMPUTE")
    assert [status for status, *_ in asked.get("STUDY", StudyInstanceUID=[STUDY, "1.9.1"])] == [0x0124]
    assert asked.came == {}
    assert net.accesses() == []


def test_a_client_inside_processes_and_one_elsewhere_exports(net: Network) -> None:
    for title in ("COMPUTE", "RESEARCH"):
        net.retrieve(calling=title).get("STUDY", StudyInstanceUID=STUDY)
    assert [row[:2] for row in net.accesses()] == [("compute", "process"), ("researcher", "export")]


@pytest.mark.parametrize(
    ("level", "keys"),
    [("STUDY", {"PatientID": "P1"}), ("SERIES", {"SeriesInstanceUID": "1.2.1.1"}), ("SERIES", {"StudyInstanceUID": STUDY}),
     ("IMAGE", {"StudyInstanceUID": ["1.2.1", "1.2.2"], "SOPInstanceUID": "1.2.1.1.1"})],
)  # fmt: skip
def test_a_retrieval_without_its_unique_keys_is_refused(net: Network, level, keys) -> None:
    assert [status for status, *_ in net.retrieve().get(level, **keys)] == [0xA900]


def test_a_copy_that_breaks_off_has_failed_and_the_next_one_comes(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, "1.2.1.1.1")
    asked = net.retrieve()
    assert asked.get("STUDY", StudyInstanceUID=STUDY) == [(0xB000, None, 2, 1, 0)]
    assert list(asked.came) == ["1.2.1.1.2", "1.2.1.2.1"]


def test_a_large_copy_that_breaks_off_ends_the_association(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suboperations, "IN_MEMORY", 0)
    _break(monkeypatch, "1.2.1.1.2")
    asked = net.retrieve()
    assert [status for status, *_ in asked.get("STUDY", StudyInstanceUID=STUDY)] == [None]
    assert list(asked.came) == ["1.2.1.1.1"]


def test_a_stop_in_the_middle_keeps_the_rest_back(net: Network, taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    taker.meanwhile = partial(move_agreement, net.runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    asked = net.retrieve(calling="COMPUTE")
    assert asked.move("TAKER", "STUDY", StudyInstanceUID=STUDY)[-1] == (0xB000, None, 1, 2, 0)
    assert list(taker.came) == ["1.2.1.1.1"]


# --- C-MOVE


GONE = "It was stopped or withdrawn by the {}, on {:%Y-%m-%d}."


def _withdrawn(net: Network) -> str:
    withdraw_study(net.runtime, builders.ACTOR, STUDY)
    return GONE.format("provider", net.runtime.clock())


def _suspended(net: Network) -> str:
    move_agreement(net.runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    return GONE.format("repository", net.runtime.clock())


@pytest.mark.parametrize("stop", [_withdrawn, _suspended])
def test_that_a_study_was_stopped_is_told_to_who_could_have_it_and_to_nobody_else(net: Network, taker: Taker, stop) -> None:
    said, ours, theirs = stop(net), net.retrieve(calling="COMPUTE"), net.retrieve(calling="PACS-B")
    assert last_of(ours.association.send_c_get(identifier("STUDY", StudyInstanceUID=STUDY), STUDY_GET)) == (0xC112, said)
    moved = ours.association.send_c_move(identifier("STUDY", StudyInstanceUID=STUDY), "TAKER", STUDY_MOVE)
    assert last_of(moved) == (0xC112, said)
    stopped, unknown = ([last_of(theirs.association.send_c_get(identifier("STUDY", StudyInstanceUID=uid), STUDY_GET)),
                         theirs.get("STUDY", StudyInstanceUID=uid)] for uid in (STUDY, "1.2.999"))  # fmt: skip
    assert stopped == unknown == [(0x0000, ""), [(0x0000, None, 0, 0, 0)]]
    assert (ours.came, theirs.came, taker.came) == ({}, {}, {})


def test_who_used_a_study_is_told_that_it_was_withdrawn_although_it_may_have_it_no_more(net: Network) -> None:
    asked = net.retrieve(calling="RESEARCH")
    assert asked.get("STUDY", StudyInstanceUID=STUDY)[-1][0] == 0x0000
    revoke_permit(net.runtime, builders.ACTOR, "LUNG", "university")
    said = _withdrawn(net)
    assert last_of(asked.association.send_c_get(identifier("STUDY", StudyInstanceUID=STUDY), STUDY_GET)) == (0xC112, said)


def test_what_is_there_comes_beside_what_was_withdrawn_and_its_asker_is_told(net: Network) -> None:
    hold(net.runtime, made("1.2.7.1.1", study="1.2.7"))
    said, asked = _withdrawn(net), net.retrieve()
    answers = asked.association.send_c_get(identifier("STUDY", StudyInstanceUID=[STUDY, "1.2.7"]), STUDY_GET)
    assert last_of(answers) == (0xB000, said)
    assert list(asked.came) == ["1.2.7.1.1"]


def test_movescu_has_a_study_sent_to_a_storescp(net: Network, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    port = free_port()
    add_entity(net.runtime, builders.ACTOR, "TAKER", client="compute", networks=["127.0.0.0/8"], scp=f"127.0.0.1:{port}")
    listening = [str(find("storescp")), "+B", "-od", str(tmp_path / "taken"), "-aet", "TAKER", str(port)]
    with subprocess.Popen(listening, stdout=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}"]
        said = net.run("movescu", "-v", "-S", "-aem", "TAKER", *keys, calling="COMPUTE")
        process.terminate()
    assert said.returncode == 0, said.stderr
    taken = [memoryview(path.read_bytes()) for path in (tmp_path / "taken").iterdir()]
    assert sorted(map(data_set, taken)) == sorted(map(data_set, OBJECTS.values()))
    assert net.accesses() == [("compute", "process", STUDY, 3)]


def test_a_destination_is_asked_for_what_is_stored_by_itself_and_told_who_moves(net: Network, taker: Taker) -> None:
    asked = net.retrieve(calling="COMPUTE")
    read = dcmread(BytesIO(sample(LARGE)), stop_before_pixels=True)
    answers = asked.move("TAKER", "STUDY", StudyInstanceUID=[STUDY, read.StudyInstanceUID])
    offered = [(of, [syntax]) for of in (MR, str(read.SOPClassUID)) for syntax in (EXPLICIT, IMPLICIT)]
    assert (taker.asked, str(read.file_meta.TransferSyntaxUID)) == ([offered], EXPLICIT)
    assert answers[-1][2:] == (4, 0, 0)
    assert taker.came[read.SOPInstanceUID] == data_set(sample(LARGE))
    assert taker.originators == {("COMPUTE", 1)}


def test_more_pairs_than_an_association_has_contexts_are_several(net: Network, taker: Taker, monkeypatch) -> None:
    monkeypatch.setattr(destination, "MOST_CONTEXTS", 2)
    read = dcmread(BytesIO(sample(LARGE)), stop_before_pixels=True)
    asked = net.retrieve(calling="COMPUTE")
    assert asked.move("TAKER", "STUDY", StudyInstanceUID=[STUDY, read.StudyInstanceUID])[-1] == (0x0000, None, 4, 0, 0)
    assert len(taker.asked) == 2


def test_nothing_goes_to_who_is_not_registered_or_is_anothers_or_does_not_listen(net: Network) -> None:
    add_entity(net.runtime, builders.ACTOR, "HOSPITAL", client="pacs-a", networks=["127.0.0.0/8"], scp="127.0.0.1:104")
    asked = net.retrieve(calling="COMPUTE")
    for title in ("NOBODY", "HOSPITAL", "RESEARCH"):
        assert [status for status, *_ in asked.move(title, "STUDY", StudyInstanceUID=STUDY)] == [0xA801]
    assert net.accesses() == []


def test_who_is_inside_but_sends_elsewhere_exports(net: Network) -> None:
    set_node(net.runtime, builders.ACTOR, "central", networks=["127.0.0.1/32"])
    outside = Taker(net, "127.0.0.2")
    asked = net.retrieve(calling="COMPUTE")
    assert asked.move("TAKER", "STUDY", StudyInstanceUID=STUDY)[-1] == (0x0000, None, 3, 0, 0)
    assert net.accesses() == [("compute", "export", STUDY, 3)]
    outside.server.shutdown()
    outside.server.server_close()


def test_a_destination_that_is_silent_is_no_use(net: Network) -> None:
    add_entity(net.runtime, builders.ACTOR, "TAKER", client="compute", networks=["127.0.0.0/8"], scp=f"127.0.0.1:{free_port()}")
    asked = net.retrieve(calling="COMPUTE")
    assert [status for status, *_ in asked.move("TAKER", "STUDY", StudyInstanceUID=STUDY)] == [0xA702]
    assert net.accesses() == []


@pytest.mark.parametrize(("status", "counted"), [(0xB007, (0xB000, None, 0, 0, 3)), (0xA700, (0xA702, None, 0, 3, 0))])
def test_what_a_destination_says_is_counted(net: Network, taker: Taker, status: int, counted) -> None:
    taker.status = status
    assert net.retrieve(calling="COMPUTE").move("TAKER", "STUDY", StudyInstanceUID=STUDY)[-1] == counted


def test_what_is_left_when_a_destination_goes_away_has_failed(net: Network, taker: Taker) -> None:
    taker.leaves_at = "1.2.1.1.2"
    asked = net.retrieve(calling="COMPUTE")
    assert asked.move("TAKER", "STUDY", StudyInstanceUID=STUDY)[-1] == (0xB000, None, 1, 2, 0)
    taker.leaves_at = ""
    assert asked.move("TAKER", "STUDY", StudyInstanceUID=STUDY)[-1] == (0x0000, None, 3, 0, 0)


def test_who_goes_away_in_the_middle_of_its_retrieval_gives_its_place_back(net: Network, taker: Taker) -> None:
    taker.seconds = 0.3
    asked = net.retrieve(calling="COMPUTE")
    asked.association.dimse_timeout = 1  # pynetdicom waits for an answer though it has aborted
    answers = asked.association.send_c_move(identifier("STUDY", StudyInstanceUID=STUDY), "TAKER", STUDY_MOVE)
    time.sleep(0.1)
    asked.association.abort()
    assert all("Status" not in status for status, _ in answers)
    until = time.monotonic() + 10
    while net.scp._server.active_associations and time.monotonic() < until:
        time.sleep(0.05)
    assert net.scp._server.active_associations == []


def test_a_move_says_how_far_it_is_and_is_cancelled(net: Network, taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieve, "is_second", lambda _since: True)
    taker.seconds = 0.4
    asked = net.retrieve(calling="COMPUTE")
    answers = asked.association.send_c_move(identifier("STUDY", StudyInstanceUID=STUDY), "TAKER", STUDY_MOVE, msg_id=9)
    counted = []
    for status, _ in answers:
        counted.append((status.Status, status.get("NumberOfRemainingSuboperations"), status.NumberOfCompletedSuboperations))
        if len(counted) == 1:
            asked.association.send_c_cancel(9, query_model=STUDY_MOVE)
    assert counted[0] == (0xFF00, 2, 1)
    assert counted[-1][0] == 0xFE00
    assert counted[-1][1] > 0


def _break(monkeypatch: pytest.MonkeyPatch, uid: str) -> None:
    """Let the bytes of one object end in a failure of its node."""
    whole = retrieve.files

    def broken(chunks):
        yield next(iter(chunks))[:150]
        raise Unavailable("node-silent", "It broke off.")

    def some(*given):
        for located, chunks in whole(*given):
            yield located, broken(chunks) if located.sop_uid == uid else chunks

    monkeypatch.setattr(retrieve, "files", some)
