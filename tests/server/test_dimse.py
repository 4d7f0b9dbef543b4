"""The DICOM network door, through real associations: dcmtk's clients and pynetdicom as SCU, on a private runtime."""

import contextlib
import dataclasses
import errno
import json
import logging
import shlex
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from pynetdicom import AE, AllStoragePresentationContexts, _config, build_context
from pynetdicom.association import Association
from pynetdicom.dsutils import encode

from adapters import spool
from adapters.sql import associations as associations_of
from adapters.sql import batches
from mappings.dicom.dimse import TRANSFER_SYNTAXES
from mappings.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from mappings.failures import Busy, Full, Unavailable
from server.dimse import associations, scp, store
from server.usecases.agreement import move_agreement
from server.usecases.association import MOST_WAITING, Noticed, list_associations
from server.usecases.identify import AeTitle
from server.usecases.node import move_node
from server.usecases.peering import Peering
from server.usecases.runtime import Caller, Runtime
from server.usecases.sender import add_sender, remove_sender
from tests import builders, memory
from tests.servers import find

SAMPLES = builders.DICOM
DECLARED = SAMPLES / "ct/lung_lctsc_ct01.dcm"
WAITING = SAMPLES / "media/77654033/CT2/17106"
NAMED = SAMPLES / "identified/mr_p01_s01.dcm"
CT, ECHO, EXPLICIT, IMPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
JPEG_LOSSLESS, BASELINE = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.50"


Answer = subprocess.CompletedProcess[str]


@dataclasses.dataclass
class Door:
    """A running door and its runtime."""

    runtime: Runtime
    scp: scp.Scp
    wires: list[socket.socket] = dataclasses.field(default_factory=list)

    def batches(self) -> list[batches.BatchRow]:
        with self.runtime.store.read() as connection:
            return batches.recent(connection, None)

    def receipts(self) -> list[tuple[str, str]]:
        with self.runtime.store.read() as connection:
            return [(r.outcome, r.rule) for b in self.batches() for r in batches.receipts(connection, b.id)]

    def run(self, program: str, *arguments: str, called: str = "LUNG", calling: str = "STORESCU") -> Answer:
        peer = ["-aec", called, "-aet", calling, "127.0.0.1", str(self.scp.port)]
        command = [find(program), *arguments[:1], *peer, *arguments[1:]]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def associate(
        self, *contexts: tuple[str, list[str]], calling: str = "STORESCU", called: str = "LUNG", address: str = "127.0.0.1"
    ) -> Association:
        entity = AE(calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
        wanted = [build_context(*c) for c in contexts or [(CT, [EXPLICIT])]]
        peer, bound = ("127.0.0.1", self.scp.port), (address, 0)
        association = entity.associate(*peer, contexts=wanted, ae_title=called, bind_address=bound)
        if association.dul.socket.socket is not None:
            self.wires.append(association.dul.socket.socket)
        return association

    def closed(self, count: int = 1) -> bool:
        """Whether, soon, there are this many batches and all are closed."""
        return eventually(lambda: len(self.batches()) == count and all(b.closed for b in self.batches()))


def eventually(true: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


@pytest.fixture(params=["socket", "stock"])
def open_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Callable[..., Door]]:
    # the door's process is its own; here its settings end with it
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.settings.reading_validation_mode)
    opened: list[Door] = []

    def door(*, attested: bool = False, **settings: object) -> Door:
        runtime = builders.runtime(tmp_path, **{"dimse_reactors": request.param} | settings)
        builders.seed(runtime, attested=attested)
        add_sender(runtime, builders.ACTOR, "LUNG", "FAR", "192.0.2.0/24")
        opened.append(Door(runtime, scp.serve(runtime, bind="127.0.0.1", port=0)))
        return opened[-1]

    yield door
    for each in opened:
        each.scp.stop(0.2)
        for wire in each.wires:
            wire.close()  # pynetdicom as SCU leaves some to the garbage collector
        each.runtime.close()


@pytest.fixture
def door(open_door: Callable[..., Door]) -> Door:
    return open_door()


def sample(path: Path = DECLARED) -> FileDataset:
    dataset = dcmread(path)
    dataset.PatientID, dataset.PatientName = "P1", "P1"
    return dataset


# --- who is let in


def test_an_association_says_who_accepted_it(door: Door) -> None:
    """PS3.7 section D.3.3.2: as the meta information of the files that are made here says."""
    association = door.associate((ECHO, [IMPLICIT]))
    said = (str(association.acceptor.implementation_class_uid), association.acceptor.implementation_version_name)
    assert said == (IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME)
    association.release()


