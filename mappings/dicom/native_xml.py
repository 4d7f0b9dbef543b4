"""Writes DICOM JSON as the Native DICOM Model (PS3.19 section A.1), for those who ask for application/dicom+xml."""

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from pydicom.datadict import keyword_for_tag

_NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"


def native_xml(members: Mapping[str, Any]) -> bytes:
    """An object of strings, numbers and sequences: names, bulk data and binary values are not among what is written so."""
    model = Element("NativeDicomModel", {"xmlns": _NAMESPACE, "xml:space": "preserve"})
    _write(model, members)
    written: bytes = tostring(model, "utf-8", xml_declaration=True)
    return written


def _write(parent: Element, members: Mapping[str, Any]) -> None:
    for tag, element in members.items():
        named = {"tag": tag, "vr": element["vr"], "keyword": keyword_for_tag(int(tag, 16))}
        attribute = SubElement(parent, "DicomAttribute", {name: value for name, value in named.items() if value})
        for number, value in enumerate(element.get("Value", ()), 1):
            child = SubElement(attribute, "Item" if element["vr"] == "SQ" else "Value", {"number": str(number)})
            if element["vr"] == "SQ":
                _write(child, value)
            else:
                child.text = str(value)
