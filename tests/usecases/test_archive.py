"""A DICOMweb archive as node: what it holds comes in and is given out by its data sets, and nothing is ever sent there."""

from io import BytesIO

import pytest
import requests
from sqlalchemy import select

from adapters.nodes.dicomweb import DicomwebNode
from adapters.sql import batches
from adapters.sql import tables as t
from consent.subject import Role
from mappings.dicom.part10 import file_meta, read_part10
from mappings.failures import Conflict, Unavailable
from server.usecases import compare, mend, reconcile, release, sync, withdraw
from server.usecases.node import add_node
from server.usecases.push import open_push
from server.usecases.read_back import read_back
from server.usecases.sender import add_sender
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import deposit, frame_of, in_care, with_other_meta
from tests.servers import orthanc_server

PASS, REVIEW, REJECT = (
    made(),
    made("1.2.3.1.2", InstitutionName="Hospital"),
    made("1.2.3.1.3", PatientIdentityRemoved=None, PatientName="Doe^Jane"),
)
PLACE = "1.2.3/1.2.3.1/1.2.3.1.1"


class Archive:
    """A hospital's own archive, with DICOMweb, which others fill."""

    def __init__(self, server, folder):
        self.server, self.auth, self.url = server, (server.user, server.password), f"{server.url}/dicom-web"
        self.secret = folder / "secret"
        self.secret.write_text(f"{server.user}:{server.password}\n")

    def put(self, *files):
        """Store files, past Accord."""
        for file in files:
            requests.post(f"{self.server.url}/instances", data=bytes(file), auth=self.auth, timeout=10).raise_for_status()

    def instances(self):
        return requests.get(f"{self.server.url}/instances", auth=self.auth, timeout=10).json()

    def empty(self):
        for place in self.instances():
            requests.delete(f"{self.server.url}/instances/{place}", auth=self.auth, timeout=10).raise_for_status()


@pytest.fixture(scope="module")
def server():
    with orthanc_server() as running:
        yield running


@pytest.fixture
def archive(built, server, tmp_path):
    """The node of the dataset CHEST, with nothing on it."""
    own = Archive(server, tmp_path)
    own.empty()
    add_node(built, ACTOR, "archive", kind="dicomweb", hosting="federated", url=own.url, secret_file=str(own.secret))
    builders.seed(built, alias="CHEST", provider="hospital-c", node="archive", sends=False)
    return own


def bring(runtime, **how):
    return dict(sync.sync(runtime, ACTOR, "archive", "CHEST", lambda *_: None, **how).counts)


def receipts(runtime):
    with runtime.store.read() as connection:
        keys = connection.execute(select(t.batch.c.id).where(t.batch.c.door == "sync").order_by(t.batch.c.id)).scalars()
        return {r.name: (r.outcome, r.rule) for key in keys for r in batches.receipts(connection, key)}


def behind_our_meta(file):
    part10 = read_part10(file)
    uids = part10.media_sop_class, part10.media_sop_instance
    return file_meta(*uids, part10.transfer_syntax) + bytes(part10.dataset)


def test_each_file_has_the_verdict_that_it_would_have_if_it_were_sent(built, archive):
    archive.put(PASS, REVIEW, REJECT)
    held = archive.instances()
    assert bring(built) == {"pass": 1, "review": 1, "reject": 1}
    assert {name.rpartition("/")[2]: outcome for name, (outcome, _) in receipts(built).items()} == {
        "1.2.3.1.1": "pass",
        "1.2.3.1.2": "review",
        "1.2.3.1.3": "reject",
    }
    assert (in_care(built).place, in_care(built).quarantined) == (PLACE, False)
    assert in_care(built, "1.2.3.1.2").quarantined
    assert read_back(built, in_care(built).copy) == behind_our_meta(PASS)
    assert archive.instances() == held
    assert bring(built) == {}


def test_another_file_meta_or_preamble_is_the_archives_and_another_data_set_is_damage(built, archive):
    archive.put(PASS)
    bring(built)
    archive.empty()
    archive.put(b"II*\0" + bytes(with_other_meta(PASS))[4:])
    assert read_back(built, in_care(built).copy) == behind_our_meta(PASS)
    assert compare.compare(built, "archive", lambda _: None, digests=True).changed == []
    archive.empty()
    archive.put(made(PatientWeight=None, StudyTime="120001"))
    assert compare.compare(built, "archive", lambda _: None, digests=False).changed == [], "it tells no size"
    with pytest.raises(Unavailable) as refused:
        read_back(built, in_care(built).copy)
    assert refused.value.code == "object-damaged"
    assert in_care(built).damaged is not None
    archive.empty()
    archive.put(PASS)
    compare.compare(built, "archive", lambda _: None, digests=False)
    assert in_care(built).damaged is None, "it is there again"