def test_a_registered_sender_is_echoed_and_leaves_no_batch(door: Door) -> None:
    assert door.run("echoscu").returncode == 0
    assert door.batches() == []


@pytest.mark.parametrize(
    ("called", "calling", "says"),
    [
        ("NOBODY", "STORESCU", "Called AE Title Not Recognized"),
        ("LUNG", "STRANGER", "Calling AE Title Not Recognized"),
        ("LUNG", "FAR", "Calling AE Title Not Recognized"),
        ("NOBODY", "STRANGER", "Called AE Title Not Recognized"),
    ],
)
def test_who_is_not_registered_is_rejected_with_the_reason(door: Door, called: str, calling: str, says: str) -> None:
    answer = door.run("echoscu", "-v", called=called, calling=calling)
    assert answer.returncode
    assert says in answer.stdout + answer.stderr
    assert "Rejected Permanent" in answer.stdout + answer.stderr


def test_a_rejection_is_transient_while_nobody_can_look(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("database", "-")

    monkeypatch.setattr(store, "identify", fail)
    assert "Rejected Transient" in (answer := door.run("echoscu", "-v")).stdout + answer.stderr


def test_one_association_more_than_the_limit_is_rejected_for_now(open_door: Callable[..., Door]) -> None:
    door = open_door(associations=1)
    first = door.associate((ECHO, [IMPLICIT]))
    assert "Local Limit Exceeded" in (answer := door.run("echoscu", "-v")).stdout + answer.stderr
    first.release()
    assert eventually(lambda: door.run("echoscu").returncode == 0)


# --- what becomes of an object


def test_a_quarantined_object_is_a_success_and_its_batch_closes_with_the_association(door: Door) -> None:
    assert door.run("storescu", "-xs", str(WAITING)).returncode == 0
    assert door.closed()
    assert door.receipts() == [("review", "person-name")]


def test_a_refused_object_says_why_and_the_next_one_has_its_chance(door: Door) -> None:
    answer = door.run("dcmsend", "-d", "-nh", str(NAMED), str(DECLARED))
    assert "0xc102" in (answer.stdout + answer.stderr).lower()
    assert "A full birth date is present; empty it or keep the year" in answer.stdout + answer.stderr
    assert door.closed()
    assert sorted(door.receipts()) == [("pass", "declared"), ("reject", "birth-date")]


def test_an_illegal_uid_is_refused_by_its_rule_and_not_repeated_in_the_log(
    door: Door, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = door.run("dcmsend", "-d", "-nh", "-nuc", str(SAMPLES / "malformed/bad_sequence.dcm"))
    assert "0xc002" in (answer.stdout + answer.stderr).lower()
    assert door.closed()
    assert door.receipts() == [("reject", "uid-illegal")]
    assert str(dcmread(SAMPLES / "malformed/bad_sequence.dcm").SOPInstanceUID) not in caplog.text
    assert not recwarn.list


def test_the_same_object_again_is_a_success(door: Door) -> None:
    for _ in range(2):
        assert door.run("storescu", "-xs", str(WAITING)).returncode == 0
    assert door.closed(2)
    assert sorted(door.receipts()) == [("review", "person-name"), ("review", "waiting")]


STOPS = {
    "suspend": lambda runtime: move_agreement(runtime, builders.ACTOR, "DSA-LUNG", "suspend"),
    "unlink": lambda runtime: move_node(runtime, builders.ACTOR, "central", "unlink"),
}


@pytest.mark.parametrize(
    ("stop", "comment"),
    [
        ("suspend", "The agreement of this dataset is not active"),
        ("unlink", "The node of this dataset is not linked"),
    ],
)
def test_a_stop_answers_each_store_with_not_authorised(door: Door, stop: str, comment: str) -> None:
    STOPS[stop](door.runtime)
    association = door.associate()
    answers = [association.send_c_store(sample()) for _ in range(2)]
    association.release()
    assert [(a.Status, a.ErrorComment) for a in answers] == [(0x0124, comment)] * 2


def test_a_stop_in_the_middle_of_an_association_binds_the_next_store(door: Door) -> None:
    association = door.associate()
    before = association.send_c_store(sample()).Status
    STOPS["suspend"](door.runtime)
    after = sample()
    after.SOPInstanceUID = after.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    assert (before, association.send_c_store(after).Status) == (0x0000, 0x0124)
    association.release()


def test_the_bytes_kept_are_the_bytes_sent(open_door: Callable[..., Door]) -> None:
    door = open_door(attested=True)
    assert door.run("storescu", "-xs", str(SAMPLES / "ct/syntaxes/ctimage_jpeg_lossless_sv1.dcm")).returncode == 0
    assert door.closed()
    kept = [p for p in (door.runtime.settings.data_dir).rglob("objects/*/*") if p.is_file()]
    sent = dcmread(SAMPLES / "ct/syntaxes/ctimage_jpeg_lossless_sv1.dcm")
    found = dcmread(kept[0])
    assert len(kept) == 1
    assert found.file_meta.TransferSyntaxUID == JPEG_LOSSLESS
    assert found.file_meta.get("SendingApplicationEntityTitle") is None
    assert (found.SOPInstanceUID, found.PixelData) == (sent.SOPInstanceUID, sent.PixelData)


@pytest.mark.parametrize("element", ["SOPInstanceUID", "SOPClassUID"])
def test_a_command_that_names_another_object_than_its_data_set_is_refused(
    door: Door, element: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    association = door.associate()
    path = tmp_path / "other.dcm"
    dataset = sample()
    setattr(dataset, element, UID("1.2.840.10008.5.1.4.1.1.4"))
    dataset.save_as(path, enforce_file_format=False)
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)  # the command is made of the file meta then
    answer = association.send_c_store(path)
    association.release()
    assert (answer.Status, door.receipts()) == (0xA900, [("reject", "command-disagrees")])


def test_a_command_that_names_no_known_class_gets_an_answer_too(door: Door) -> None:
    # its UIDs are written as UN, which dcmtk turns into the class "31"
    answer = door.run("dcmsend", "-d", "-dn", "-nh", "-nuc", str(SAMPLES / "rt/rtdose_rle.dcm"))
    assert "0xa900" in (answer.stdout + answer.stderr).lower()
    assert door.closed()


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Full("disk-nearly-full", "-"), 0xA700),
        (Busy("object-busy", "-"), 0xA701),
        (Unavailable("node-unavailable", "-"), 0xA700),
        (RuntimeError("Doe^Jane"), 0x0110),
    ],
)
def test_what_cannot_be_kept_now_is_a_status_without_detail(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception, status: int
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(store, "take", fail)
    caplog.set_level(logging.DEBUG)
    association = door.associate()
    answer = association.send_c_store(sample())
    association.release()
    assert answer.Status == status
    assert len(answer.ErrorComment) <= 64
    assert "Doe" not in answer.ErrorComment + caplog.text


def test_a_full_disk_is_said_before_a_batch_opens(open_door: Callable[..., Door]) -> None:
    door = open_door(min_free_mb=1 << 40)
    association = door.associate()
    assert association.send_c_store(sample()).Status == 0xA700
    association.release()
    assert door.batches() == []


# --- how an association ends


def test_a_batch_closes_once_when_the_sender_aborts(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    closings = []
    really = store.close_batch
    monkeypatch.setattr(store, "close_batch", lambda runtime, batch: closings.append(batch) or really(runtime, batch))
    association = door.associate()
    association.send_c_store(sample())
    association.abort()
    assert door.closed()
    assert len(closings) == 1


def test_a_batch_closes_when_the_connection_is_lost(door: Door) -> None:
    association = door.associate()
    association.send_c_store(sample())
    association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    assert door.closed()


def test_stopping_lets_an_association_finish_and_takes_no_new_one(door: Door) -> None:
    association = door.associate()
    association.send_c_store(sample())
    stopping = threading.Thread(target=door.scp.stop, args=(20,))
    stopping.start()
    assert eventually(lambda: door.run("echoscu").returncode != 0)
    association.release()
    stopping.join(10)
    assert not stopping.is_alive()
    assert door.closed()


def test_stopping_aborts_who_does_not_end(door: Door) -> None:
    association = door.associate()
    association.send_c_store(sample())
    door.scp.stop(0.1)
    assert all(b.closed for b in door.batches())
    assert eventually(lambda: association.is_aborted)


# --- what is negotiated


def accepted(door: Door, *contexts: tuple[str, list[str]]) -> list[str]:
    association = door.associate(*contexts)
    found = [c.transfer_syntax[0] for c in association.accepted_contexts]
    association.release()
    return found


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ([IMPLICIT, EXPLICIT, JPEG_LOSSLESS], JPEG_LOSSLESS),
        ([IMPLICIT, EXPLICIT], EXPLICIT),
        ([BASELINE, JPEG_LOSSLESS], JPEG_LOSSLESS),
        (["1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"], "1.2.840.10008.1.2.2"),
        (["1.2.840.10008.1.2.4.94", IMPLICIT], IMPLICIT),
    ],
)
def test_compressed_wins_over_explicit_and_explicit_over_implicit(door: Door, offered: list[str], taken: str) -> None:
    assert accepted(door, (CT, offered)) == [taken]


