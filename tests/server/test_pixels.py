"""Frames and bulk data through their door: the stored bytes of each, as viewers ask for them, and each a use."""

from dataclasses import replace
from io import BytesIO

import pydicom
import pytest
from pydicom.encaps import encapsulate
from sqlalchemy import func, select

from adapters.identity import Keys
from adapters.nodes.folder import FolderNode
from adapters.sql import tables as t
from server.usecases.batch import close_batch
from server.usecases.client import set_client
from server.usecases.take import take
from tests import builders
from tests.house import CALLERS, SAMPLE, House, build

OCTETS = {"Accept": "application/octet-stream"}
OHIF = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}
PIXELS = pydicom.dcmread(BytesIO(builders.sample(SAMPLE)))
SIZE = PIXELS.Rows * PIXELS.Columns * PIXELS.BitsAllocated // 8
FRAMES = [PIXELS.PixelData[n * SIZE : (n + 1) * SIZE] for n in range(int(PIXELS.NumberOfFrames))]


@pytest.fixture
def house(tmp_path):
    made = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    yield made
    made.runtime.close()


@pytest.fixture
def opened(monkeypatch):
    """The pieces that a node was asked for: (start, length)."""
    pieces, really = [], FolderNode.open

    def open_(self, place, size, start=0, length=None):
        pieces.append((start, length))
        return really(self, place, size, start, length)

    monkeypatch.setattr(FolderNode, "open", open_)
    return pieces


def instance(house: House) -> str:
    return f"/dicom-web/studies/{house.study}/series/{house.series}/instances/{house.instance}"


def ask(house: House, path: str, headers=OCTETS, who: str = "user", method: str = "GET"):
    return house.ask(method, f"{instance(house)}/{path}", CALLERS[who], headers=headers)


def traces(house: House) -> int:
    house.runtime.accesses.flush()
    with house.runtime.store.read() as connection:
        return connection.execute(select(func.count()).select_from(t.access)).scalar_one()


def parts(response) -> list[tuple[str, str, bytes]]:
    """(type, location, bytes) of each part, read as Cornerstone does: by the boundary that the first line has."""
    boundary = response.headers["Content-Type"].partition("boundary=")[2].encode()
    found = []
    for each in response.data.split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = each.partition(b"\r\n\r\n")
        said = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert int(said["Content-Length"]) == len(content)
        found.append((said["Content-Type"], said["Content-Location"], content))
    return found


