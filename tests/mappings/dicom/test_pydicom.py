"""What is leaned on inside pydicom, named and checked: a release that moves or reshapes it fails here, not on a file."""

import ast
import codecs
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom._private_dict import private_dictionaries
from pydicom.charset import CODES_TO_ENCODINGS, default_encoding, handled_encodings, python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import RLELossless
from pydicom.valuerep import VR

from mappings.dicom.dictionary import private_vr, resolve

HOUSE = Path(__file__).parents[3]
ROOMS = ("consent", "mappings", "adapters", "server")
DOCUMENTED = {"pydicom", "pydicom.config", "pydicom.datadict", "pydicom.dataset", "pydicom.encaps", "pydicom.uid"}
INSIDE = {
    "pydicom._dicom_dict": {"DicomDictionary"},
    "pydicom._private_dict": {"private_dictionaries"},
    "pydicom.charset": {"CODES_TO_ENCODINGS", "default_encoding", "handled_encodings", "python_encoding"},
    "pydicom.pixels.decoders.base": {"get_decoder"},
}
"""What pydicom's own documentation does not promise; the tests below say which shape of it is relied on."""
VRS = {vr.value for vr in VR} - {"OB or OW", "US or OW", "US or SS", "US or SS or OW"}


def imported() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for room in ROOMS:
        for file in (HOUSE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pydicom":
                    found.setdefault(node.module or "", set()).update(alias.name for alias in node.names)
                elif isinstance(node, ast.Import):
                    assert not any(alias.name.split(".")[0] == "pydicom" for alias in node.names), f"{file}: name what is meant"
    return found


def test_nothing_else_inside_pydicom_is_used():
    """A name that comes is written here, with the shape of it that is relied on; one that goes is struck."""
    assert {module: names for module, names in imported().items() if module not in DOCUMENTED} == INSIDE


def test_all_that_is_used_is_there():
    assert [f"{module}.{name}" for module, names in imported().items() for name in names if not there(module, name)] == []


def there(module: str, name: str) -> bool:
    return hasattr(import_module(module), name)


def test_the_standards_dictionary_gives_a_vr_first_for_each_tag():
    assert len(DicomDictionary) > 5000
    assert DicomDictionary[0x00100010][0] == "PN"
    assert all(isinstance(tag, int) for tag in DicomDictionary)
    assert {resolve(tag, None) for tag in DicomDictionary} <= VRS, "a choice of VRs that nobody folds"


def test_the_private_dictionaries_give_a_vr_first_by_creator_and_block_independent_tag():
    assert len(private_dictionaries) > 400
    assert private_dictionaries["GEMS_GENIE_1"]["0009xx40"][0] == "PN"
    keys = [(creator, key) for creator, known in private_dictionaries.items() for key in known]
    blocked = [(creator, key) for creator, key in keys if re.fullmatch(r"[0-9A-F]{4}xx[0-9A-F]{2}", key)]
    whole = [(creator, key) for creator, key in keys if re.fullmatch(r"[0-9A-F]{8}", key)]
    assert len(blocked) > 8000
    assert len(blocked) + len(whole) > 0.99 * len(keys), "keys are spelled otherwise"
    assert {private_vr(int(key.replace("xx", "10"), 16), creator) for creator, key in blocked} <= VRS


def test_a_repeating_group_is_found_and_an_unknown_tag_raises_key_error():
    assert dictionary_VR(0x60003000) == "OB or OW"
    with pytest.raises(KeyError):
        dictionary_VR(0x60003001)
    assert (resolve(0x60023000, None), resolve(0x60023001, None), resolve(0x00100099, None)) == ("OW", "UN", "UN")


def test_the_tables_of_character_sets_name_pythons_codecs():
    assert default_encoding == "iso8859"
    assert python_encoding["ISO_IR 192"] == "UTF8"
    assert python_encoding["ISO 2022 IR 87"] == CODES_TO_ENCODINGS[b"\x1b$B"] == "iso2022_jp"
    assert {len(code) for code in CODES_TO_ENCODINGS} == {3, 4}
    assert {"iso2022_jp", "iso2022_jp_2"} <= set(handled_encodings)
    for codec in {*python_encoding.values(), *CODES_TO_ENCODINGS.values(), *handled_encodings, default_encoding}:
        assert codecs.lookup(codec)


def test_a_decoder_takes_the_frame_and_attributes_it_is_given():
    assert isinstance(get_decoder(RLELossless), Decoder)
    assert {"src", "index", "validate", "decoding_plugin", "kwargs"} <= inspect.signature(Decoder.as_array).parameters.keys()
    assert {"number_of_frames", "extended_offsets"} <= inspect.signature(get_frame).parameters.keys()
    assert "has_bot" in inspect.signature(encapsulate).parameters
