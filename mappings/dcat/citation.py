"""How a dataset is cited, from what the catalogue says of it: as text, BibTeX or RIS, each with its acknowledgement.

The publisher is the creator, because the catalogue names no persons (DataCite 4.6, mandatory properties).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from mappings import json_text
from mappings.failures import Unavailable
from mappings.rdf import PREFIXES

_BIBTEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}"})
_MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Citation:
    """A dataset as it is cited: `access` is what its provider lets be done with it, in words; `accessed` the day it was used."""

    alias: str
    title: str
    creator: str
    year: str
    version: str
    url: str
    access: tuple[str, ...]
    accessed: date

    @property
    def acknowledgement(self) -> str:
        """The sentence for an acknowledgements section."""
        return f'We acknowledge {self.creator} for the dataset "{self.title}" ({self.url}).'


def read_citation(alias: str, described: bytes, accessed: date) -> Citation:
    """The citation of a dataset from its description in expanded JSON-LD. Raises Unavailable where it is none."""
    try:
        nodes = {node["@id"]: node for node in json_text.loads(described)}
        dataset = next(node for node in nodes.values() if f"{PREFIXES['dcat']}Dataset" in node.get("@type", ()))
        publisher = nodes[_ids(dataset, "dct:publisher")[0]]
        rights = [nodes[iri] for images in _ids(dataset, "dcat:distribution") for iri in _ids(nodes[images], "dct:rights")]
        return Citation(
            alias=alias,
            title=_text(dataset, "dct:title"),
            creator=_text(publisher, "foaf:name"),
            year=_text(dataset, "dct:modified")[:4],
            version=_text(dataset, "dcat:version"),
            url=_text(dataset, "dct:identifier"),
            access=tuple(sorted(label for node in rights if (label := _text(node, "skos:prefLabel")))),
            accessed=accessed,
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, StopIteration):
        raise Unavailable("not-a-description", "The server does not describe this dataset as a catalogue does.") from None


def to_text(citation: Citation) -> str:
    """A reference as DataCite recommends it, and the acknowledgement."""
    c = citation
    access = f" Access: {', '.join(c.access)}." if c.access else ""
    reference = f"{c.creator} ({c.year}). {c.title} (version {c.version}) [Data set]. {c.url}. Accessed {c.accessed}.{access}"
    return f"{reference}\n{c.acknowledgement}\n"


def to_bibtex(citation: Citation) -> str:
    """An entry `@misc`, which every style knows."""
    c = citation
    fields = {
        "author": f"{{{_escaped(c.creator)}}}",  # in braces of its own: an organisation has no first name
        "title": f"{{{_escaped(c.title)}}}",
        "year": _escaped(c.year),
        "version": _escaped(c.version),
        "howpublished": f"\\url{{{c.url}}}",
        "note": _escaped(f"Data set. Accessed {c.accessed}. {c.acknowledgement}"),
    }
    key = re.sub(r"[^A-Za-z0-9-]", "-", c.alias)
    return f"@misc{{{key},\n" + "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items()) + "}\n"


def to_ris(citation: Citation) -> str:
    """An entry of the type DATA."""
    c = citation
    lines = {
        "TY": "DATA",
        "AU": c.creator,
        "TI": c.title,
        "PY": c.year,
        "ET": c.version,
        "UR": c.url,
        "Y2": f"{c.accessed:%Y/%m/%d}",
        "N1": c.acknowledgement,
        "ER": "",
    }
    return "".join(f"{tag}  - {value}\n" for tag, value in lines.items())


FORMATS = MappingProxyType({"text": to_text, "bibtex": to_bibtex, "ris": to_ris})
"""Name of a format → its writer."""


def _ids(node: Mapping[str, Any], name: str) -> list[str]:
    return [str(value["@id"]) for value in node.get(_iri(name), ())]


def _text(node: Mapping[str, Any], name: str) -> str:
    """The first value of a property, on one line; empty where there is none."""
    said = next((str(value["@value"]) for value in node.get(_iri(name), ())), "")
    return " ".join("".join(c if c.isprintable() else " " for c in said[:_MOST_TEXT]).split())


def _iri(name: str) -> str:
    prefix, _, local = name.partition(":")
    return PREFIXES[prefix] + local


def _escaped(text: str) -> str:
    return text.translate(_BIBTEX)
