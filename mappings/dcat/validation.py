"""A description held against the shapes of a profile, as SHACL (W3C, 2017) has them; needs the extra `catalogue`.

DCAT-AP's shapes are SEMICeu's; the others are ours, for EUCAIM's profile has none (`shapes/LICENSE`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

import pyshacl
from rdflib import RDF, SH, Graph, Node

from mappings.rdf import PREFIXES

_DCAT_AP = ("dcat-ap-3.0.1-shapes", "dcat-ap-3.0.1-range")
_SHAPES = {
    "eucaim-2.0": (*_DCAT_AP, "eucaim-2.0"),
    "healthdcat-ap-8": (*_DCAT_AP, "healthdcat-ap-8"),
    "dcat-ap-3": _DCAT_AP,
    "fdp": ("fdp",),
}
"""Profile → the files of the shapes that it is held against: two profiles stand on DCAT-AP."""


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """What of a description a shape doesn't take: whose property (as `prefix:local`), and which constraint (`MinCount`)."""

    property: str
    subject: str
    constraint: str


def violations(turtle: bytes, profile: str) -> list[Violation]:
    """What keeps a document from conforming to a profile of PROFILES, in order; nothing is fetched."""
    described = Graph().parse(data=turtle, format="turtle")
    _, report, _ = pyshacl.validate(described, shacl_graph=_shapes(profile), advanced=True, allow_warnings=True)
    return sorted(set(_read(report))) if isinstance(report, Graph) else []


@cache
def _shapes(profile: str) -> Graph:
    folder, shapes = resources.files("mappings.dcat") / "shapes", Graph()
    for name in _SHAPES[profile]:
        shapes.parse(data=(folder / f"{name}.ttl").read_bytes(), format="turtle")
    return shapes


def _read(report: Graph) -> Iterator[Violation]:
    for result in report.subjects(RDF.type, SH.ValidationResult):
        if report.value(result, SH.resultSeverity) == SH.Violation:
            told = (report.value(result, each) for each in (SH.resultPath, SH.focusNode, SH.sourceConstraintComponent))
            path, subject, constraint = (_short(node) for node in told)
            yield Violation(path, subject, constraint.removeprefix("sh:").removesuffix("ConstraintComponent"))


def _short(node: Node | None) -> str:
    """An IRI with its prefix, where it has one of ours."""
    iri = "" if node is None else str(node)
    spaces = {**PREFIXES, "sh": str(SH)}
    return next((f"{p}:{iri.removeprefix(space)}" for p, space in spaces.items() if iri.startswith(space)), iri)
