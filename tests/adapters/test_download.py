"""Studies brought into a folder: each object once, whole and by its digest, whatever breaks, lies or is refused on the way."""

import csv
import re
from collections import Counter
from threading import Event

import httpx
import pytest

from adapters import accord_client, series_download
from adapters.download import Download, Plan, Refused
from adapters.download_folder import Arriving, DownloadFolder
from adapters.repository import Listed, Repository
from adapters.sql import custody
from mappings.failures import Conflict, Full, Unavailable
from server.usecases.agreement import move_agreement
from tests.adapters.researchers import OPEN, SHARED, Researcher
from tests.builders import ACTOR, made
from tests.deposits import in_care

STUDY = SHARED[0]
FILES = [Listed(STUDY, f"{STUDY}.{s}", f"{STUDY}.{s}.{n}") for s in (1, 2) for n in (1, 2, 3)]


LOCATIONS = (
    "",
    "/studies/../series/../instances/../../../x",
    f"/studies/{STUDY}/series/1.2.9/instances/1.2.9.1",
    f"/studies/{STUDY}/series/{STUDY}.1/instances/....",
)


class Bringing:
    """One download after another into one folder."""

    def __init__(self, house, client, top):
        self.house, self.client, self.folder = house, client, DownloadFolder(top)
        self.stopping, self.moved = Event(), []
        self.download = Download(Repository(client), self.folder, 2, self.stopping)

    def bring(self, *studies):
        plans = self.download.plan(studies or (STUDY,))
        self.house.asked.clear()
        return self.download.bring([plan for plan in plans if isinstance(plan, Plan)], self.moved.append)

    def gets(self):
        """The paths that bytes were asked at, below the study."""
        return [path.removeprefix(f"/dicom-web/studies/{STUDY}") for method, path in self.house.asked if method == "GET"]

    def files(self):
        """What lies in the folder, by path."""
        return {
            path.relative_to(self.folder.top).as_posix(): path.read_bytes()
            for path in self.folder.top.rglob("*")
            if path.is_file()
        }


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """One for all who leave it as it is."""
    built = Researcher(tmp_path_factory.mktemp("house"))
    yield built
    built.runtime.close()


@pytest.fixture
def bringing(house, tmp_path, monkeypatch):
    monkeypatch.setattr(accord_client, "PAUSES", (0.001,) * 3)
    monkeypatch.setattr(series_download, "PAUSES", (0.001,) * 3)
    house.restore()
    with house.connect() as client:
        yield Bringing(house, client, tmp_path / "taken")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """One to stop or to damage things in."""
    built = Researcher(tmp_path / "own")
    with built.connect() as client:
        yield Bringing(built, client, tmp_path / "taken")
    built.runtime.close()


def sent(instance: Listed) -> bytes:
    person = {"1.2.3": "P1", "1.2.4": "P2"}[instance.study]
    return bytes(made(instance.instance, study=instance.study, series=instance.series, PatientID=person))


def expected(*instances: Listed) -> dict[str, bytes]:
    return {f"{i.study}/{i.series}/{i.instance}.dcm": sent(i) for i in instances}


class Cut(httpx.SyncByteStream):
    """A body that breaks off."""

    def __init__(self, body):
        self.body = body

    def __iter__(self):
        yield self.body
        raise httpx.ReadError("cut")


def changed(change, *, times=99, where=r"(series|instances)/[0-9.]*"):
    """Let answers that bring files, at paths that end so, be what `change` makes of their bodies."""
    left = list(range(times))

    def answered(request, answer):
        if request.method != "GET" or not re.search(rf"/{where}$", request.url.path) or not left:
            return answer
        left.pop()
        body = change(answer.read())
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        if isinstance(body, bytes):
            return httpx.Response(answer.status_code, headers=headers, content=body)
        return httpx.Response(answer.status_code, headers=headers, stream=body)

    return answered


def test_a_study_is_brought_byte_for_byte_in_an_answer_for_each_series(bringing):
    brought = bringing.bring()
    assert (list(brought.failed), set(brought.files)) == ([], set(FILES))
    assert bringing.files() == expected(*FILES)
    assert sorted(bringing.gets()) == [f"/series/{STUDY}.1", f"/series/{STUDY}.2"]


