"""Statements of RDF 1.1 as bytes: Turtle, JSON-LD and RDF/XML, the same bytes for the same statements in every process.

A `piece` is what some statements say, without what a document needs around it: a document is made of any number of pieces without
reading them. A graph is a set, so what two pieces both say is said once.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from xml.sax.saxutils import escape, quoteattr

PREFIXES = {
    "as": "https://www.w3.org/ns/activitystreams#",
    "cv": "http://data.europa.eu/m8g/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eli": "http://data.europa.eu/eli/ontology#",
    "eucaim": "https://cancerimage.eu/ontology/EUCAIM#",
    "fdp": "https://w3id.org/fdp/fdp-o#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "healthdcatap": "http://healthdataportal.eu/ns/health#",  # the validator's; older snippets have another
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "ldp": "http://www.w3.org/ns/ldp#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_TYPE = PREFIXES["rdf"] + "type"


class Iri(str):
    """An IRI, or `prefix:local` with a prefix of PREFIXES."""

    __slots__ = ()


class Words(str):
    """Text in English."""

    __slots__ = ()


Value = Iri | Words | str | int | bool | date
Statement = tuple[Iri, str, Value]  # subject, property as prefix:local, value


def piece(statements: Iterable[Statement], media_type: str) -> bytes:
    """What these statements say in one of FORMATS, to be put into a `document`; their order and repetition don't matter."""
    form = FORMATS[media_type]
    graph = _graph(statements, form.value)
    return form.between.join(form.subject(iri, said) for iri, said in sorted(graph.items())).encode()


def document(pieces: Iterable[bytes], media_type: str) -> bytes:
    """A whole document, UTF-8, of some pieces of its format; at least one."""
    form = FORMATS[media_type]
    return form.before.encode() + form.between.encode().join(pieces) + form.after.encode()


_Said = dict[str, set[str]]
"""Property → the values it has, as they are written."""


def _graph(statements: Iterable[Statement], value: Callable[[Value], str]) -> dict[str, _Said]:
    graph: dict[str, _Said] = {}
    for subject, name, said in statements:
        graph.setdefault(_expanded(subject), {}).setdefault(_expanded(name), set()).add(value(said))
    return graph


def _expanded(name: str) -> str:
    prefix, _, local = name.partition(":")
    return PREFIXES[prefix] + local if prefix in PREFIXES else name


def _lexical(value: str | int | date) -> tuple[str, str | None]:
    """The lexical form of a literal, and its datatype of XML Schema (None: a string). Our numbers are counts and ages."""
    if isinstance(value, bool):
        return str(value).lower(), "boolean"
    if isinstance(value, int):
        return str(value), "nonNegativeInteger"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", "dateTime"
    return (value, None) if isinstance(value, str) else (value.isoformat(), "date")


# --- Turtle (RDF 1.1 Turtle, 2014)

_LOCAL = re.compile(r"[A-Za-z0-9_]+")  # of PN_LOCAL, what needs no escape
_UNWRITABLE = re.compile(r'[\x00-\x20<>"{}|^`\\]')  # in an IRIREF


def _turtle_iri(iri: str) -> str:
    for prefix, namespace in PREFIXES.items():
        if iri.startswith(namespace) and _LOCAL.fullmatch(iri, len(namespace)):
            return f"{prefix}:{iri[len(namespace) :]}"
    return f"<{_UNWRITABLE.sub(_escaped, iri)}>"


def _escaped(unwritable: re.Match[str]) -> str:
    return f"\\u{ord(unwritable[0]):04X}"


def _turtle_value(value: Value) -> str:
    if isinstance(value, Iri):
        return _turtle_iri(_expanded(value))
    text, datatype = _lexical(value)
    quoted = json.dumps(text, ensure_ascii=False)  # JSON's escapes are among Turtle's
    return f"{quoted}@en" if isinstance(value, Words) else quoted if datatype is None else f"{quoted}^^xsd:{datatype}"


def _turtle_subject(iri: str, said: _Said) -> str:
    named = sorted(("a" if name == _TYPE else _turtle_iri(name), values) for name, values in said.items())
    lines = " ;\n    ".join(f"{name} {', '.join(sorted(values))}" for name, values in named)
    return f"{_turtle_iri(iri)} {lines} .\n"


# --- JSON-LD 1.1, expanded: an array of node objects, one a line


def _json_value(value: Value) -> str:
    if isinstance(value, Iri):
        return _json({"@id": _expanded(value)})
    text, datatype = _lexical(value)
    if isinstance(value, Words):
        return _json({"@value": text, "@language": "en"})
    return _json({"@value": text} | ({} if datatype is None else {"@type": f"{PREFIXES['xsd']}{datatype}"}))


def _json_subject(iri: str, said: _Said) -> str:
    types = [json.loads(value)["@id"] for value in sorted(said.get(_TYPE, ()))]
    members = [f'"@id":{_json(iri)}', *([f'"@type":{_json(types)}'] if types else [])]
    rest = [f"{_json(name)}:[{','.join(sorted(values))}]" for name, values in sorted(said.items()) if name != _TYPE]
    return f"{{{','.join([*members, *rest])}}}"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# --- RDF/XML 1.1 (2014), a Description for each subject

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # XML 1.0, section 2.2: no escape says them


def _xml_value(value: Value) -> str:
    if isinstance(value, Iri):
        return f" rdf:resource={_xml_iri(_expanded(value))}/>"
    text, datatype = _lexical(value)
    typed = "" if datatype is None else f' rdf:datatype="{PREFIXES["xsd"]}{datatype}"'
    written = escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})
    kind = ' xml:lang="en"' if isinstance(value, Words) else typed
    return f"{kind}>{written}</"


def _xml_iri(iri: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", iri))


def _xml_subject(iri: str, said: _Said) -> str:
    lines = []
    for name, values in sorted((_turtle_iri(name), values) for name, values in said.items()):
        lines += [f"    <{name}{value}{'' if value.endswith('/>') else f'{name}>'}\n" for value in sorted(values)]
    return f"  <rdf:Description rdf:about={_xml_iri(iri)}>\n{''.join(lines)}  </rdf:Description>\n"


@dataclass(frozen=True, slots=True)
class Format:
    """How a format writes a value and a subject with what is said of it, and what stands around and between subjects."""

    value: Callable[[Value], str]
    subject: Callable[[str, _Said], str]
    before: str
    between: str
    after: str


FORMATS = {
    "text/turtle": Format(
        _turtle_value, _turtle_subject, "".join(f"@prefix {p}: <{n}> .\n" for p, n in PREFIXES.items()) + "\n", "\n", ""
    ),
    "application/ld+json": Format(_json_value, _json_subject, "[\n", ",\n", "\n]\n"),
    "application/rdf+xml": Format(
        _xml_value,
        _xml_subject,
        '<?xml version="1.0" encoding="UTF-8"?>\n<rdf:RDF'
        + "".join(f'\n    xmlns:{p}="{n}"' for p, n in PREFIXES.items())
        + ">\n",
        "",
        "</rdf:RDF>\n",
    ),
}
"""Media type → format; the first is the default."""
