"""What our own parser leans on inside pydicom, some of it private there: a release that moves or reshapes one is seen here."""

import codecs

from pydicom import charset
from pydicom._dicom_dict import DicomDictionary
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import dictionary_VR


def test_the_public_dictionary_gives_a_vr_first_by_the_whole_tag():
    assert DicomDictionary[0x00100010][0] == "PN"
    assert DicomDictionary[0x00280106][0] == "US or SS"
    assert len(DicomDictionary) > 5000
    assert all(isinstance(tag, int) and isinstance(entry[0], str) for tag, entry in DicomDictionary.items())


def test_private_dictionaries_give_a_vr_first_by_creator_and_tag_with_its_block_as_xx():
    entries = private_dictionaries["GEMS_IDEN_01"]
    assert entries["0009xx01"][0] == "LO"
    assert all(len(tag) == 8 for creator in private_dictionaries.values() for tag in creator)


def test_repeating_groups_are_looked_up_by_their_first_member():
    assert dictionary_VR(0x60003000) in ("OB or OW", "OW")
    assert dictionary_VR(0x60000010) == "US"


def test_the_character_sets_are_tables_of_python_codecs():
    assert charset.default_encoding == "iso8859"
    assert charset.python_encoding["ISO_IR 100"] == "latin_1"
    assert charset.python_encoding["ISO 2022 IR 87"] == "iso2022_jp"
    assert charset.CODES_TO_ENCODINGS[b"\x1b$B"] == "iso2022_jp"
    assert "iso2022_jp" in charset.handled_encodings
    assert all(codecs.lookup(name) for name in {*charset.python_encoding.values(), *charset.CODES_TO_ENCODINGS.values()})