def test_every_storage_class_is_taken_in_every_syntax(door: Door) -> None:
    classes = [str(c.abstract_syntax) for c in AllStoragePresentationContexts]
    for syntax in TRANSFER_SYNTAXES[::12]:
        for some in (classes[:128], classes[128:]):
            assert accepted(door, *((c, [syntax]) for c in some)) == [syntax] * len(some)


def test_an_unknown_class_is_not_storage(door: Door) -> None:
    association = door.associate(("1.2.3.4.5", [EXPLICIT]), (ECHO, [IMPLICIT]))
    assert [c.abstract_syntax for c in association.accepted_contexts] == [ECHO]
    association.release()


def test_associations_share_their_contexts(door: Door) -> None:
    first, second = door.associate(), door.associate()
    ours = door.scp._server.active_associations
    assert len(ours) == 2
    shared = [a.acceptor.supported_contexts for a in ours]
    assert all(x is y for x, y in zip(*shared, strict=True))
    assert all(a.dul.socket.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for a in ours)
    for association in (first, second):
        assert association.acceptor.maximum_length == associations.MAXIMUM_PDU
        association.release()


# --- what a peer can make big


def aborted_or_closed(connection: socket.socket) -> bool:
    """Whether the next thing a peer hears is an A-ABORT or the end."""
    connection.settimeout(10)
    try:
        return connection.recv(1) in {b"", b"\x07"}
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "hello",
    [
        struct.pack(">BBL", 1, 0, 0xFFFFFFFF),  # a PDU of 4 GB
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">BBL", 1, 0, 4) + b"\0\0\0\0",
    ],
)
def test_a_stranger_who_speaks_no_dicom_is_cut_off(door: Door, hello: bytes) -> None:
    with socket.create_connection(("127.0.0.1", door.scp.port)) as stranger:
        stranger.sendall(hello)
        assert aborted_or_closed(stranger)
    assert door.run("echoscu").returncode == 0


