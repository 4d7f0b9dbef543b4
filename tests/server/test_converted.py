"""Whole objects in another transfer syntax than they are stored in: values and UIDs are kept, and nothing is lost."""

from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adapters.identity import Keys
from mappings.failures import Busy
from server.usecases import convert
from server.usecases.batch import close_batch
from server.usecases.take import take
from server.web.context import conditional, respond
from tests import builders
from tests.house import CALLERS, House, build
from tests.server.test_pixels import parts, traces

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # of a sample; it is kept
EXPLICIT, STORED = f"; transfer-syntax={ExplicitVRLittleEndian}", "; transfer-syntax=*"
ALONE, RELATED = "application/dicom", 'multipart/related; type="application/dicom"'
PLAIN = {
    "implicit": "seg/seg_ct_binary.dcm",
    "deflated": "ct/syntaxes/ctimage_deflated.dcm",
    "big-endian": "mr/MR_small_bigendian.dcm",
}
COMPRESSED = {
    "rle": "mr/emri_small_rle.dcm",
    "rle of words": "rt/rtdose_rle.dcm",
    "jpeg-ls": "mr/emri_small_jpegls.dcm",
    "jpeg-ls in colour": "sm/sm_image_jpegls.dcm",
    "jpeg lossless": "ct/syntaxes/ctimage_jpeg_lossless_sv1.dcm",
    "jpeg 2000": "ct/pancreas_j2k.dcm",
}
UNCOMPRESSED = {
    "rle": "mr/emri_small.dcm",
    "rle of words": "rt/rtdose.dcm",
    "jpeg-ls": "mr/emri_small.dcm",
    "jpeg-ls in colour": "sm/sm_image.dcm",
    "jpeg lossless": "ct/syntaxes/ctimage_deflated.dcm",
}
"""Where the same picture is there uncompressed."""
LOSSY = {"jpeg": "ct/syntaxes/ctimage_jpeg_baseline.dcm"}
STUDY, SERIES = "1.2.77", "1.2.77.1"


