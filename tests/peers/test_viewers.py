"""OHIF as its package has it, in Chromium on another origin, shows what the samples hold and is refused nothing.

It asks through `accord proxy`, since no viewer renews a token. What it shows is compared with the samples' own pixels.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread

from tests.builders import DICOM
from tests.peers.test_clients import Seen, said
from tests.running import COMMAND, TOP, Accord
from tests.servers import free_port

CT, RADIOGRAPH, SLIDE = (dcmread(DICOM / name) for name in ("ct/liver/01.dcm", "dx/dx_dog_thorax.dcm", "sm/sm_image_jpegls.dcm"))
LIVER = dcmread(DICOM / "seg/liver_seg.dcm")
VIEWS = {"segmented": ("viewer", CT), "radiograph": ("viewer", RADIOGRAPH), "slide": ("microscopy", SLIDE)}
Picture, Mask = NDArray[np.float64], NDArray[np.bool_]


@pytest.fixture(scope="module")
def proxied(site: Accord, page_port: int) -> Iterator[str]:
    """The address below which the provider's Accord is on loopback, for pages of that origin."""
    flags = ("--as", site.clients["provider"], "--port", free_port(), "--origin", f"http://127.0.0.1:{page_port}")
    command = [*COMMAND, "proxy", *map(str, flags)]
    with subprocess.Popen(command, cwd=TOP, env=site.environment, stdout=subprocess.PIPE, text=True) as proxy:
        yield proxy.stdout.readline().split()[-1].removesuffix("/dicom-web")
        proxy.terminate()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def seen(node: Callable, ohif: Path, proxied: str, page_port: int, pictures: Path) -> Seen:
    """What OHIF says; `pictures` has what it shows."""
    views = (f"{name}={mode}={shown.StudyInstanceUID}" for name, (mode, shown) in VIEWS.items())
    return said(node("ohif", ohif, shutil.which("chromium"), proxied, page_port, pictures, *views))


def read(path: Path, *, mode: str = "F") -> Picture:
    return np.asarray(Image.open(path).convert(mode), dtype=float)


def fitted(picture: Picture, like: Picture) -> Picture:
    """The middle of a viewport, where an image lies that is as large as fits in, at the size of that image."""
    (height, width), (rows, columns) = picture.shape, like.shape
    scale = min(height / rows, width / columns)
    top, left = (height - rows * scale) / 2, (width - columns * scale) / 2
    image = Image.fromarray(picture.astype("float32"))
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX, (left, top, width - left, height - top)), dtype=float)


def windowed(shown) -> Picture:
    """The pixels of a sample in its own window."""
    values = shown.pixel_array * float(shown.get("RescaleSlope", 1)) + float(shown.get("RescaleIntercept", 0))
    centre, width = float(shown.WindowCenter), float(shown.WindowWidth)
    grey = np.clip((values - centre) / width + 0.5, 0, 1) * 255
    return 255 - grey if shown.PhotometricInterpretation == "MONOCHROME1" else grey


def alike(one: Picture, other: Picture) -> float:
    """How they correlate: 1 for the same picture, 0 for a blank."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) if one.std() else 0.0


def overlap(one: Mask, other: Mask) -> float:
    """What two shapes, each as large as it can be, have in common of all that they cover."""
    one, other = boxed(one), boxed(other)
    return float((one & other).sum() / (one | other).sum())


def boxed(mask: Mask) -> Mask:
    (top, *_, bottom), (left, *_, right) = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cut = Image.fromarray(mask[top : bottom + 1, left : right + 1].astype("float32"))
    return np.asarray(cut.resize((128, 128), Image.Resampling.BOX)) > 0.5


def lit(line: Picture) -> tuple[int, int]:
    """Where something bright begins and ends in a line of a picture."""
    bright = np.flatnonzero(line.min(axis=1) > 150)
    return int(bright[0]), int(bright[-1]) + 1


def test_ohif_lists_every_study(site, seen):
    count = len(site.get("/dicom-web/studies?limit=1000", "provider", Accept="application/dicom+json").json())
    assert seen["listed"] == [f"1-{count} of {count}"]


def test_ohif_is_refused_nothing(seen):
    assert seen["refused"] == []


@pytest.mark.parametrize("name", ["segmented", "radiograph"])
def test_ohif_shows_an_image_in_its_window(seen, pictures, name):
    expected = windowed(VIEWS[name][1])
    assert alike(fitted(read(pictures / f"{name}.png"), expected), expected) > 0.95


def test_ohif_counts_the_segments_and_lays_them_over_their_image(seen, pictures):
    assert seen["segments"] == [f"1 {LIVER.SegmentSequence[0].SegmentLabel}"]
    sources = [frame.DerivationImageSequence[0].SourceImageSequence[0] for frame in LIVER.PerFrameFunctionalGroupsSequence]
    (of,) = [number for number, source in enumerate(sources) if source.ReferencedSOPInstanceUID == CT.SOPInstanceUID]
    red, _, blue = np.moveaxis(read(pictures / "segments.png", mode="RGB"), 2, 0)
    shares = [overlap(red - blue > 20, mask > 0) for mask in LIVER.pixel_array]
    assert np.argmax(shares) == of
    assert shares[of] > 0.99


def test_ohif_shows_the_tiles_of_a_slide(seen, pictures):
    tiled = SLIDE.pixel_array.reshape(5, 5, 10, 10, 3).swapaxes(1, 2).reshape(50, 50, 3)
    expected = np.rot90(tiled, 2).astype(float)  # it lies upside down: Image Orientation (Slide) is 0, -1, 0, -1, 0, 0
    picture = read(pictures / "slide.png", mode="RGB")
    height, width, _ = picture.shape
    (top, bottom), (left, right) = lit(picture[:, width // 2]), lit(picture[height // 2])
    shown = Image.fromarray(picture[top:bottom, left:right].astype("uint8")).resize((50, 50), Image.Resampling.BOX)
    assert alike(np.asarray(shown, dtype=float), expected) > 0.99
