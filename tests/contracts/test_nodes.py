"""The contract of `adapters.nodes.port.Node`, on every implementation, and what each does beyond it."""

import contextlib
import errno
import hashlib
import io
import json
import os
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
import requests
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from requests.auth import HTTPBasicAuth

from adapters.nodes.dicomweb import DicomwebNode
from adapters.nodes.folder import MARKER, FolderNode
from adapters.nodes.orthanc import OrthancNode
from adapters.nodes.port import Changes, Node, NodeFile
from mappings.dicom.frame_spans import in_item
from mappings.dicom.instance import read_instance
from mappings.dicom.part10 import file_meta, read_part10
from mappings.failures import Busy, Conflict, Full, Invalid, NotFound, Unavailable
from server.usecases.parse import parse_file
from tests.builders import sample
from tests.servers import Orthanc, orthanc_server

NOBODY = "0" * 64
NO_INSTANCE = "-".join(["0" * 8] * 5)
NO_UIDS = "1.2.3/1.2.3.1/1.2.3.4.5.6"


def a_file(
    uid: str | None = None, patient: str = "P1", study: str = "1.2.3", pixels: bytes = b"\0" * 512, **more: str
) -> tuple[NodeFile, bytes]:
    """A small DICOM file of our own making, and what a node is told of it."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = pydicom.uid.SecondaryCaptureImageStorage, uid or generate_uid(prefix="2.25.")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.PatientID, dataset.Modality = study, study + ".1", patient, "OT"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (
        16,
        len(pixels) // 16,
        1,
        "MONOCHROME2",
    )
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = pixels
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    content = behind_our_meta(buffer.getvalue(), dataset.SOPInstanceUID)
    return NodeFile(dataset.SOPInstanceUID, study, study + ".1", patient, hashlib.sha256(content).digest(), len(content)), content


def behind_our_meta(content: bytes, uid: str) -> bytes:
    """A file as one that came over DIMSE, and as one of an archive, whose own file meta is not kept."""
    part10 = read_part10(memoryview(content))
    return file_meta(part10.media_sop_class, uid, part10.transfer_syntax) + bytes(part10.dataset)


def put(node: Node, item: NodeFile, content: bytes) -> str:
    return node.store(item, memoryview(content))


def get(node: Node, place: str, size: int | None, start: int = 0, length: int | None = None) -> bytes:
    with node.open(place, size, start, length) as stream:
        return stream.read()


def orthanc_node(server: Orthanc, *allow: str) -> OrthancNode:
    return OrthancNode("site", server.url, server.user, server.password, frozenset(allow))


class Archive(DicomwebNode):
    """The DICOMweb plugin of an Orthanc, which others fill."""

    def __init__(self, server: Orthanc) -> None:
        super().__init__("site", f"{server.url}/dicom-web", HTTPBasicAuth(server.user, server.password))
        self.filled = orthanc_node(server)

    def store(self, file: NodeFile, content: memoryview) -> str:
        self.filled.store(file, content)
        return super().store(file, content)


@pytest.fixture
def folder(tmp_path: Path) -> FolderNode:
    made = FolderNode("site", tmp_path / "node", "site 1")
    assert made.adopt([])
    return made


@pytest.fixture(params=["folder", "orthanc"])
def taking(request: pytest.FixtureRequest) -> Node:
    if request.param == "folder":
        return request.getfixturevalue("folder")
    return orthanc_node(request.getfixturevalue("orthanc"))


@pytest.fixture(params=["folder", "orthanc", "dicomweb"])
def node(request: pytest.FixtureRequest) -> Node:
    if request.param == "dicomweb":
        return Archive(request.getfixturevalue("orthanc"))
    if request.param == "folder":
        return request.getfixturevalue("folder")
    return orthanc_node(request.getfixturevalue("orthanc"))


NOTHING = {FolderNode: NOBODY, OrthancNode: NO_INSTANCE, Archive: NO_UIDS}
"""A place of each where nothing is."""


class TestEveryNodeThatIsRead:
    def test_gives_back_the_bytes_it_was_given(self, node):
        item, content = a_file()
        assert get(node, put(node, item, content), len(content)) == content

    def test_knows_the_place_before_it_stores(self, node):
        item, content = a_file()
        assert node.place_of(item) == put(node, item, content)

    def test_gives_the_same_place_for_the_same_bytes(self, node):
        item, content = a_file()
        assert put(node, item, content) == put(node, item, content)

    @pytest.mark.parametrize(("start", "length"), [(0, 4), (128, 4), (300, 1), (5, None), (0, 0), (100, 10**6)])
    def test_opens_a_range_of_bytes(self, node, start, length):
        item, content = a_file()
        end = None if length is None else start + length
        assert get(node, put(node, item, content), len(content), start, length) == content[start:end]

    def test_cuts_a_frame_out_or_leaves_it_to_a_range(self, node):
        frames = [bytes([number]) * 256 for number in range(3)]
        item, content = a_file(pixels=b"".join(frames), NumberOfFrames="3", Rows=16, Columns=16)
        place = put(node, item, content)
        cut = [node.frame(place, number, 256) for number in range(3)]
        assert cut == ([None] * 3 if isinstance(node, FolderNode) else frames)
        assert node.frame(place, 3, 256) is None
        assert node.frame(place, 0, 255) is None
        assert node.frame("../system", 0, 256) is None

    def test_streams_large_objects_in_pieces(self, node):
        item, content = a_file(pixels=os.urandom(16 * 40_000))
        place, pieces = put(node, item, content), []
        with node.open(place, len(content), 200_001) as stream:
            while piece := stream.read(100_000):
                pieces.append(piece)
        assert b"".join(pieces) == content[200_001:]
        assert len(pieces) > 1

    def test_may_be_closed_before_the_end(self, node):
        item, content = a_file(pixels=bytes(16 * 40_000))
        place = put(node, item, content)
        with node.open(place, len(content)) as stream:
            stream.read(10)
        assert get(node, place, len(content)) == content

    def test_says_the_size_of_a_file_or_that_it_is_there(self, node):
        item, content = a_file()
        assert node.size(put(node, item, content)) == (None if isinstance(node, DicomwebNode) else len(content))
        with pytest.raises(NotFound):
            node.size(NOTHING[type(node)])

    def test_gives_all_of_a_file_of_which_custody_says_nothing(self, node):
        item, content = a_file(pixels=os.urandom(16 * 40_000))
        assert get(node, put(node, item, content), None) == content

    def test_lists_its_places(self, node):
        places = {put(node, *a_file()) for _ in range(3)}
        assert places <= set(node.places())

    @pytest.mark.parametrize(
        "place", [NOBODY, NO_INSTANCE, NO_UIDS, "../../studies", "1.2/../1.2", "", "../../etc/passwd", "../system"]
    )
    def test_does_not_find_what_is_not_there(self, node, place):
        with pytest.raises(NotFound) as caught:
            node.open(place, 100)
        assert caught.value.code == "node-lacks"
        assert node.name in caught.value.sentence

    def test_says_that_it_is_well(self, node):
        health = node.check()
        assert (health.ok, bool(health.version)) == (True, True)

    def test_is_not_refused(self, node):
        before = set(node.places())
        assert node.probe() == []
        assert set(node.places()) == before

    def test_tells_its_room_or_that_it_can_not(self, node):
        room = node.check().free
        assert room is None or room > 0

    @pytest.mark.parametrize("wrong", [-1, 1])
    def test_breaks_off_where_a_file_is_not_as_long_as_custody_says(self, node, wrong):
        item, content = a_file(pixels=bytes(16 * 40_000))
        place = put(node, item, content)
        for start, length in ((0, None), (1000, None), (0, len(content) + wrong), (1000, len(content))):
            with pytest.raises(Unavailable) as caught:
                get(node, place, len(content) + wrong, start, length)
            assert caught.value.code == "node-other-size"


class TestEveryNodeThatTakes:
    def test_keeps_a_preamble_and_trailing_padding_as_they_came(self, taking):
        item, content = a_file(DataSetTrailingPadding=b"\0\0\0\0")
        content = b"II*\0" + content[4:]
        assert get(taking, put(taking, replace(item, digest=hashlib.sha256(content).digest()), content), len(content)) == content

    def test_never_lets_other_bytes_replace_the_first(self, taking):
        item, content = a_file()
        other_item, other = a_file(uid=item.sop_instance_uid, pixels=b"\1" * 512)
        place = put(taking, item, content)
        with contextlib.suppress(Conflict):
            assert put(taking, other_item, other) != place
        assert get(taking, place, len(content)) == content

    def test_forgets_what_is_deleted_and_deletes_twice(self, taking):
        place = put(taking, *a_file())
        taking.delete(place)
        taking.delete(place)
        assert place not in set(taking.places())
        with pytest.raises(NotFound):
            taking.open(place, 100)

    def test_stores_again_after_a_delete(self, taking):
        item, content = a_file()
        taking.delete(put(taking, item, content))
        assert get(taking, put(taking, item, content), len(content)) == content

    def test_tells_what_came_or_has_no_feed(self, taking):
        before = taking.changes(None)
        if before is None:
            return
        assert before.places == ()
        places = [put(taking, *a_file(study=f"1.2.{number}")) for number in range(3)]
        told = taking.changes(before.last)
        assert (list(told.places), told.ended) == (places, True)
        assert taking.changes(None) == replace(told, places=())
        assert taking.changes(told.last) == replace(told, places=())
        taking.delete(places[0])
        assert list(taking.changes(before.last).places) == places[1:]

    def test_keeps_one_copy_when_many_store_the_same_at_once(self, taking):
        item, content = a_file(pixels=bytes(16 * 4000))
        before = len(list(taking.places()))
        with ThreadPoolExecutor(4) as threads:
            places = {threads.submit(self.stored, taking, item, content) for _ in range(8)}
        assert {place.result() for place in places} == {taking.place_of(item)}
        assert len(list(taking.places())) == before + 1

    @staticmethod
    def stored(taking, item, content):
        while True:
            with contextlib.suppress(Busy):
                return put(taking, item, content)


class TestFolder:
    def test_holds_files_by_their_sha_256(self, folder, tmp_path):
        item, content = a_file()
        name = hashlib.sha256(content).hexdigest()
        assert put(folder, item, content) == name
        assert (tmp_path / "node" / "objects" / name[:2] / name).read_bytes() == content

    def test_is_closed_to_everybody_else(self, folder, tmp_path):
        put(folder, *a_file())
        modes = {path.is_dir(): set() for path in tmp_path.rglob("*")}
        for path in (tmp_path / "node", *(tmp_path / "node").rglob("*")):
            modes[path.is_dir()].add(path.stat().st_mode & 0o777)
        assert modes == {True: {0o700}, False: {0o600}}

    def test_syncs_the_file_before_its_name_and_the_name_before_it_answers(self, folder, monkeypatch):
        acts, sync, rename = [], os.fsync, Path.rename
        monkeypatch.setattr(os, "fsync", lambda fd: (acts.append(os.readlink(f"/proc/self/fd/{fd}")), sync(fd))[1])
        monkeypatch.setattr(Path, "rename", lambda old, new: (acts.append("rename"), rename(old, new))[1])
        place = put(folder, *a_file())
        at = acts.index("rename")
        assert "incoming" in acts[at - 1]
        assert acts[-1].endswith(f"objects/{place[:2]}")
        assert {Path(act).name for act in acts[: at - 1]} == {"objects"}  # the new folders' own names

    def test_leaves_nothing_behind_when_the_disk_is_full(self, folder, tmp_path, monkeypatch):
        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(Full):
            put(folder, *a_file())
        monkeypatch.undo()
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [MARKER]

    def test_clears_away_old_leftovers_only(self, folder, tmp_path):
        incoming = tmp_path / "node" / "incoming"
        for name, age in (("old", 7200), ("young", 60)):
            (incoming / name).write_bytes(b"half")
            os.utime(incoming / name, (time.time() - age,) * 2)
        FolderNode("site", tmp_path / "node")
        assert [path.name for path in incoming.iterdir()] == ["young"]

    def test_never_shows_a_half_written_file(self, folder, monkeypatch):
        item, content = a_file()
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(Unavailable):
            put(folder, item, content)
        with pytest.raises(NotFound):
            folder.open(folder.place_of(item), len(content))

    def test_says_when_its_folder_is_gone(self, folder, tmp_path):
        (tmp_path / "node" / "incoming").rmdir()
        assert not folder.check().ok
        with pytest.raises(Unavailable) as caught:
            put(folder, *a_file())
        assert str(tmp_path) not in caught.value.sentence
        assert caught.value.code == "node-failed", "it was told at once, so it is not a node that does not answer"

    def test_seeks_within_a_range(self, folder):
        item, content = a_file()
        with folder.open(put(folder, item, content), len(content), 100, 200) as stream:
            assert stream.seek(28) == 28
            assert stream.read(4) == b"DICM"
            assert stream.seek(0, io.SEEK_END) == 200
            assert stream.read() == b""

    def test_reads_on_where_the_system_gives_less_than_was_asked_for(self, folder, monkeypatch):
        item, content = a_file(pixels=bytes(16 * 400))
        place, pread = put(folder, item, content), os.pread
        monkeypatch.setattr(os, "pread", lambda file, size, at: pread(file, min(size, 1000), at))
        with folder.open(place, len(content)) as stream:
            assert (stream.read(2500), stream.read()) == (content[:2500], content[2500:])

    def test_tells_a_file_cut_short_from_its_end(self, folder, tmp_path):
        item, content = a_file(pixels=bytes(16 * 40_000))
        place = put(folder, item, content)
        with folder.open(place, len(content)) as stream:
            stream.read(10)
            os.truncate(tmp_path / "node" / "objects" / place[:2] / place, 1000)
            with pytest.raises(Unavailable):
                stream.read()


class TestOrthanc:
    def test_refuses_other_bytes_that_orthanc_calls_already_stored(self, orthanc):
        item, content = a_file()
        other_item, other = a_file(uid=item.sop_instance_uid, pixels=b"\1" * 512)
        put(orthanc_node(orthanc), item, content)
        assert upload(orthanc, other)["Status"] == "AlreadyStored"  # the trap itself
        with pytest.raises(Conflict) as caught:
            put(orthanc_node(orthanc), other_item, other)
        assert caught.value.code == "node-holds-other"

    def test_passes_no_zip_on(self, orthanc):
        item, content = a_file()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("one.dcm", content)
        node = orthanc_node(orthanc)
        with pytest.raises(Invalid):
            put(node, item, archive.getvalue())
        assert node.place_of(item) not in set(node.places())
        assert isinstance(upload(orthanc, archive.getvalue()), list)  # the trap itself: it unpacks, and answers with an array

    def test_is_never_sent_compressed_answers(self, orthanc, monkeypatch):
        item, content = a_file(pixels=bytes(16 * 40_000))
        node, sent = orthanc_node(orthanc), []
        place = put(node, item, content)
        original = requests.Session.send
        monkeypatch.setattr(requests.Session, "send", lambda self, request, **more: kept(sent, original(self, request, **more)))
        assert get(node, place, len(content)) == content
        assert [answer.headers.get("Content-Encoding") for answer in sent] == [None]
        trap = requests.get(
            f"{orthanc.url}/instances/{place}/file", auth=(orthanc.user, orthanc.password), stream=True, timeout=10
        )
        with trap:
            expected = "gzip" if node.check().version == "Orthanc 1.10.1" else trap.headers.get("Content-Encoding")
            assert trap.headers.get("Content-Encoding") == expected

    def test_keeps_the_twin_under_another_patient_apart(self, orthanc):
        item, content = a_file()
        twin_item, twin = a_file(uid=item.sop_instance_uid, patient="P2")
        node = orthanc_node(orthanc)
        places = [put(node, item, content), put(node, twin_item, twin)]
        assert places == [node.place_of(item), node.place_of(twin_item)]
        assert [get(node, *stored) for stored in zip(places, (len(content), len(twin)), strict=True)] == [content, twin]

    @pytest.mark.parametrize(
        ("patient", "characters"),
        [
            ("", "ISO_IR 6"),
            ("P 1", "ISO_IR 6"),
            ("A|B", "ISO_IR 6"),
            (" P1 ", "ISO_IR 6"),
            ("Jürgen", "ISO_IR 100"),
            ("Фам", "ISO_IR 192"),
        ],
    )
    def test_computes_the_identifier_that_orthanc_computes(self, orthanc, patient, characters):
        item, content = a_file(patient=patient, SpecificCharacterSet=characters)
        node = orthanc_node(orthanc)
        assert put(node, item, content) == node.place_of(replace(item, patient_id=patient.rstrip()))

    @pytest.mark.parametrize(
        "name", ["us/us_multiframe_jpeg.dcm", "rt/rtdose_rle.dcm", "sm/sm_image_jpegls.dcm", "mr/emri_small.dcm"]
    )
    def test_cuts_out_the_frames_that_lie_in_the_file(self, orthanc, name):
        file, node = sample(name), orthanc_node(orthanc)
        item = parse_file(name, file, frozenset()).node_file
        place, part10 = put(node, item, bytes(file)), read_part10(file)
        facts = read_instance(part10.dataset, part10.transfer_syntax, placeholders=frozenset(), preamble_zero=True)
        for number, (start, length) in enumerate(facts.frames):
            assert in_item(node.frame(place, number, length), length) == part10.dataset[start : start + length]
        assert facts.frames

    @pytest.mark.parametrize(
        ("reason", "settings"),
        [
            ("anonymous", {"AuthenticationEnabled": False}),
            ("transcoding", {"IngestTranscoding": "1.2.840.10008.1.2.1"}),
            ("transcoding", {"IngestTranscoding": "1.2.840.10008.1.2"}),
            ("transcoding", {"IngestTranscoding": "1.2.840.10008.1.2.4.70"}),
            ("overwrite", {"OverwriteInstances": True}),
        ],
        ids=["anonymous", "explicit", "implicit", "jpeg-lossless", "overwrite"],
    )
    def test_refuses_a_node_unless_its_fault_is_allowed_by_name(self, reason, settings):
        with orthanc_server(**settings) as server:
            node = orthanc_node(server)
            assert [line.partition(":")[0] for line in node.probe()] == [reason]
            assert orthanc_node(server, reason).probe() == []
            assert list(node.places()) == []

    def test_lets_nothing_be_replaced_where_overwriting_is_allowed(self):
        item, content = a_file()
        other_item, other = a_file(uid=item.sop_instance_uid, pixels=b"\1" * 512)
        with orthanc_server(OverwriteInstances=True) as server:
            node = orthanc_node(server, "overwrite")
            place = put(node, item, content)
            with pytest.raises(Conflict):
                put(node, other_item, other)
            assert get(node, place, len(content)) == content

    def test_keeps_nothing_that_the_node_changed_where_transcoding_is_allowed(self):
        with orthanc_server(IngestTranscoding="1.2.840.10008.1.2.4.70") as server:
            node = orthanc_node(server, "transcoding")
            with pytest.raises(Unavailable) as caught:
                put(node, *a_file())
            assert caught.value.code == "node-altered"
            assert list(node.places()) == []

    def test_compares_by_reading_back_where_the_node_keeps_no_sums(self):
        item, content = a_file()
        other_item, other = a_file(uid=item.sop_instance_uid, pixels=b"\1" * 512)
        with orthanc_server(StoreMD5ForAttachments=False) as server:
            node = orthanc_node(server)
            assert get(node, put(node, item, content), len(content)) == content
            assert put(node, item, content) == node.place_of(item)
            with pytest.raises(Conflict):
                put(node, other_item, other)

    def test_gives_the_stored_bytes_where_the_node_compresses_its_disk(self):
        item, content = a_file()
        with orthanc_server(StorageCompression=True) as server:
            node = orthanc_node(server)
            assert node.probe() == []
            assert get(node, put(node, item, content), len(content), 128, 4) == content[128:132]

    def test_says_when_its_credentials_are_refused(self, orthanc):
        node = OrthancNode("site", orthanc.url, orthanc.user, "not this one")
        assert not node.check().ok
        with pytest.raises(Unavailable) as caught:
            put(node, *a_file())
        assert caught.value.code == "node-credentials"
        assert "not this one" not in caught.value.sentence

    def test_says_when_nobody_answers(self, free_port):
        node = OrthancNode("site", f"http://127.0.0.1:{free_port}", "accord", "secret")
        assert node.check().sentence == "Node site does not answer."
        with pytest.raises(Unavailable):
            node.open(NO_INSTANCE, 100)

    def test_holds_what_it_acknowledged_after_the_node_is_killed(self):
        """kill -9 of the node, then the same folders under a new process."""
        item, content = a_file()
        with orthanc_server() as first:
            place = put(orthanc_node(first), item, content)
            first.kill()
            with orthanc_server(folder=first.folder) as second:
                assert get(orthanc_node(second), place, len(content)) == content


class TestOrthancOnTheWire:
    """What a real node of this version does not do on demand: a few lines of HTTP that do."""

    def test_uses_a_range_that_the_node_honours(self):
        honoured = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 7-9/20\r\nContent-Length: 3\r\n\r\nabc"
        with wire([honoured]) as (url, heard):
            assert get(OrthancNode("site", url, "u", "p"), NO_INSTANCE, 20, 7, 3) == b"abc"
        assert b"Range: bytes=7-9\r\n" in heard[0]

    def test_tries_again_when_a_kept_connection_was_ended(self):
        answer = b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"Version": "1.0"} '
        with wire([answer, b""], [answer]) as (url, heard):
            node = OrthancNode("site", url, "u", "p")
            assert [node.check().ok, node.check().ok] == [True, True]
        assert len(heard) == 3

    def test_tries_again_with_the_whole_object(self):
        item, content = a_file()
        place = OrthancNode("site", "http://127.0.0.1", "u", "p").place_of(item)
        body = f'{{"Status": "Success", "ID": "{place}"}}'.encode()
        stored = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        md5 = b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n" + hashlib.md5(content).hexdigest().encode()
        with wire([b""], [stored, md5]) as (url, heard):
            assert put(OrthancNode("site", url, "u", "p"), item, content) == place
        assert [content in request for request in heard] == [True, True, False]

    def test_says_that_nobody_answers_who_is_asked_for_a_frame(self, free_port):
        with pytest.raises(Unavailable) as caught:
            OrthancNode("site", f"http://127.0.0.1:{free_port}", "u", "p").frame(NO_INSTANCE, 0, 10)
        assert caught.value.code == "node-unavailable"

    @pytest.mark.parametrize(
        "body",
        [
            b"[]",
            b'{"Changes": {}, "Done": true, "Last": 1}',
            b'{"Changes": [], "Done": true, "Last": "1"}',
            b'{"Changes": [], "Done": true, "Last": true}',
            b'{"Changes": [], "Done": false, "Last": 1}',
            b'{"Changes": [' + b"1," * 1000 + b'1], "Done": true, "Last": 1}',
        ],
    )
    def test_takes_no_feed_from_what_is_no_orthanc(self, body):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        with wire([answer]) as (url, _), pytest.raises(Unavailable) as caught:
            OrthancNode("site", url, "u", "p").changes(0)
        assert caught.value.code == "node-not-orthanc"

    def test_takes_places_alone_from_a_feed(self):
        entries = (1, {"ChangeType": "NewInstance"}, {"ChangeType": "NewInstance", "ID": "../system"}, {"ID": NO_INSTANCE})
        body = json.dumps({"Changes": entries, "Done": True, "Last": 7}).encode()
        with wire([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)]) as (url, _):
            assert OrthancNode("site", url, "u", "p").changes(0) == Changes((), 7, ended=True)

    def test_is_refused_where_it_takes_nothing(self):
        body = b'{"Version": "1.12.5", "OverwriteInstances": false, "IngestTranscoding": "", "ReadOnly": true}'
        system = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        with wire([system], [refused], [system], [refused]) as (url, _):
            assert [line.partition(":")[0] for line in OrthancNode("site", url, "u", "p").probe()] == ["read-only"]
            assert OrthancNode("site", url, "u", "p", frozenset({"read-only"})).probe() == []

    def test_tells_an_object_cut_short_from_its_end(self):
        with wire([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"]) as (url, _), pytest.raises(Unavailable) as caught:
            get(OrthancNode("site", url, "u", "p"), NO_INSTANCE, 100)
        assert caught.value.code == "node-broke-off"

    def test_follows_nobody_elsewhere(self):
        with wire([b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"]) as (url, _):
            assert not OrthancNode("site", url, "u", "p").check().ok

    @pytest.mark.parametrize("body", [b"[]", b"{", b"{}", b"<html>"])
    def test_takes_nothing_else_for_an_orthanc(self, body):
        with wire([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)]) as (url, _):
            assert not OrthancNode("site", url, "u", "p").check().ok

    @pytest.mark.parametrize(
        ("said", "reasons"),
        [
            (b'{"OverwriteInstances": false, "IngestTranscoding": ""}', []),
            (b'{"OverwriteInstances": "Never", "IngestTranscoding": ""}', []),
            (b'{"OverwriteInstances": true, "IngestTranscoding": ""}', ["overwrite"]),
            (b'{"OverwriteInstances": "IfChanged", "IngestTranscoding": "1.2.840.10008.1.2.4.70"}', ["transcoding", "overwrite"]),
        ],
    )
    def test_believes_what_a_newer_node_says_of_itself(self, said, reasons):
        said = b'{"Version": "1.13.0", ' + said[1:]
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)
        with wire([answer], [b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"]) as (url, _):
            assert [line.partition(":")[0] for line in OrthancNode("site", url, "u", "p").probe()] == reasons


def upload(server: Orthanc, content: bytes) -> dict[str, str] | list[dict[str, str]]:
    """What Orthanc itself answers, without the node in between."""
    return requests.post(f"{server.url}/instances", data=content, auth=(server.user, server.password), timeout=10).json()


def kept(answers: list[requests.Response], answer: requests.Response) -> requests.Response:
    answers.append(answer)
    return answer


@contextlib.contextmanager
def wire(*connections: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A listener that gives each connection its answers, one a request, then ends it; tells its address and what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, connections, heard))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        finally:
            thread.join()


def _serve(listener: socket.socket, connections: tuple[list[bytes], ...], heard: list[bytes]) -> None:
    listener.settimeout(5)
    with contextlib.suppress(TimeoutError):  # nobody came: the test sees it in what was heard
        for answers in connections:
            connection, _ = listener.accept()
            with connection:
                for answer in answers:
                    heard.append(_request(connection))
                    connection.sendall(answer)


def _request(connection: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(65536)
    head = text.partition(b"\r\n\r\n")[0].lower()
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
    while len(text) < len(head) + 4 + length:
        text += connection.recv(65536)
    return text


class TestAFolderThatMayBeAMountPoint:
    CALLS = (
        lambda node, item, content: node.store(item, content),
        lambda node, item, _: node.open(item.digest.hex(), item.size),
        lambda node, item, _: node.size(item.digest.hex()),
        lambda node, item, _: node.delete(item.digest.hex()),
        lambda node, *_: list(node.places()),
    )

    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("left", ["nothing", "an empty folder", "another's marker"])
    def test_nothing_is_made_read_stored_or_lost_without_its_marker(self, folder, tmp_path, call, left):
        item, content = a_file()
        put(folder, item, content)
        (tmp_path / "node").rename(tmp_path / "unmounted")
        if left != "nothing":
            (tmp_path / "node").mkdir()
        if left == "another's marker":
            (tmp_path / "node" / MARKER).write_text("site 2\n")
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(Unavailable) as refused:
            call(folder, item, memoryview(content))
        assert refused.value.code == "node-not-mounted"
        assert not folder.check().ok
        assert "is its disk mounted" in folder.check().sentence
        assert not folder.adopt([(item.digest.hex(), item.size)])
        assert sorted(tmp_path.rglob("*")) == before

    def test_it_is_used_again_once_it_is_there_again(self, folder, tmp_path):
        item, content = a_file()
        place = put(folder, item, content)
        (tmp_path / "node").rename(tmp_path / "unmounted")
        assert not folder.check().ok
        (tmp_path / "unmounted").rename(tmp_path / "node")
        assert folder.check().ok
        assert get(folder, place, len(content)) == content

    def test_one_from_before_there_were_markers_gets_its_own_where_it_holds_what_it_should(self, folder, tmp_path):
        item, content = a_file()
        place = put(folder, item, content)
        (tmp_path / "node" / MARKER).unlink()
        later = FolderNode("site", tmp_path / "node", "site 1")
        assert not later.adopt([(NOBODY, 10), (place, len(content) + 1)])
        assert not (tmp_path / "node" / MARKER).exists()
        assert later.adopt([(NOBODY, 10), (place, len(content))])
        assert (tmp_path / "node" / MARKER).read_text() == "site 1\n"
        assert get(later, place, len(content)) == content

    def test_its_leftovers_are_removed_when_it_is_known_again(self, folder, tmp_path):
        old = tmp_path / "node/incoming/left"
        old.touch()
        os.utime(old, (0, 0))
        assert FolderNode("site", tmp_path / "node", "site 1").adopt([])
        assert not old.exists()