def anonymous(name: str, number: int) -> bytes:
    """A sample as a file of this series, by its writer's own encoding, that says it is de-identified."""
    dataset = dcmread(BytesIO(builders.sample(name)))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{SERIES}.{number}"
    dataset.PatientName = dataset.PatientID = "P1"
    dataset.PatientIdentityRemoved, dataset.preamble = "YES", bytes(128)
    for keyword in (
        "PatientBirthDate",
        "OtherPatientIDs",
        "InstitutionName",
        "InstitutionAddress",
        "PatientAddress",
        "PatientTelephoneNumbers",
    ):
        dataset.pop(keyword, None)
    out = BytesIO()
    dataset.save_as(out)
    return out.getvalue()


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """(house, file of each by its kind): one study of them all."""
    made = build(tmp_path_factory.mktemp("house"), Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json"))
    batch = builders.batch(made.runtime, attested=True)
    files = {kind: anonymous(name, n) for n, (kind, name) in enumerate((PLAIN | COMPRESSED | LOSSY).items(), 1)}
    for kind, file in files.items():
        assert take(made.runtime, batch, kind, memoryview(file)).outcome == "pass", kind
    close_batch(made.runtime, batch.id)
    yield made, files
    made.runtime.close()


def ask(house: House, file: bytes | None, accept: str, method: str = "GET"):
    path = f"/dicom-web/studies/{STUDY}/series/{SERIES}"
    only = "" if file is None else f"/instances/{dcmread(BytesIO(file), stop_before_pixels=True).SOPInstanceUID}"
    return house.ask(method, f"{path}{only}", CALLERS["user"], headers={"Accept": accept})


def values(dataset: Dataset) -> list[tuple[str, ...]]:
    """Every element but pixel data and what its encoding alone says, and no group lengths."""
    pixels = {"PixelData", "PhotometricInterpretation", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"}
    return [(str(e.tag), str(e.VR), str(e.value)) for e in dataset if e.tag.element and e.keyword not in pixels]


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("named", ["", EXPLICIT])
def test_what_is_not_compressed_comes_in_explicit_little_endian_to_who_names_none(held, kind, named):
    house, files = held
    told = ask(house, files[kind], ALONE + named)
    assert (told.status_code, told.content_type) == (200, f"{ALONE}{EXPLICIT}")
    stored, sent = (dcmread(BytesIO(file)) for file in (files[kind], told.data))
    assert sent.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert values(sent) == values(stored)
    if "PixelData" in stored:
        assert (sent.pixel_array == stored.pixel_array).all()


@pytest.mark.parametrize("kind", COMPRESSED)
def test_what_is_compressed_without_loss_is_decoded_for_who_names_that(held, kind):
    house, files = held
    told = ask(house, files[kind], ALONE + EXPLICIT)
    assert (told.status_code, told.content_type) == (200, f"{ALONE}{EXPLICIT}")
    stored, sent = (dcmread(BytesIO(file)) for file in (files[kind], told.data))
    assert values(sent) == values(stored)
    if kind in UNCOMPRESSED:
        plain = dcmread(BytesIO(builders.sample(UNCOMPRESSED[kind])))
        assert sent.PixelData == plain.PixelData, "bit by bit"
        assert sent.PhotometricInterpretation == plain.PhotometricInterpretation
    else:
        assert (sent.pixel_array == stored.pixel_array).all()


@pytest.mark.parametrize("kind", [*PLAIN, *COMPRESSED, *LOSSY])
@pytest.mark.parametrize("named", [STORED, "own"])
def test_the_stored_bytes_are_there_for_who_takes_any_syntax_or_names_theirs(held, kind, named):
    house, files = held
    own = dcmread(BytesIO(files[kind]), stop_before_pixels=True).file_meta.TransferSyntaxUID
    told = ask(house, files[kind], ALONE + named.replace("own", f"; transfer-syntax={own}"))
    assert told.data == files[kind]
    assert told.headers["Repr-Digest"]


@pytest.mark.parametrize("kind", [*COMPRESSED, *LOSSY])
def test_what_is_compressed_comes_as_stored_to_who_names_no_syntax(held, kind):
    house, files = held
    assert ask(house, files[kind], ALONE).data == files[kind]


def test_what_lost_something_is_not_decoded_whoever_asks(held):
    house, files = held
    refused = ask(house, files["jpeg"], ALONE + EXPLICIT)
    assert (refused.status_code, refused.json["title"]) == (406, "not-acceptable")
    assert ask(house, None, RELATED + EXPLICIT).status_code == 406, "one that can't be had so is among them"


def test_each_of_several_says_its_syntax_and_length_and_its_digest_where_it_is_stored_so(held):
    house, files = held
    told = ask(house, None, RELATED)
    assert told.status_code == 200
    assert "Content-Length" not in told.headers, "it is made while it is sent"
    assert told.data.count(b"Repr-Digest") == len(COMPRESSED | LOSSY)
    for (kind, _, content), (name, file) in zip(parts(told), files.items(), strict=True):
        sent = dcmread(BytesIO(content))
        assert kind == f"{ALONE}; transfer-syntax={sent.file_meta.TransferSyntaxUID}"
        assert (content == file) is (name not in PLAIN)
        assert sent.SOPInstanceUID == dcmread(BytesIO(file)).SOPInstanceUID


def test_one_that_is_converted_says_its_length_and_has_a_tag_of_its_own(held):
    house, files = held
    file, before = files["implicit"], traces(house)
    asked = {accept: ask(house, file, ALONE + accept, "HEAD") for accept in (EXPLICIT, STORED)}
    assert (asked[EXPLICIT].status_code, asked[EXPLICIT].headers["Content-Type"]) == (200, f"{ALONE}{EXPLICIT}")
    assert "Content-Length" not in asked[EXPLICIT].headers, "it would have to be made"
    assert traces(house) == before
    told = ask(house, file, ALONE + EXPLICIT)
    assert int(told.headers["Content-Length"]) == len(told.data)
    assert "Repr-Digest" not in told.headers
    assert told.headers["ETag"] == asked[EXPLICIT].headers["ETag"] != asked[STORED].headers["ETag"]
    assert told.headers["ETag"].startswith("W/"), "another release may write it otherwise"
    held_already = {"Accept": ALONE + EXPLICIT, "If-None-Match": told.headers["ETag"]}
    again = house.ask("GET", told.request.path, CALLERS["user"], headers=held_already)
    assert (again.status_code, traces(house)) == (304, before + 1)


def test_a_range_of_what_is_converted_is_all_of_it(held):
    house, files = held
    path = ask(house, files["implicit"], ALONE, "HEAD").request.path
    told = house.ask("GET", path, CALLERS["user"], headers={"Accept": ALONE, "Range": "bytes=0-9"})
    assert (told.status_code, told.headers.get("Accept-Ranges")) == (200, None)
    ranged = house.ask("GET", path, CALLERS["user"], headers={"Accept": ALONE + STORED, "Range": "bytes=0-9"})
    assert (ranged.status_code, ranged.data) == (206, files["implicit"][:10])


@pytest.mark.parametrize("limit", ["MOST_FRAMES", "MOST_DECODED"])
def test_what_is_too_large_to_be_decoded_is_had_as_it_is_stored_only(held, monkeypatch, limit):
    house, files = held
    monkeypatch.setattr(convert, limit, 9)
    refused = ask(house, files["rle"], ALONE + EXPLICIT)
    assert (refused.status_code, refused.json["title"]) == (406, "not-converted")
    assert "transfer-syntax=*" in refused.json["detail"]


def test_a_frame_is_waited_for_while_others_are_drawn_and_not_for_ever(held, monkeypatch):
    house, files = held
    really, tries = house.runtime.pictures.draw, []

    def draw(*asked):
        tries.append(asked)
        if len(tries) < 3:
            raise Busy("busy", "All that can be drawn at once is being drawn.")
        return really(*asked)

    monkeypatch.setattr(convert, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(house.runtime.pictures, "draw", draw)
    assert ask(house, files["jpeg 2000"], ALONE + EXPLICIT).status_code == 200
    monkeypatch.setattr(convert, "PATIENCE_SECONDS", -1)
    tries.clear()
    assert ask(house, files["jpeg 2000"], ALONE + EXPLICIT).status_code == 503


def test_what_breaks_off_among_several_is_recorded_and_seen(held, monkeypatch):
    house, _ = held
    monkeypatch.setattr(convert, "MAX_INFLATED", -1)
    monkeypatch.setattr(convert, "inflate", lambda *_: iter([b"\x08"]))
    with pytest.raises(Exception, match="stored only"):
        ask(house, None, RELATED)
    house.runtime.accesses.flush()
    with house.runtime.store.read() as connection:
        last = connection.exec_driver_sql("SELECT status FROM access ORDER BY id DESC LIMIT 1").scalar_one()
    assert last == 500


def test_implicit_is_never_made_over_http(held):
    house, files = held
    assert ask(house, files["rle"], f"{ALONE}; transfer-syntax={ImplicitVRLittleEndian}").status_code == 406


@pytest.mark.parametrize("path", [f"/studies/{STUDY}", f"/studies/{STUDY}/series/{SERIES}"])
def test_who_holds_what_is_sent_otherwise_than_stored_is_told_so(held, path):
    """And who holds another gets it."""
    whole = held[0].ask("GET", f"/dicom-web{path}", CALLERS["user"])
    assert whole.status_code == 200, whole.json
    again, other = (
        held[0].ask("GET", f"/dicom-web{path}", CALLERS["user"], headers={"If-None-Match": tag})
        for tag in (whole.headers["ETag"], '"another"')
    )
    assert (again.status_code, again.data) == (304, b"")
    assert (other.status_code, len(other.data)) == (200, len(whole.data))


def test_a_condition_reads_nothing_of_what_streams(held):
    """Or a whole study would be in memory before its first byte is sent, for a header."""
    read: list[int] = []
    with held[0].flask.test_request_context(headers={"If-Modified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"}):
        answer = conditional(respond(read.append(n) or b"x" for n in range(3)), "tag")
    assert (read, answer.status_code) == ([], 200)
