"""The profiles that the catalogue is asked for in, and the graphs that satisfy them.

One graph satisfies EUCAIM's profile, HealthDCAT-AP's and DCAT-AP's. A FAIR Data Point's shapes want a media type as a literal
where DCAT-AP wants an IRI, so it has a graph of its own.
"""

from dataclasses import dataclass
from enum import StrEnum

from mappings.negotiation import MAX_TEXT
from mappings.rdf import FORMATS

HTML = "text/html"


class Graph(StrEnum):
    """What is said of a dataset, differently where two profiles contradict each other."""

    DCAT = "dcat"
    FDP = "fdp"


@dataclass(frozen=True, slots=True)
class Form:
    """How a description is written: which graph, in which format of RDF; or as a page, which says what one graph does."""

    graph: Graph
    media_type: str


FORMS = (*(Form(graph, media_type) for graph in Graph for media_type in FORMATS), Form(Graph.DCAT, HTML))
"""Every form that a description is kept in."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile by the name it is asked for with; `iri` is where it is published, by which `Accept-Profile` asks for it."""

    name: str
    iri: str
    graph: Graph
    title: str


PROFILES = {
    p.name: p
    for p in (
        Profile("eucaim-2.0", "https://eucaim.github.io/eucaim_dcat_ap/releases/v2.0", Graph.DCAT, "EUCAIM DCAT-AP 2.0"),
        Profile("healthdcat-ap-8", "http://healthdataportal.eu/ns/health", Graph.DCAT, "HealthDCAT-AP release 8"),
        Profile("dcat-ap-3", "https://semiceu.github.io/DCAT-AP/releases/3.0.1", Graph.DCAT, "DCAT-AP 3.0.1"),
        Profile("fdp", "https://specs.fairdatapoint.org", Graph.FDP, "FAIR Data Point"),
    )
}
"""Name → profile; the first is the default."""


def read_accepted(accept: str) -> Profile | None:
    """The first profile that a field `Accept-Profile` names, by IRI in angle brackets or by name; None if none of ours.

    Content Negotiation by Profile (W3C, 2023), section 7.2. Weights are not read: who names several says the wanted one first.
    Nor is what stands beyond MAX_TEXT characters.
    """
    named = [each.partition(";")[0].strip().strip("<>").rstrip("/#") for each in accept[:MAX_TEXT].split(",")]
    known = {p.iri: p for p in PROFILES.values()} | PROFILES
    return next((known[each] for each in named if each in known), None)