@pytest.mark.parametrize("number", [1, len(FRAMES)])
def test_a_frame_alone_is_its_own_bytes(house, number):
    before = traces(house)
    told = ask(house, f"frames/{number}")
    assert (told.status_code, told.data) == (200, FRAMES[number - 1])
    assert told.headers["Content-Type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert (int(told.headers["Content-Length"]), traces(house)) == (SIZE, before + 1)


def test_a_list_of_frames_comes_in_its_order(house):
    told = ask(house, "frames/3,1,2", OHIF)
    assert [content for _, _, content in parts(told)] == [FRAMES[2], FRAMES[0], FRAMES[1]]
    assert [where.rpartition("/frames/")[2] for _, where, _ in parts(told)] == ["3", "1", "2"]
    assert all(kind.endswith("transfer-syntax=1.2.840.10008.1.2.1") for kind, _, _ in parts(told))


@pytest.mark.parametrize(
    ("path", "status", "headers"),
    [
        (f"frames/{len(FRAMES) + 1}", 404, OCTETS),
        (f"frames/1,{len(FRAMES) + 1}", 404, OHIF),
        ("frames/9999999999", 404, OCTETS),
        ("frames/0", 400, OCTETS),
        ("frames/-1", 400, OCTETS),
        ("frames/1,,2", 400, OHIF),
        ("frames/1%2C2%0d%0aX:", 400, OHIF),
        ("frames/" + ",".join(["1"] * 1001), 400, OHIF),
        ("frames/1,2", 406, OCTETS),
        ("frames/1", 406, {"Accept": "image/jls"}),
        ("bulkdata/00420011", 404, OCTETS),
        ("bulkdata/7fe00010", 404, OCTETS),
        ("bulkdata/../frames/1", 404, OCTETS),
        ("bulkdata/7FE00010", 406, {"Accept": "application/pdf"}),
    ],
)
def test_what_there_is_not_is_refused_in_its_own_words_and_is_no_use(house, path, status, headers):
    before = traces(house)
    told = ask(house, path, headers)
    assert (told.status_code, told.content_type, traces(house)) == (status, "application/problem+json", before)


def test_pixel_data_is_bulk_data_whole_or_in_ranges(house):
    whole = ask(house, "bulkdata/7FE00010")
    assert whole.data == PIXELS.PixelData
    part = ask(house, "bulkdata/7FE00010", OCTETS | {"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, PIXELS.PixelData[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(PIXELS.PixelData)}"


@pytest.mark.parametrize("path", ["frames/2", "bulkdata/7FE00010", "bulkdata/00080018"])
@pytest.mark.parametrize("more", [{"Range": "bytes=99999999-"}, {"If-Match": '"another"'}], ids=["range", "condition"])
def test_what_brings_no_byte_is_no_use(house, path, more):
    size, before = int(ask(house, path).headers["Content-Length"]), traces(house)
    refused = ask(house, path, OCTETS | more)
    if "Range" in more:
        assert (refused.status_code, refused.headers["Content-Range"]) == (416, f"bytes */{size}")
        assert refused.json["title"] == "range-unsatisfiable"
    else:
        assert (refused.status_code, refused.data) == (412, b"")
    assert traces(house) == before


def test_a_range_of_a_large_value_is_read_alone(house, opened):
    large = bytes(range(256)) * 4 * 8192  # eight blocks
    path = deposit(house, "1.2.840.99.2", PixelData=large, NumberOfFrames=1, Rows=2048, Columns=2048)
    opened.clear()
    told = house.ask("GET", f"{path}/bulkdata/7FE00010", CALLERS["user"], headers=OCTETS | {"Range": "bytes=5000000-5000999"})
    assert (told.status_code, told.data) == (206, large[5_000_000:5_001_000])
    assert told.headers["Content-Range"] == f"bytes 5000000-5000999/{len(large)}"
    assert sum(length for _, length in opened) <= 3 << 20, "its beginning, and the blocks in which the range lies"


def test_a_value_behind_another_that_is_large_is_found(house):
    """Its place can't be told from the first bytes of the file, so all of it is read."""
    large = bytes(range(256)) * 4 * 8192
    path = deposit(house, "1.2.840.99.3", EncapsulatedDocument=large * 3)
    told = house.ask("GET", f"{path}/bulkdata/7FE00010", CALLERS["user"], headers=OCTETS | {"Range": "bytes=10-19"})
    assert (told.status_code, told.data) == (206, PIXELS.PixelData[10:20])


def deposit(house: House, uid: str, **values: object) -> str:
    """The path of the sample with another UID, and values, in the same series."""
    dataset = pydicom.dcmread(BytesIO(builders.sample(SAMPLE)))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    out = BytesIO()
    dataset.save_as(out)
    batch = builders.batch(house.runtime)
    assert take(house.runtime, batch, "deposit", memoryview(out.getvalue())).outcome == "pass"
    close_batch(house.runtime, batch.id)
    return f"{instance(house).rpartition('/')[0]}/{uid}"


@pytest.mark.parametrize("path", ["frames/2", "bulkdata/7FE00010"])
def test_a_range_is_brought_under_a_tag_and_only_of_what_is_meant(house, path):
    tag, ranged = ask(house, path).headers["ETag"], OCTETS | {"Range": "bytes=1-2"}
    part = ask(house, path, ranged | {"If-Range": tag})
    assert (part.status_code, part.headers["ETag"], len(part.data)) == (206, tag, 2)
    assert ask(house, path, ranged | {"If-Range": '"another"'}).status_code == 200
    assert ask(house, path, ranged | {"If-Match": '"another"'}).status_code == 412


def test_every_address_of_bulk_data_in_the_metadata_leads_there(house):
    metadata = house.ask("GET", f"{instance(house)}/metadata", CALLERS["user"]).json[0]
    told = dict(addresses(metadata))
    assert "7FE00010" in told
    for address in told.values():
        found = house.ask("GET", address.removeprefix(house.runtime.settings.base_url), CALLERS["user"], headers=OCTETS)
        assert found.status_code == 200
        assert found.data


def addresses(item: dict):
    for name, member in item.items():
        if "BulkDataURI" in member:
            yield name, member["BulkDataURI"]
        for value in member.get("Value", ()):
            if member["vr"] == "SQ":
                yield from addresses(value)


def test_who_only_looks_leaves_no_trace_and_opens_no_node(house, opened):
    tag = ask(house, "frames/1").headers["ETag"]
    before, pieces = traces(house), len(opened)
    looked = [ask(house, path, method="HEAD") for path in ("frames/1", "bulkdata/7FE00010")]
    assert [(told.status_code, told.data) for told in looked] == [(200, b"")] * 2
    held = ask(house, "frames/1", OCTETS | {"If-None-Match": tag})
    assert (held.status_code, held.data) == (304, b"")
    assert (traces(house), len(opened)) == (before, pieces)
    assert ask(house, "frames/2", OCTETS | {"If-None-Match": tag}).data == FRAMES[1]


@pytest.mark.parametrize("path", ["frames/1", "bulkdata/7FE00010"])
@pytest.mark.parametrize(("who", "status"), [("anonymous", 401), ("other-provider", 404), ("provider", 200), ("inside", 403)])
def test_frames_and_bulk_data_are_had_by_who_may_have_the_object(tmp_path, path, who, status):
    made = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"), actions=("query", "export"))
    assert ask(made, path, who=who).status_code == status
    made.runtime.close()


def test_a_frame_of_a_large_object_is_read_alone(house, opened):
    dataset = pydicom.dcmread(BytesIO(builders.sample(SAMPLE)))
    streams = [bytes([255, 79, n]) + bytes(399_997) for n in range(6)]
    dataset.PixelData, dataset.NumberOfFrames = encapsulate(streams), 6
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.840.99.1"
    out = BytesIO()
    dataset.save_as(out)
    batch = builders.batch(house.runtime)
    assert take(house.runtime, batch, "large", memoryview(out.getvalue())).outcome == "pass"
    close_batch(house.runtime, batch.id)
    opened.clear()
    path = f"{instance(house).rpartition('/')[0]}/1.2.840.99.1/frames/5"
    told = house.ask("GET", path, CALLERS["user"], headers={"Accept": "image/jp2"})
    assert (told.status_code, told.data) == (200, streams[4])
    assert [length for _, length in opened] == [400_008]


# --- viewers: frames, and what is drawn over images, are looked at

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def drawn_over(house: House) -> str:
    """The path of a segmentation in the same dataset."""
    batch = builders.batch(house.runtime)
    file = builders.made("1.2.9.1", study="1.2.9", SOPClassUID=SEGMENTATION, Modality="SEG")
    assert take(house.runtime, batch, "segmentation", file).outcome == "pass"
    close_batch(house.runtime, batch.id)
    return "/dicom-web/studies/1.2.9/series/1.2.9.1/instances/1.2.9.1"


@pytest.fixture
def looked_at(tmp_path, request):
    """A house whose provider agreed to looking and not to taking; its researcher is a viewer."""
    made = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"), actions=("query",), **getattr(request, "param", {}))
    set_client(made.runtime, builders.ACTOR, "researcher", viewer=True)
    yield made
    made.runtime.close()


def views(house: House) -> int:
    house.runtime.accesses.flush()
    with house.runtime.store.read() as connection:
        return connection.execute(select(func.count()).where(t.access.c.action == "view")).scalar_one()


@pytest.mark.parametrize("path", ["frames/1", "frames/1,2", "bulkdata/7FE00010"])
def test_a_viewer_is_shown_parts_of_images_as_a_view(looked_at, path):
    assert ask(looked_at, path, OHIF).status_code == 200
    assert views(looked_at) == 1
    assert ask(looked_at, path, OHIF, method="HEAD").status_code == 200
    assert views(looked_at) == 1


def test_a_viewer_is_given_what_is_drawn_over_images_whole_and_no_image(looked_at):
    path, form = drawn_over(looked_at), {"Accept": "application/dicom; transfer-syntax=*"}
    for count, (more, status) in enumerate([({}, 200), ({"Range": "bytes=0-9"}, 206)], 1):
        given = looked_at.ask("GET", path, CALLERS["user"], headers=form | more)
        assert (given.status_code, views(looked_at)) == (status, count)
    image = looked_at.ask("GET", instance(looked_at), CALLERS["user"], headers=form)
    assert (image.status_code, image.json["title"]) == (403, "no-download")


@pytest.mark.parametrize("looked_at", [{"visibility": "preview"}, {"visibility": "none"}], indirect=True)
def test_a_viewer_is_shown_no_more_than_the_provider_lets_people_see(looked_at):
    assert ask(looked_at, "frames/1").status_code == 403
    assert looked_at.ask("GET", drawn_over(looked_at), CALLERS["user"]).status_code == 403


@pytest.mark.parametrize("looked_at", [{"purposes": ("AIRESEARCH", "AITRAIN")}], indirect=True)
def test_looking_is_for_research_and_for_viewers(looked_at):
    training = replace(CALLERS["user"], purpose="AITRAIN")
    told = looked_at.ask("GET", f"{instance(looked_at)}/frames/1", training, headers=OCTETS)
    assert (told.status_code, told.json["title"]) == (403, "no-download")
    set_client(looked_at.runtime, builders.ACTOR, "researcher", viewer=False)
    assert ask(looked_at, "frames/1").status_code == 403


# --- decoded, for who takes no other


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    """A house that holds the same image uncompressed and compressed without loss: (house, stored SOP Instance UID of each)."""
    made = build(tmp_path_factory.mktemp("house"), Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json"))
    batch, held = builders.batch(made.runtime), {}
    for number, name in enumerate(("mr/emri_small_rle.dcm", "mr/emri_small_jpegls.dcm"), 1):
        dataset = pydicom.dcmread(BytesIO(builders.sample(name)))
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.840.98.{number}"
        out = BytesIO()
        dataset.save_as(out)
        assert take(made.runtime, batch, name, memoryview(out.getvalue())).outcome == "pass"
        held[name] = f"{instance(made).rpartition('/')[0]}/1.2.840.98.{number}"
    close_batch(made.runtime, batch.id)
    yield made, held
    made.runtime.close()


@pytest.mark.parametrize("name", ["mr/emri_small_rle.dcm", "mr/emri_small_jpegls.dcm"])
@pytest.mark.parametrize("accept", ["application/octet-stream", "multipart/related; type=application/octet-stream"])
def test_a_frame_compressed_without_loss_is_decoded_for_who_takes_no_other(compressed, name, accept):
    house, held = compressed
    told = house.ask("GET", f"{held[name]}/frames/2", CALLERS["user"], headers={"Accept": accept})
    assert told.status_code == 200, told.json
    content = told.data if "multipart" not in accept else parts(told)[0][2]
    assert content == FRAMES[1]
    assert "transfer-syntax=1.2.840.10008.1.2.1" in (told.content_type if "multipart" not in accept else parts(told)[0][0])


def test_pixel_data_compressed_without_loss_is_decoded_frame_by_frame(compressed):
    house, held = compressed
    path = f"{held['mr/emri_small_rle.dcm']}/bulkdata/7FE00010"
    told = house.ask("GET", path, CALLERS["user"], headers={"Accept": "multipart/related; type=application/octet-stream"})
    assert [content for _, _, content in parts(told)] == FRAMES
