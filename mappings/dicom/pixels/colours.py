"""The ICC profile of a picture's colours (PS3.18 §8.3.5.1.5): the object's own, or sRGB's with its colours turned into these."""

import struct
from io import BytesIO

from PIL import Image, ImageCms

from mappings.dicom.pixels.attributes import undecodable

MAX_PROFILE = 4 * 1024 * 1024
"""Bytes of an object's profile that is used."""
_MOMENT = slice(24, 36)


def profiled(picture: Image.Image, asked: str, own: memoryview) -> tuple[Image.Image, bytes | None]:
    """The picture with the colours that are asked for (no, yes, srgb), and the profile that says them; None for grey or no.

    Colours that the object has no profile of are sRGB's, which is what screens take them for. Raises NotAcceptable where a
    profile is none.
    """
    if asked == "no" or picture.mode != "RGB":
        return picture, None
    if not own:
        return picture, _written(_srgb())
    if len(own) > MAX_PROFILE:
        raise undecodable(f"its colour profile has more than {MAX_PROFILE >> 20} MB")
    if asked == "yes":
        return picture, bytes(own)
    try:
        turned = ImageCms.profileToProfile(picture, BytesIO(own), _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as broken:
        raise undecodable("its colour profile is none") from broken
    return turned or picture, _written(_srgb())


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _written(profile: ImageCms.ImageCmsProfile) -> bytes:
    """Its bytes, without the moment at which it was made: of the same frame the same picture is made (ICC.1 section 7.2.8)."""
    made = profile.tobytes()
    return made[: _MOMENT.start] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + made[_MOMENT.stop :]
