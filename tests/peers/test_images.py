"""What foreign clients find, read and store by DICOMweb is, bit for bit, what the samples hold."""

import shutil
from collections.abc import Callable, Iterable
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.encaps import generate_frames

from tests.builders import DICOM
from tests.peers.test_clients import Seen, said
from tests.peers.world import studies
from tests.running import Accord

NATIVE = dcmread(DICOM / "mr/emri_small.dcm")
JPEG = dcmread(DICOM / "us/us_multiframe_jpeg.dcm")
SLIDE = dcmread(DICOM / "sm/sm_image_jpegls.dcm")
SEGMENTS = dcmread(DICOM / "seg/seg_ct_binary.dcm")


def digests(contents: Iterable[bytes]) -> list[str]:
    return [sha256(each).hexdigest() for each in contents]


def pixels(file: bytes) -> bytes:
    return dcmread(BytesIO(file)).PixelData


def whole(file: bytes) -> bytes:
    return file


def served(site: Accord, deposit: Path, content: Callable[[bytes], bytes]) -> Seen:
    """What a client prints of them; of objects, their `content`."""
    named = f"/dicom-web/studies/{NATIVE.StudyInstanceUID}"
    frames = (NATIVE.pixel_array[number].tobytes() for number in range(NATIVE.NumberOfFrames))
    return {
        "paged": studies(site),
        "found": studies(site, "&ModalitiesInStudy=CT"),
        "metadata": [NATIVE.SOPInstanceUID],
        "bulk data": digests([NATIVE.PixelData]),
        "frames": digests(frames),
        "compressed": digests(generate_frames(JPEG.PixelData, number_of_frames=JPEG.NumberOfFrames)),
        "retrieved": digests([content(site.get(named, "provider", Accept="application/dicom").content)]),
        "stored": [dcmread(deposit).SOPInstanceUID],
        "kept": digests([content(deposit.read_bytes())]),
    }


def asked(site: Accord, deposit: Path) -> tuple[object, ...]:
    return site.base, site.token("provider"), NATIVE.StudyInstanceUID, JPEG.StudyInstanceUID, deposit, "OPEN"


def test_dicomweb_client_of_python_finds_reads_and_stores_images(site, python, deposit):
    expected = served(site, deposit, pixels)
    assert expected["retrieved"] == digests([NATIVE.PixelData])
    assert said(python("images", *asked(site, deposit))) == expected


def test_dicomweb_client_of_npm_finds_reads_and_stores_images_on_another_origin(site, node, page_port, deposit):
    expected = served(site, deposit, whole)
    seen = said(node("images", shutil.which("chromium"), page_port, *asked(site, deposit)))
    assert seen == expected | {"refused": []}


def test_dcmjs_dimse_echoes_and_stores(site, node, deposit):
    assert said(node("dimse", site.dimse_port, "STORESCU", "LIVER", deposit)) == {"echoed": ["0"], "stored": ["0"]}
    kept = site.get(f"/dicom-web/studies/{dcmread(deposit).StudyInstanceUID}", "provider", Accept="application/dicom")
    assert pixels(kept.content) == dcmread(deposit).PixelData


def test_wsidicom_reads_each_tile_of_a_slide(site, python):
    seen = said(python("slide", site.base, site.token("provider"), SLIDE.StudyInstanceUID, SLIDE.SeriesInstanceUID))
    tiles = SLIDE.pixel_array  # five by five, in rows
    joined = tiles.reshape(5, 5, 10, 10, 3).swapaxes(1, 2)
    assert seen == {
        "size": ["50", "50"],
        "tiles": digests(each.tobytes() for each in tiles),
        "region": digests([joined.tobytes()]),
    }


def test_highdicom_reads_a_segmentation_over_its_images(site, python):
    names = (SEGMENTS.StudyInstanceUID, SEGMENTS.SeriesInstanceUID, SEGMENTS.SOPInstanceUID)
    masks = sorted(digests(each.tobytes() for each in SEGMENTS.pixel_array))
    seen = said(python("segments", site.base, site.token("provider"), *names))
    assert seen == {"segments": ["first segment"], "masks": masks}
