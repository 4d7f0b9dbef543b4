"""In which form frames are sent: what viewers and libraries of the field ask for, as they write it."""

import pytest

from mappings.dicom.pixel_media import EXPLICIT, OCTETS, PixelForm, choose_pixels
from mappings.failures import NotAcceptable

IMPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
JPEG, LOSSLESS, JLS, J2K, RLE, HTJ2K = (f"1.2.840.10008.1.2.{n}" for n in ("4.50", "4.70", "4.80", "4.90", "5", "4.201"))
OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
WSIDICOM = f'multipart/related; type="image/x-dicom-rle"; transfer-syntax={RLE}'
TWICE = 'multipart/related; type="image/jls"; transfer-syntax="1.2.840.10008.1.2.4.80"; transfer-syntax="*"'


@pytest.mark.parametrize(
    ("accept", "stored", "expected"),
    [
        ("", EXPLICIT, (OCTETS, EXPLICIT, True)),
        ("", IMPLICIT, (OCTETS, EXPLICIT, True)),
        ("", DEFLATED, (OCTETS, EXPLICIT, True)),
        ("*/*", J2K, ("image/jp2", J2K, True)),
        ('multipart/related; type="*/*"', J2K, ("image/jp2", J2K, True)),
        ("multipart/related", RLE, ("image/dicom-rle", RLE, True)),
        (WSIDICOM, RLE, ("image/x-dicom-rle", RLE, True)),
        (OHIF, JPEG, (OCTETS, JPEG, True)),
        (OHIF, HTJ2K, (OCTETS, HTJ2K, True)),
        (OHIF, IMPLICIT, (OCTETS, EXPLICIT, True)),
        (TWICE, JLS, ("image/jls", JLS, True)),
        (f"image/jpeg, {TWICE}", JLS, ("image/jls", JLS, True)),
        ("application/octet-stream; transfer-syntax=*", JPEG, (OCTETS, JPEG, False)),
        (f'multipart/related; type="image/jpeg"; transfer-syntax={LOSSLESS}', LOSSLESS, ("image/jpeg", LOSSLESS, True)),
        ("image/jpeg", JPEG, ("image/jpeg", JPEG, False)),
        ("image/*", JPEG, ("image/jpeg", JPEG, False)),
        ("application/octet-stream", EXPLICIT, (OCTETS, EXPLICIT, False)),
        ("multipart/related; type=application/octet-stream", J2K, (OCTETS, EXPLICIT, True)),
        (f"multipart/related; type=application/octet-stream; transfer-syntax={EXPLICIT}", RLE, (OCTETS, EXPLICIT, True)),
        ("application/octet-stream", JLS, (OCTETS, EXPLICIT, False)),
        (f"application/octet-stream; transfer-syntax={EXPLICIT}, image/jls; q=0.5", JLS, (OCTETS, EXPLICIT, False)),
        ("application/octet-stream; q=0.5, multipart/related; q=0.4", EXPLICIT, (OCTETS, EXPLICIT, False)),
        ("application/octet-stream; transfer-syntax=*;q=0.1, */*", J2K, ("image/jp2", J2K, True)),
    ],
)
def test_what_is_stored_is_sent_in_a_form_that_is_asked_for(accept, stored, expected):
    assert choose_pixels(accept, stored, alone=True) == PixelForm(*expected)


@pytest.mark.parametrize(
    ("accept", "stored"),
    [
        ("multipart/related; type=application/octet-stream", JPEG),
        ("application/octet-stream", JPEG),
        (f"multipart/related; type=image/jpeg; transfer-syntax={LOSSLESS}", JPEG),
        ("image/jpeg", J2K),
        ("image/png", EXPLICIT),
        ("application/dicom", EXPLICIT),
        (f"application/octet-stream; transfer-syntax={JPEG}", EXPLICIT),
    ],
)
def test_another_form_than_the_stored_one_is_refused(accept, stored):
    with pytest.raises(NotAcceptable):
        choose_pixels(accept, stored, alone=True)


def test_several_are_no_body_of_their_own():
    assert choose_pixels("*/*", EXPLICIT, alone=False).multipart
    with pytest.raises(NotAcceptable):
        choose_pixels("application/octet-stream", EXPLICIT, alone=False)


def test_bulk_data_that_is_no_code_stream_is_octets_whatever_its_object_is_stored_in():
    assert choose_pixels("*/*", J2K, alone=True, compressed=False) == PixelForm(OCTETS, EXPLICIT, multipart=True)