@pytest.mark.parametrize(
    ("said", "drip"),
    [(b"", b""), (b"\1", b""), (struct.pack(">BBL", 1, 0, 200) + b"\0\1", b""), (struct.pack(">BBL", 1, 0, 9999), b"a")],
)
def test_who_does_not_ask_for_an_association_has_no_thread_and_is_closed(
    open_door: Callable[..., Door], said: bytes, drip: bytes
) -> None:
    door = open_door(arrival_seconds=1)
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(knocking(door, said, f"127.0.1.{1 + n % 2}")) for n in range(20)]
        assert eventually(lambda: bool(door.scp._server.arrivals._waiting))
        assert not door.scp._server.active_associations
        assert door.run("echoscu").returncode == 0
        while not all(map(is_closed, strangers)):
            for stranger in strangers if drip else ():
                with contextlib.suppress(OSError):
                    stranger.send(drip)
            time.sleep(0.05)


def test_a_stranger_who_leaves_without_a_word_gives_its_place_back(open_door: Callable[..., Door]) -> None:
    door = open_door(connections=1)
    for _ in range(3):
        with knocking(door, b""):
            assert eventually(lambda: bool(door.scp._server.arrivals._waiting))
        assert eventually(lambda: not door.scp._server.arrivals._waiting)
    assert door.run("echoscu").returncode == 0