def test_a_bit_of_the_same_length_is_seen(built, archive):
    archive.put(PASS)
    bring(built)
    other = bytearray(PASS)
    other[-1] ^= 1
    archive.empty()
    archive.put(other)
    assert compare.compare(built, "archive", lambda _: None, digests=True).changed == ["1.2.3.1.1"]


def test_what_the_archive_has_lost_is_missed_and_put_back_by_who_keeps_it(built, archive, tmp_path):
    archive.put(PASS)
    bring(built)
    archive.empty()
    assert compare.compare(built, "archive", lambda _: None, digests=False).lost == ["1.2.3.1.1"]
    assert "who keeps that archive puts them back there" in compare.find_damage(built)[0]
    (tmp_path / "a").write_bytes(behind_our_meta(PASS))
    with pytest.raises(Conflict, match="is only read"):
        mend.mend_from(built, "archive", [tmp_path / "a"], lambda _: None)
    assert mend.mend_from(built, "archive", [], lambda _: None) == ["1.2.3.1.1"]
    archive.put(PASS, made("1.2.3.1.9"))
    compared = compare.compare(built, "archive", lambda _: None, digests=False)
    assert (compared.lost, compared.unknown) == ([], ["1.2.3/1.2.3.1/1.2.3.1.9"])
    assert sync.go_on(built, "archive", lambda *_: None, sweep=True).counts == {"pass": 1}


def test_nothing_is_sent_to_it_by_any_door(built, archive):
    with pytest.raises(Conflict, match="only read"):
        add_sender(built, ACTOR, "CHEST", "STORESCU", "127.0.0.1/32")
    with pytest.raises(Conflict, match="only read"):
        open_push(built, builders.caller(Role.PROVIDER, party="hospital-c"), "CHEST", "127.0.0.1")
    batch = builders.batch(built, "CHEST", provider="hospital-c")
    assert deposit(built, PASS, batch) == ("reject", "node-read-only")
    assert deposit(built, memoryview(b"no DICOM"), batch) == ("reject", "node-read-only")
    assert archive.instances() == []


def test_what_is_released_rests_where_it_lay(built, archive):
    archive.put(REVIEW)
    bring(built)
    with built.store.read() as connection:
        key = connection.execute(select(t.batch.c.key).where(t.batch.c.door == "sync")).scalar_one()
    release.release(built, ACTOR, key)
    row = in_care(built, "1.2.3.1.2")
    assert (row.place, row.quarantined) == ("1.2.3/1.2.3.1/1.2.3.1.2", False)
    assert read_back(built, row.copy) == behind_our_meta(REVIEW)
    assert list(built.quarantine.places()) == []


def test_it_keeps_what_is_withdrawn(built, archive):
    archive.put(PASS)
    bring(built)
    withdraw.withdraw_study(built, ACTOR, "1.2.3")
    assert (reconcile.purge(built), len(archive.instances()), in_care(built)) == (1, 1, None)


def test_what_is_no_dicom_file_is_rejected_and_keeps_none_out(built, archive, monkeypatch):
    archive.put(PASS)
    original = DicomwebNode._get

    def other(self, address, accept, allowance):
        answer = original(self, address, accept, allowance)
        body = b"--x\r\n\r\nno DICOM at all\r\n--x--"
        answer.headers["Content-Type"], answer.raw = "multipart/related; boundary=x", Raw(body)
        return answer

    monkeypatch.setattr(DicomwebNode, "_get", other)
    assert bring(built) == {"reject": 1}
    assert receipts(built) == {PLACE: ("reject", "not-dicom")}


class Raw(BytesIO):
    """A body as the library hands it on."""

    def read(self, most=-1, **_):
        return super().read(most)


def test_what_is_too_large_is_told_of_when_that_shows(tmp_path, clock, built, archive):
    small = builders.runtime(tmp_path, clock=clock, max_object_mb=1)
    archive.put(PASS, made("1.2.3.1.7", Rows=1024, Columns=1024, PixelData=bytes(1024 * 1024)))
    synced = sync.sync(small, ACTOR, "archive", "CHEST", lambda *_: None)
    assert (dict(synced.counts), synced.too_large) == ({"pass": 1}, ["1.2.3/1.2.3.1/1.2.3.1.7"])
    small.close()


def test_a_frame_is_asked_for_by_itself(built, archive, monkeypatch):
    frames = [bytes([number]) * 512 * 512 for number in range(6)]
    archive.put(made(Rows=512, Columns=512, NumberOfFrames="6", PixelData=b"".join(frames)))
    bring(built)
    monkeypatch.setattr(DicomwebNode, "open", lambda *_: pytest.fail("no whole object is wanted"))
    assert frame_of(built, in_care(built).copy, 4) == frames[3]
