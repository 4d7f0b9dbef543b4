"""Text is decoded as its data set says, and whatever it says, nothing is raised."""

import codecs

import pytest
from pydicom.charset import python_encoding

from mappings.dicom.charsets import DEFAULT_ENCODINGS, decode, encodings_of


def test_text_that_cannot_be_decoded_is_replaced_and_nothing_is_raised():
    assert decode(b"\xff\xfe", "LO", encodings_of(b"ISO_IR 192")) == "\ufffd\ufffd"
    assert decode(b"M\xfcller", "PN", encodings_of(b"ISO-IR 100")) == "Müller"
    assert decode(b"a\x1b$Bxx\x1b%Zy", "PN", encodings_of(b"no such set")).startswith("a")


def test_an_empty_character_set_is_the_default_repertoire():
    assert encodings_of(b"") == encodings_of(b"  ") == DEFAULT_ENCODINGS


@pytest.mark.parametrize("term", python_encoding)
def test_every_character_set_of_the_standard_has_a_codec(term):
    assert codecs.lookup(encodings_of(term.encode())[0])