def test_the_door_stays_open_where_accepting_failed(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()

    def fail(connection: socket.socket, _address: object) -> None:
        connection.close()
        failed.set()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(door.scp._server.arrivals, "add", fail)
    with knocking(door, b""):
        assert failed.wait(10)
    monkeypatch.undo()
    assert door.run("echoscu").returncode == 0


def test_where_the_kernel_watches_no_more_a_connection_is_closed_and_its_place_given_back(
    open_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = open_door(connections=1)
    arrivals = door.scp._server.arrivals

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(arrivals._selector, "register", full)
    for _ in range(2):
        with knocking(door, b"") as stranger:
            assert eventually(lambda stranger=stranger: is_closed(stranger))
    monkeypatch.undo()
    assert not arrivals._waiting
    assert door.run("echoscu").returncode == 0


def test_one_address_leaves_connections_for_others(open_door: Callable[..., Door]) -> None:
    door = open_door(connections=9)
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(knocking(door, b"", "127.0.1.1")) for _ in range(20)]
        assert eventually(lambda: sum(map(is_closed, strangers)) == 17)
        assert door.run("echoscu").returncode == 0


def request(
    context: int = 1, syntax: bytes = struct.pack(">BBH", 0x40, 0, len(IMPLICIT)) + IMPLICIT.encode(), room: int = 16_384
) -> bytes:
    """An A-ASSOCIATE-RQ with one presentation context of this number, which is to be odd (PS3.8 section 9.3.2.2)."""

    def item(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(content)) + content

    proposed = item(0x20, bytes([context, 0, 0, 0]) + item(0x30, ECHO.encode()) + syntax)
    user = item(0x50, item(0x51, struct.pack(">L", room)) + item(0x52, b"1.2.3"))
    titles = b"LUNG".ljust(16) + b"STORESCU".ljust(16)
    content = struct.pack(">HH", 1, 0) + titles + bytes(32) + item(0x10, b"1.2.840.10008.3.1.1.1") + proposed + user
    return struct.pack(">BBL", 1, 0, len(content)) + content


@pytest.mark.parametrize(
    "said",
    [request(2), request(syntax=b""), request(room=6)],
    ids=["an even context", "a context of no syntax", "no room for a byte"],
)
def test_an_association_request_that_can_not_be_meant_is_answered_by_an_abort(door: Door, said: bytes) -> None:
    with knocking(door, request()) as stranger:
        assert stranger.recv(1) == b"\2"
    with knocking(door, said) as stranger:
        stranger.settimeout(5)
        assert stranger.recv(1) == b"\7"
    assert eventually(lambda: not door.scp._server.active_associations)


def test_an_abort_from_nowhere_ends_the_association(door: Door) -> None:
    with knocking(door, request()) as stranger:
        assert stranger.recv(1) == b"\2"
        stranger.sendall(struct.pack(">BBLBBBB", 7, 0, 4, 0, 0, 158, 0))
        assert eventually(lambda: not door.scp._server.active_associations)


def test_an_association_whose_state_machine_fails_is_closed(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    with knocking(door, request()) as stranger:
        stranger.settimeout(5)
        assert stranger.recv(4096)[:1] == b"\2"
        (serving,) = door.scp._server.active_associations
        assert eventually(lambda: serving.dul.state_machine.current_state == "Sta6")
        monkeypatch.setattr(serving.dul.state_machine, "do_action", lambda _event: int("x"))
        stranger.sendall(p_data((1, 3, b"any")))
        assert stranger.recv(4096) == b""
        assert eventually(lambda: not door.scp._server.active_associations)


def test_an_association_whose_thread_fails_is_closed(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(associations.Association, "_run_reactor", lambda _self: int("x"))
    with knocking(door, request()) as stranger, contextlib.suppress(ConnectionResetError):
        stranger.settimeout(5)
        while stranger.recv(4096):
            pass
    assert eventually(lambda: not door.scp._server.active_associations)
    assert [record.cause for record in caplog.records if record.message == "association failed"] == ["ValueError"]


def test_an_association_request_of_a_quarter_megabyte_is_waited_for(door: Door) -> None:
    large = [(f"1.2.{n}", [f"1.2.840.{m}.{'9' * 50}" for m in range(30)]) for n in range(120)]
    association = door.associate(*large, (ECHO, [IMPLICIT]))
    assert [c.abstract_syntax for c in association.accepted_contexts] == [ECHO]
    association.release()


# --- who may have an association


def knocking(door: Door, said: bytes, address: str = "127.0.0.1") -> socket.socket:
    stranger = socket.create_connection(("127.0.0.1", door.scp.port), 20, (address, 0))
    stranger.sendall(said)
    return stranger


def is_closed(stranger: socket.socket) -> bool:
    stranger.setblocking(False)
    try:
        return stranger.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_one_senders_idle_associations_leave_places_for_others(open_door: Callable[..., Door]) -> None:
    door = open_door(associations=6)
    add_sender(door.runtime, builders.ACTOR, "LUNG", "OTHER", "127.0.1.0/24")
    idle = [door.associate((ECHO, [IMPLICIT]), calling="OTHER", address="127.0.1.1") for _ in range(4)]
    assert [a.is_established for a in idle] == [True, True, False, False]
    assert idle[3].is_rejected
    assert door.run("echoscu").returncode == 0
    for association in idle[:2]:
        association.release()


def test_one_sender_has_its_share_from_all_its_addresses_together(open_door: Callable[..., Door]) -> None:
    door = open_door(associations=6)
    add_sender(door.runtime, builders.ACTOR, "LUNG", "OTHER", "127.0.1.0/24")
    idle = [door.associate((ECHO, [IMPLICIT]), calling="OTHER", address=f"127.0.1.{n}") for n in range(1, 5)]
    assert [a.is_established for a in idle] == [True, True, False, False]
    assert door.run("echoscu").returncode == 0
    for association in idle[:2]:
        association.release()


def test_places_are_kept_for_the_addresses_of_registered_senders(
    open_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, asked, answer = open_door(associations=4), threading.Event(), threading.Event()
    really = store.identify

    def slowly(runtime: Runtime, titles: AeTitle) -> Caller:
        if titles.address == "127.0.1.1":
            asked.set()
            answer.wait(10)
        return really(runtime, titles)

    monkeypatch.setattr(store, "identify", slowly)
    first = threading.Thread(target=door.associate, args=((ECHO, [IMPLICIT]),), kwargs={"address": "127.0.1.1"})
    first.start()
    assert asked.wait(10)
    refused: Any = door.associate((ECHO, [IMPLICIT]), address="127.0.1.2").acceptor.primitive
    assert (refused.result, refused.result_source, refused.diagnostic) == store.LOCAL_LIMIT
    assert door.run("echoscu").returncode == 0
    answer.set()
    first.join()


def test_an_ae_title_has_its_own_limit_of_associations_over_all_processes(open_door: Callable[..., Door]) -> None:
    door = open_door()
    add_sender(door.runtime, builders.ACTOR, "LUNG", "TWO", "127.0.0.0/8", peering=Peering(associations=2))
    other = Door(door.runtime, scp.serve(door.runtime, bind="127.0.0.1", port=0))
    first, second = door.associate(calling="TWO"), other.associate(calling="TWO")
    assert (first.is_established, second.is_established) == (True, True)
    refused = other.associate(calling="TWO")
    assert (refused.is_rejected, refused.acceptor.primitive.result_source, refused.acceptor.primitive.diagnostic) == (True, 3, 2)
    assert door.associate(calling="STORESCU").is_established
    first.abort()
    asked = [refused]

    def is_let_in() -> bool:
        if not asked[-1].is_established:
            asked.append(other.associate(calling="TWO"))
        return asked[-1].is_established

    assert eventually(is_let_in)
    other.scp.stop(0.1)


def test_an_idle_association_ends_sooner_while_places_are_scarce(
    open_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(associations, "SCARCE_SECONDS", 0.3)
    door = open_door(associations=4)
    first = door.associate((ECHO, [IMPLICIT]))
    timer = associations.IdleTimer(door.scp._server.places)
    timer.timeout, timer._start_time = 0, time.time() - 1
    assert not timer.expired
    held = [door.scp._server.places.take(holder) for holder in "abc"]
    assert held == [True] * 3
    assert timer.expired
    assert eventually(lambda: first.is_aborted)


# --- what a peer can make big


def test_an_object_over_the_limit_ends_the_association(open_door: Callable[..., Door]) -> None:
    door = open_door(max_object_mb=1)
    association = door.associate()
    large = sample()
    large.PixelData = bytes(3_000_000)
    answer = association.send_c_store(large)
    assert "Status" not in answer
    assert eventually(lambda: association.is_aborted)
    assert door.batches() == []


def test_messages_that_do_not_wait_for_answers_end_the_association(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Event()
    monkeypatch.setattr(store, "take", lambda *_: waiting.wait(10))
    association = door.associate()
    wire = association.dul.socket.socket
    sent: list[bytes] = []
    monkeypatch.setattr(association.dul.socket, "send", lambda data: sent.append(bytes(data)) or wire.sendall(data))
    sender = threading.Thread(target=association.send_c_store, args=(sample(),))
    sender.start()
    assert eventually(lambda: bool(door.batches()))
    whole = b"".join(sent)
    for _ in range(3):
        wire.sendall(whole)
    assert eventually(lambda: association.is_aborted)
    waiting.set()
    sender.join()


# --- what a message may look like


def store_request(dataset: FileDataset) -> tuple[bytes, bytes]:
    """The command set of a C-STORE-RQ, and its data set, as they are encoded."""
    command = Dataset()
    command.AffectedSOPClassUID, command.AffectedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    command.CommandField, command.MessageID, command.Priority, command.CommandDataSetType = 1, 7, 0, 1
    group = encode(command, True, True) or b""
    dataset.remove_private_tags()
    return struct.pack("<HHLL", 0, 0, 4, len(group)) + group, encode(dataset, False, True) or b""


def p_data(*values: tuple[int, int, bytes]) -> bytes:
    """A P-DATA-TF PDU of these presentation contexts, message control headers and fragments."""
    items = b"".join(struct.pack(">LBB", len(fragment) + 2, *head) + fragment for *head, fragment in values)
    return struct.pack(">BBL", 4, 0, len(items)) + items


SHAPES: dict[str, Callable[[bytes, bytes], list[bytes]]] = {
    "a PDU for each": lambda command, data: [p_data((1, 3, command)), p_data((1, 2, data))],
    "one PDU": lambda command, data: [p_data((1, 3, command), (1, 0, data[:999]), (1, 2, data[999:]))],
    "a command in pieces": lambda command, data: [p_data((1, 1, command[:20])), p_data((1, 3, command[20:]), (1, 2, data))],
    "an empty piece last": lambda command, data: [p_data((1, 3, command)), p_data((1, 0, data)), p_data((1, 2, b""))],
    "many small pieces": lambda command, data: [
        p_data((1, 3, command)),
        *(p_data((1, 2 * (at + 5000 >= len(data)), data[at : at + 5000])) for at in range(0, len(data), 5000)),
    ],
    "reserved bits set": lambda command, data: [p_data((1, 0xFF, command)), p_data((1, 0xFE, data))],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_store_is_taken_however_its_bytes_are_cut_into_pdus(door: Door, shape: str) -> None:
    association = door.associate()
    for pdu in SHAPES[shape](*store_request(sample())):
        association.dul.socket.socket.sendall(pdu)
    assert eventually(lambda: door.receipts() == [("pass", "declared")])
    association.release()
    assert association.is_released


@pytest.mark.parametrize(
    "said",
    [
        [p_data((1, 3, b""))[:-1]],
        [struct.pack(">BBLLBB", 4, 0, 6, 1, 1, 3)],
        [struct.pack(">BBLLBB", 4, 0, 6, 900, 1, 3)],
        [p_data((1, 3, bytes(7)))],
    ],
    ids=["cut off", "a value without a header", "a value longer than its PDU", "a command that is none"],
)
def test_what_is_no_message_ends_the_association_and_leaves_nothing(door: Door, said: list[bytes]) -> None:
    association = door.associate()
    wire = association.dul.socket.socket
    for pdu in said:
        wire.sendall(pdu)
    wire.shutdown(socket.SHUT_WR)
    assert eventually(lambda: not door.scp._server.active_associations)
    assert door.batches() == []
    assert door.run("echoscu").returncode == 0


@pytest.mark.parametrize("ending", ["abort", "loss"])
def test_an_object_that_breaks_off_leaves_nothing(door: Door, ending: str) -> None:
    association = door.associate()
    wire = association.dul.socket.socket
    command, data = store_request(sample())
    wire.sendall(p_data((1, 3, command)) + p_data((1, 0, data[:5000])))
    if ending == "abort":
        association.abort()
    else:
        wire.shutdown(socket.SHUT_RDWR)
    assert eventually(lambda: not door.scp._server.active_associations)
    assert door.batches() == []
    assert not door.scp._server.gathering._held


def test_echoes_and_stores_follow_one_another_in_one_association(door: Door) -> None:
    association = door.associate((ECHO, [IMPLICIT]), (CT, [EXPLICIT]))
    answers = [(association.send_c_echo().Status, association.send_c_store(sample()).Status) for _ in range(3)]
    association.release()
    assert answers == [(0, 0)] * 3


# --- what is said


def test_the_log_tells_each_store_by_its_batch_and_never_a_patient(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    door.run("storescu", "-xs", str(NAMED))
    assert door.closed()
    key, patient = door.batches()[0].key, dcmread(NAMED)
    assert eventually(lambda: "association ended" in caplog.text)
    lines = [(line["message"], line) for line in map(json.loads, caplog.text.splitlines())]
    (kept,) = [line for message, line in lines if message == "C-STORE"]
    (ended,) = [line for message, line in lines if message == "association ended"]
    assert (kept["batch"], kept["status"], kept["rule"], kept["bytes"] > 1000) == (key, "C102", "birth-date", True)
    assert (ended["batch"], ended["dataset"], ended["statuses"]) == (key, "LUNG", {"C102": 1})
    for value in (patient.PatientName, patient.PatientBirthDate, patient.PatientID, patient.SOPInstanceUID):
        assert str(value) not in caplog.text


def test_a_sender_that_is_removed_stores_nothing_more_in_an_association_it_has_open(door: Door) -> None:
    association = door.associate()
    assert association.send_c_store(sample()).Status == 0
    remove_sender(door.runtime, builders.ACTOR, "LUNG", "STORESCU")
    assert association.send_c_store(sample()).Status == 0x0124
    association.release()


@pytest.mark.parametrize("encapsulated", [False, True])
def test_a_large_object_takes_little_memory(
    open_door: Callable[..., Door], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encapsulated: bool
) -> None:
    for limit in ("IN_MEMORY", "STEP"):
        monkeypatch.setattr(spool, limit, 1_000_000)
    large = sample()
    large.PixelData = encapsulate([bytes(50_000)] * 1_200, has_bot=False) if encapsulated else bytes(60_000_000)
    large.file_meta.TransferSyntaxUID = UID(BASELINE if encapsulated else EXPLICIT)
    large["PixelData"].VR, large["PixelData"].is_undefined_length = "OB", encapsulated
    large.save_as(tmp_path / "large.dcm")
    del large
    door = open_door(gathered_mb=2)
    syntax, file = "-xy" if encapsulated else "-xe", str(tmp_path / "large.dcm")
    assert memory.taken(lambda: door.run("storescu", syntax, file).check_returncode()) < 20_000_000
    assert door.receipts() == [("pass", "declared")]


def test_a_disk_without_room_for_what_comes_is_told_to_its_sender(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise Full("disk-nearly-full", "-")

    monkeypatch.setattr(spool, "IN_MEMORY", 1_000)
    monkeypatch.setattr(store, "check_room", full)
    association = door.associate()
    assert association.send_c_store(sample()).Status == 0xA700
    monkeypatch.undo()
    assert association.send_c_store(sample()).Status == 0
    association.release()


def test_associations_that_gather_more_than_the_door_holds_together_are_aborted(
    open_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, done = threading.Event(), threading.Event()
    monkeypatch.setattr(store, "take", lambda *_: serving.set() or done.wait(10))
    door = open_door(gathered_mb=4)
    large = sample()
    large.PixelData = bytes(3_000_000)
    first, second = door.associate(), door.associate()
    sender = threading.Thread(target=first.send_c_store, args=(large,))
    sender.start()
    assert serving.wait(10)  # three of four megabytes are held while it is served
    assert "Status" not in second.send_c_store(large)
    assert eventually(lambda: second.is_aborted)
    done.set()
    sender.join()
    first.release()
    monkeypatch.undo()
    assert door.associate().send_c_store(large).Status == 0  # what was held is let go


def test_the_operator_is_told_who_called_and_how_to_let_in_who_was_refused(open_door):
    door = open_door()
    assert door.run("echoscu").returncode == 0
    for called, calling in (("LUNG", "RAD 1;x"), ("LUNG", "RAD 1;x"), ("NOWHERE", "STORESCU")):
        assert door.run("echoscu", called=called, calling=calling).returncode
    assert eventually(lambda: len(list_associations(door.runtime)) == 3)
    told = {(a.row.calling, a.row.called): (a.row.reason, a.row.times, a.remedy) for a in list_associations(door.runtime)}
    assert told["STORESCU", "LUNG"] == ("", 1, ())
    reason, times, remedy = told["RAD 1;x", "LUNG"]
    assert (reason, times) == ("unknown-calling", 2)
    assert shlex.join(remedy) == "accord admin sender add LUNG --aet 'RAD 1;x' --from 127.0.0.1/32"
    assert told["STORESCU", "NOWHERE"][2] == ()


@pytest.mark.parametrize(
    ("called", "calling", "reason"),
    [
        ("lung", "RAD1", "unknown-called"),
        ("--data=/tmp/x", "RAD1", "unknown-called"),
        ("--HELP", "RAD1", "unknown-called"),
        ("LUNG", "RAD\xe9", "unknown-calling"),
        ("LUNG", "RAD\\1", "unknown-calling"),
    ],
)
def test_no_command_is_told_that_would_be_refused_or_register_another(open_door, called, calling, reason):
    runtime, noticed = open_door().runtime, Noticed()
    noticed.add(AeTitle(called, calling, "192.0.2.1"), reason)
    noticed.write(runtime)
    assert [told.remedy for told in list_associations(runtime)] == [()]


def test_who_called_is_told_again_after_it_could_not_be_written(open_door, monkeypatch):
    door = open_door()
    with monkeypatch.context() as broken:
        failed = threading.Event()
        broken.setattr(Noticed, "write", lambda _self, _runtime: failed.set() or {}["read-only"])
        assert failed.wait(10)
    assert door.run("echoscu").returncode == 0
    assert eventually(lambda: len(list_associations(door.runtime)) == 1)


def test_strangers_with_many_names_leave_no_more_than_the_newest(open_door):
    runtime, noticed = open_door().runtime, Noticed()
    for n in range(2 * MOST_WAITING):
        noticed.add(AeTitle("LUNG", f"A{n}\n", "192.0.2.1"), "unknown-calling")
    noticed.write(runtime)
    kept = list_associations(runtime)
    assert len(kept) == associations_of.KEPT
    assert all(each.row.calling.endswith("?") for each in kept)
    noticed.add(AeTitle("LUNG", "B", "192.0.2.1"))
    noticed.write(runtime)
    assert list_associations(runtime)[0].row.calling == "B"