def test_how_much_it_is_is_known_before_and_what_came_is_counted_to_the_byte(bringing):
    (plan,) = bringing.download.plan([STUDY])
    assert (plan.missing, plan.there) == (tuple(FILES), {})
    assert all(method == "HEAD" or "/instances" in path for method, path in bringing.house.asked if "dicom-web" in path)
    bringing.bring()
    assert abs(sum(bringing.moved) - plan.size) < 100, "the closing of one answer more"


def test_what_is_whole_is_not_brought_again(bringing):
    bringing.bring()
    brought = bringing.bring()
    assert (bringing.gets(), brought.files) == ([], {})
    (plan,) = bringing.download.plan([STUDY])
    assert (plan.missing, set(plan.there), plan.size) == ((), set(FILES), 0)


@pytest.mark.parametrize("content", [b"", b"half of it", sent(FILES[1]), sent(FILES[0])[:-1] + b"x"])
def test_a_file_that_is_another_than_the_servers_is_brought_again_alone(bringing, content):
    bringing.bring()
    bringing.folder.path(FILES[0]).write_bytes(content)
    bringing.bring()
    assert bringing.gets() == [f"/series/{FILES[0].series}/instances/{FILES[0].instance}"]
    assert bringing.files() == expected(*FILES)


def written(path):
    """Which file it is and when it was written; reading it is nothing."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def test_where_most_of_a_series_is_missing_it_comes_in_one_answer_and_what_was_there_stays(bringing):
    bringing.bring()
    for instance in FILES[1:3]:
        bringing.folder.path(instance).unlink()
    stays = written(bringing.folder.path(FILES[0]))
    bringing.moved.clear()
    brought = bringing.bring()
    assert (bringing.gets(), set(brought.files)) == ([f"/series/{STUDY}.1"], set(FILES[1:3]))
    assert written(bringing.folder.path(FILES[0])) == stays
    assert bringing.files() == expected(*FILES)
    assert 0 < sum(bringing.moved) - 2 * len(sent(FILES[0])) < 3 * 500, "two files, and what stands before three"


def test_a_link_in_the_folder_is_not_written_through(bringing, tmp_path):
    (others := tmp_path / "others").write_bytes(b"theirs")
    draft = bringing.folder.path(FILES[0]).with_name(f"{FILES[0].instance}.dcm.part")
    draft.parent.mkdir(parents=True)
    draft.symlink_to(others)
    (bringing.folder.top / "manifest.csv.part").symlink_to(others)
    bringing.folder.list_files(bringing.download.entries(bringing.bring().files))
    assert others.read_bytes() == b"theirs"
    assert not any(path.is_symlink() for path in bringing.folder.top.rglob("*"))
    assert bringing.files().items() >= expected(*FILES).items()


def test_an_answer_that_is_packed_otherwise_than_it_says_is_said(bringing):
    def answered(request, answer):
        if request.method != "GET" or "/instances" in request.url.path or "/series/" not in request.url.path:
            return answer
        headers = {"Content-Type": answer.headers["Content-Type"], "Content-Encoding": "gzip"}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"no gzip"))

    bringing.house.answered = answered
    assert set(bringing.bring().files) == set(FILES)


def test_an_answer_that_breaks_off_is_gone_on_with(bringing):
    bringing.house.answered = changed(
        lambda body: Cut(body[: body.index(b"\r\n--accord", 9) + 700]), times=2, where="series/[0-9.]*"
    )
    brought = bringing.bring()
    assert (brought.failed, set(brought.files)) == ({}, set(FILES))
    assert bringing.files() == expected(*FILES)
    assert len(bringing.gets()) > 2
    assert sum(bringing.moved) < sum(map(len, expected(*FILES).values())) + 6 * 500


def test_half_a_file_never_has_its_name(bringing, monkeypatch):
    monkeypatch.setattr(series_download, "CHUNK", 100)
    bringing.house.answered = changed(lambda body: Cut(body[:800]))
    brought = bringing.bring()
    assert (bringing.files(), set(brought.failed)) == ({}, set(FILES))
    assert set(brought.failed.values()) == {"The server's answer broke off, each time."}
    assert sum(bringing.moved) == 0


def test_an_object_without_the_digest_that_is_stated_is_asked_for_again(bringing):
    bringing.house.answered = changed(lambda body: body.replace(bytes(range(64)), bytes(64), 1), times=1)
    assert bringing.bring().failed == {}
    assert bringing.files() == expected(*FILES)


def test_an_object_that_never_has_its_digest_fails_and_no_other(bringing):
    bringing.house.answered = changed(lambda body: body.replace(sent(FILES[0]), sent(FILES[0])[:-1] + b"x"))
    brought = bringing.bring()
    assert brought.failed == {FILES[0]: "What came has not the digest that the server states."}
    assert bringing.files() == expected(*FILES[1:])


def test_what_is_refused_is_said_in_the_servers_words_and_stops_nothing_else(bringing):
    refused, unknown, plan = bringing.download.plan([OPEN, "1.2.99", STUDY])
    assert isinstance(refused, Refused)
    assert "does not let" in refused.sentence or "Questions:" in refused.sentence
    assert unknown == Refused("1.2.99", "There is no such study here, or none for you.")
    assert isinstance(plan, Plan)


def test_a_server_that_does_not_answer_is_said_once_and_not_for_each_study(bringing):
    bringing.house.before = lambda request: httpx.Response(503) if "/dicom-web/" in request.url.path else None
    with pytest.raises(Unavailable):
        bringing.download.plan([STUDY, *(f"1.2.99.{n}" for n in range(50))])
    assert len({path for _, path in bringing.house.asked}) <= 1 + 2 * 3, "a token; and what three studies are asked, of fifty"
    assert bringing.stopping.is_set()


def test_a_stop_of_the_agreement_ends_it_in_the_servers_words(own):
    plans = own.download.plan([STUDY])
    move_agreement(own.house.runtime, ACTOR, "DSA-LUNG", "suspend")
    brought = own.download.bring(plans, own.moved.append)
    assert (brought.files, set(brought.failed)) == ({}, set(FILES))
    assert own.house.pauses == [], "it is not asked again"


def test_of_a_series_with_a_damaged_object_the_others_are_brought(own):
    with own.house.runtime.store.write() as connection:
        damaged = in_care(own.house.runtime, FILES[0].instance).id
        custody.mark_damaged(connection, damaged, own.house.runtime.clock())
    (plan,) = own.download.plan([STUDY])
    assert (plan.size, len(plan.missing)) == (None, 6)
    brought = own.bring()
    assert list(brought.failed) == FILES[:1]
    assert "damaged" in brought.failed[FILES[0]]
    assert own.house.pauses == [10, 10], "it was asked twice how much it is; what is damaged is so at once"
    assert own.files() == expected(*FILES[1:])


def test_a_node_that_is_down_fails_once_and_not_once_for_each_object(bringing):
    down = httpx.Response(503, json={"title": "node-unavailable", "detail": "Node central does not answer."})
    bringing.house.before = lambda request: down if request.method == "GET" and "/series/" in request.url.path else None
    brought = bringing.bring()
    assert set(brought.failed.values()) == {"Node central does not answer."}
    assert Counter(bringing.gets()) == {f"/series/{STUDY}.{s}": 1 + len(accord_client.PAUSES) for s in (1, 2)}


@pytest.mark.parametrize("location", LOCATIONS)
def test_no_name_that_a_server_sends_leads_anywhere(bringing, tmp_path, location):
    other = rb"Content-Location: \S*"
    bringing.house.answered = changed(
        lambda body: re.sub(other, f"Content-Location: {location}".encode(), body), where=r"series/[0-9.]*\.1"
    )
    before = {path for path in tmp_path.rglob("*") if "taken" not in path.parts and "data" not in path.parts}
    brought = bringing.bring()
    assert set(brought.failed.values()) == {"The server sent an object that was not asked for."}
    assert set(bringing.files()) == set(expected(*FILES[3:]))
    assert {path for path in tmp_path.rglob("*") if "taken" not in path.parts and "data" not in path.parts} == before


def test_what_comes_without_a_digest_is_not_believed(bringing):
    bringing.house.answered = changed(lambda body: re.sub(rb"Repr-Digest: \S*\r\n", b"", body))
    brought = bringing.bring()
    assert set(brought.failed.values()) == {"The server does not say the digest of what it gives."}
    assert bringing.files() == {}


def test_a_server_that_sends_more_than_it_said_fills_no_disk(bringing, monkeypatch):
    monkeypatch.setattr(series_download, "MORE", 0)
    sizes, write = [], Arriving.write
    monkeypatch.setattr(Arriving, "write", lambda self, data: (sizes.append(len(data)), write(self, data))[1])
    end = b"\r\n--accord"
    bringing.house.answered = changed(lambda body: body.replace(end, bytes(10_000_000) + end))
    brought = bringing.bring()
    assert set(brought.failed.values()) == {"The server sends more than it said that there is."}
    assert (bringing.files(), sum(bringing.moved)) == ({}, 0)
    assert sum(sizes) < 1_000_000


def test_a_full_disk_ends_it_and_leaves_what_is_whole(bringing, monkeypatch):
    def full(_self, _data):
        raise Full("disk-full", "No room.")

    monkeypatch.setattr(Arriving, "write", full)
    with pytest.raises(Full):
        bringing.bring()
    assert bringing.files() == {}
    assert bringing.stopping.is_set()


def test_a_download_that_was_stopped_goes_on_where_it_was(bringing):
    def stop(request, answer):
        if request.url.path.endswith(f"/series/{STUDY}.2") and request.method == "GET":
            raise KeyboardInterrupt
        return answer

    bringing.house.answered = stop
    with pytest.raises(KeyboardInterrupt):
        bringing.bring()
    before = set(bringing.files())
    bringing.stopping.clear()
    bringing.house.answered = lambda _request, answer: answer
    (plan,) = bringing.download.plan([STUDY])
    assert {f"{i.study}/{i.series}/{i.instance}.dcm" for i in plan.there} == before
    bringing.bring()
    assert bringing.files() == expected(*FILES)


@pytest.mark.parametrize("chunk", [100, 1 << 18])
def test_whoever_is_stopped_reads_no_further(bringing, monkeypatch, chunk):
    monkeypatch.setattr(series_download, "CHUNK", chunk)
    plans = bringing.download.plan([STUDY])
    one_by_one = Download(Repository(bringing.client), bringing.folder, 1, bringing.stopping)
    brought = one_by_one.bring(plans, lambda _size: bringing.stopping.set())
    assert (brought.failed, len(brought.files)) == ({}, 3 if chunk > 10_000 else 0)
    assert not [name for name in bringing.files() if name.endswith(".part")]


def test_what_a_killed_download_left_is_written_over(bringing):
    draft = bringing.folder.path(FILES[0]).with_suffix(".dcm.part")
    draft.parent.mkdir(parents=True)
    draft.write_bytes(b"x" * 10_000)
    bringing.bring()
    assert bringing.files() == expected(*FILES)


def test_a_folder_takes_one_download_at_a_time(bringing):
    with bringing.folder.alone(), pytest.raises(Conflict, match="under way"), DownloadFolder(bringing.folder.top).alone():
        pass
    with bringing.folder.alone():
        pass


def test_the_manifest_lists_every_file_with_its_digest_and_dataset_and_keeps_what_was_there(bringing):
    for study in SHARED:
        brought = bringing.bring(study)
        bringing.folder.list_files(bringing.download.entries(brought.files))
    rows = list(csv.DictReader(bringing.files()["manifest.csv"].decode().splitlines()))
    assert len(rows) == 12
    assert {(row["dataset"], row["bytes"]) for row in rows} == {("LUNG", str(len(sent(FILES[0]))))}
    assert all((bringing.folder.top / row["path"]).is_file() for row in rows)
    bringing.folder.path(FILES[0]).unlink()
    bringing.folder.list_files([])
    assert len(bringing.folder.entries()) == 11


def test_what_is_no_manifest_is_none(bringing):
    bringing.folder.top.mkdir()
    for content in (b"", b"\xff\xfe", b"a,b\n", b'"' + b"x" * 200_000):
        (bringing.folder.top / "manifest.csv").write_bytes(content)
        assert bringing.folder.entries() == {}
