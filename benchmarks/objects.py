"""DICOM objects for the benchmarks: one sample slice, cut or repeated to size, under UIDs of their own.

All UIDs of a kind have one length, so that a file is made by replacing bytes, as fast as it is written.
"""

import io
import urllib.request
from collections.abc import Iterator

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from tqdm import tqdm

from benchmarks import world
from tests.builders import DICOM
from tests.servers import Orthanc

_ROOT = "1.2.826.0.1.3680043.10.1561"
_STUDY, _SERIES, _OBJECT = (f"{_ROOT}.{kind}.900000000000" for kind in (1, 2, 3))


def template(frames: int = 1, side: int = 512, *, states: bool = False) -> bytes:
    """A CT object of `frames` frames of side × side 16-bit pixels: 512 makes 526 kB, 64 makes 10 kB, a hundred frames 52 MB.

    `states`: it says that it is de-identified, for a door whose sender is not attested.
    """
    made = dcmread(DICOM / "ct/liver/01.dcm")
    if states:
        made.PatientIdentityRemoved, made.DeidentificationMethod = "YES", "by hand"
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = _STUDY, _SERIES, _OBJECT
    made.file_meta.MediaStorageSOPInstanceUID, made.file_meta.TransferSyntaxUID = _OBJECT, ExplicitVRLittleEndian
    made.Rows = made.Columns = side
    made.PixelData = made.PixelData[: 2 * side * side] * frames
    if frames > 1:
        made.NumberOfFrames = frames
    held = io.BytesIO()
    made.save_as(held, enforce_file_format=True)
    return held.getvalue()


def copies(of: bytes, start: int, count: int, studies: int = 1) -> Iterator[bytes]:
    """`count` objects numbered from `start`, in turn in each of `studies` studies of one series."""
    for number in range(start, start + count):
        study = start + number % studies
        changed = of
        for kind, value in ((_STUDY, study), (_SERIES, study), (_OBJECT, number)):
            changed = changed.replace(kind.encode(), f"{kind[:-9]}{value:09}".encode())
        yield changed


def uids(number: int) -> tuple[str, str, str]:
    """Study, series and object UID of the object that is first in its study."""
    study, series, instance = (f"{kind[:-9]}{number:09}" for kind in (_STUDY, _SERIES, _OBJECT))
    return study, series, instance


def fill(orthanc: Orthanc, count: int) -> None:
    """Give Orthanc `count` studies of one small object through its REST API."""
    small = template(side=64)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for made in tqdm(copies(small, 1, count, count), total=count, desc="Orthanc", unit="study", leave=False):
        asked = urllib.request.Request(f"{orthanc.url}/instances", made, world.basic(orthanc))  # noqa: S310 - loopback
        opener.open(asked, timeout=30).close()
