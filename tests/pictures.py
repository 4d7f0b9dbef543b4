"""Data sets with pixels, made in a test or from samples, and the pictures that are made of them, as arrays."""

from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from mappings.dicom.part10 import read_part10
from mappings.dicom.pixels.drawing import Drawing
from mappings.dicom.pixels.picture import draw, find
from tests.builders import DICOM as SAMPLES

IMPLICIT, RLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"
EXPLICIT, BASELINE, J2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"


def sample(name, frame=1, **options):
    opened = read_part10(memoryview((SAMPLES / name).read_bytes()))
    return picture(opened.dataset, opened.transfer_syntax, frame, **options)


def picture(dataset, syntax, frame=1, **options):
    return np.asarray(Image.open(BytesIO(render(dataset, syntax, frame, **options))))


def render(dataset, syntax, frame=1, *, asked=None, **options):
    """The picture's bytes; the lengths of what was asked for are added to `asked`."""

    def fill(start, buffer):
        piece = dataset[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        if asked is not None:
            asked.append(len(buffer))
        return len(piece)

    return draw(find(Drawing(syntax, len(dataset), frame=frame, **{"media_type": "image/png"} | options), fill))


def encoded(pixels=None, syntax=EXPLICIT, **values):
    """A data set of these attributes; `pixels` gives size, bits and bytes."""
    dataset = Dataset()
    if pixels is not None:
        bits, colour = pixels.dtype.itemsize * 8, pixels.ndim == 3
        given = {
            "SamplesPerPixel": 3 if colour else 1,
            "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
            "Rows": pixels.shape[0],
            "Columns": pixels.shape[1],
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": bits - 1,
            "PixelRepresentation": int(pixels.dtype.kind == "i"),
            "PixelData": pixels.tobytes() + b"\0" * (pixels.nbytes % 2),
        } | ({"PlanarConfiguration": 0} if colour else {})
        values = given | values
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
        dataset["PixelData"].is_undefined_length = syntax not in {IMPLICIT, EXPLICIT}
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, syntax == IMPLICIT
    write_dataset(buffer, dataset)
    return memoryview(buffer.getvalue())


def item(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def shown(values, **attributes):
    return picture(encoded(np.array([values]), **attributes), EXPLICIT)[0].tolist()
