"""What foreign clients find, read and store by DICOMweb is, bit for bit, what the samples hold."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames

from tests.builders import DICOM
from tests.peers.test_clients import Seen, said
from tests.peers.world import OWN, settle
from tests.running import Accord, image

NATIVE = dcmread(DICOM / "mr/emri_small.dcm")
JPEG = dcmread(DICOM / "us/us_multiframe_jpeg.dcm")
SLIDE = dcmread(DICOM / "sm/sm_image_jpegls.dcm")
SEGMENTS = dcmread(DICOM / "seg/seg_ct_binary.dcm")


def digests(contents: Iterable[bytes]) -> list[str]:
    return [sha256(each).hexdigest() for each in contents]


def studies(site: Accord, question: str = "") -> list[str]:
    found = site.get(f"/dicom-web/studies?limit=1000{question}", "provider", Accept="application/dicom+json").json()
    return sorted(each["0020000D"]["Value"][0] for each in found)


@pytest.fixture
def deposit(tmp_path: Path, site: Accord) -> Iterable[Path]:
    """A new object of a study of its own; the world is at rest again when its test has ended."""
    path = tmp_path / "new.dcm"
    path.write_bytes(image(f"{OWN}.4.{len(studies(site))}", "OWN-4", StudyDate="20240101"))
    yield path
    settle(site)


def served(site: Accord, deposit: Path) -> Seen:
    new, count = dcmread(deposit), NATIVE.NumberOfFrames
    return {
        "paged": studies(site),
        "found": studies(site, "&ModalitiesInStudy=CT"),
        "metadata": [NATIVE.SOPInstanceUID],
        "bulk data": digests([NATIVE.PixelData]),
        "frames": digests(NATIVE.pixel_array[number].tobytes() for number in range(count)),
        "compressed": digests(generate_frames(JPEG.PixelData, number_of_frames=JPEG.NumberOfFrames)),
        "retrieved": digests([NATIVE.PixelData]),
        "stored": [new.SOPInstanceUID],
        "kept": digests([new.PixelData]),
    }


def asked(site: Accord, deposit: Path) -> tuple[object, ...]:
    return site.base, site.token("provider"), NATIVE.StudyInstanceUID, JPEG.StudyInstanceUID, deposit, "OPEN"


def by_python(site: Accord, program: Callable, deposit: Path) -> Seen:
    return said(program("python")("images", *asked(site, deposit)))


@pytest.mark.parametrize("client", [by_python])
def test_a_client_finds_reads_and_stores_images(site, request, deposit, client):
    expected = served(site, deposit)
    assert client(site, request.getfixturevalue, deposit) == expected


def test_wsidicom_reads_each_tile_of_a_slide(site, python):
    seen = said(python("slide", site.base, site.token("provider"), SLIDE.StudyInstanceUID, SLIDE.SeriesInstanceUID))
    tiles = SLIDE.pixel_array  # five by five, in rows
    whole = tiles.reshape(5, 5, 10, 10, 3).swapaxes(1, 2)
    assert seen == {
        "size": ["50", "50"],
        "tiles": digests(each.tobytes() for each in tiles),
        "region": digests([whole.tobytes()]),
    }


def test_highdicom_reads_a_segmentation_over_its_images(site, python):
    names = (SEGMENTS.StudyInstanceUID, SEGMENTS.SeriesInstanceUID, SEGMENTS.SOPInstanceUID)
    masks = sorted(digests(each.tobytes() for each in SEGMENTS.pixel_array))
    seen = said(python("segments", site.base, site.token("provider"), *names))
    assert seen == {"segments": ["first segment"], "masks": masks}
