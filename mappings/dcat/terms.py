"""What several resources of the catalogue are described with: agents, coded terms and their schemes, and the notice on each.

Every coded IRI says its type and scheme, because the profile's validators look there.
"""

from collections.abc import Iterator
from urllib.parse import quote

from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.dcat.codes import label_of
from mappings.dcat.details import is_email
from mappings.rdf import Iri, Statement, Words

EU = "http://publications.europa.eu/resource/authority/"
EUCAIM = "https://cancerimage.eu/ontology/EUCAIM"
EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"


def site(catalogue: str) -> str:
    """The address that the catalogue at this IRI is served at, without its path."""
    return catalogue.removesuffix("/catalogue")


def notice(catalogue: str) -> Iri:
    """The statement that nothing here is for diagnosis, of the catalogue at this IRI."""
    return Iri(f"{catalogue}#never-for-diagnosis")


def constants(catalogue: str) -> Iterator[Statement]:
    """What the catalogue and each dataset refer to."""
    yield Iri(EHDS), "rdf:type", Iri("eli:LegalResource")
    yield notice(catalogue), "rdf:type", Iri("dct:RightsStatement")
    yield notice(catalogue), "rdfs:label", Words(NEVER_FOR_DIAGNOSIS)


def agent(me: Iri, name: str, fragment: str, called: str, contact: str) -> Iterator[Statement]:
    """An organisation, with the one point where it answers: an e-mail address or a page."""
    body, point = Iri(f"{me}#{fragment}"), Iri(f"{me}#{fragment}-contact")
    yield me, name, body
    yield body, "rdf:type", Iri("foaf:Agent")
    yield body, "foaf:name", Words(called)
    yield body, "cv:contactPoint", point
    yield point, "rdf:type", Iri("cv:ContactPoint")
    yield (point, "cv:email", contact) if is_email(contact) else (point, "cv:contactPage", Iri(contact))


def term(me: Iri, name: str, code: str) -> Iterator[Statement]:
    """A concept of DPV (`dpv:…`) or of EUCAIM's hyper-ontology."""
    is_dpv = code.startswith("dpv:")
    it = Iri(code if is_dpv else f"eucaim:{code}")
    yield me, name, it
    scheme = ("https://w3id.org/dpv", "Data Privacy Vocabulary (DPV)") if is_dpv else (EUCAIM, "EUCAIM hyper-ontology")
    yield from in_scheme(it, label_of(code), *scheme)


def concept(me: Iri, name: str, scheme: str, code: str, kind: str = "skos:Concept") -> Iterator[Statement]:
    """A term of an authority table, which is `scheme` and the code behind a slash."""
    it = Iri(f"{scheme}/{code}")
    yield me, name, it
    yield it, "rdf:type", Iri(kind)
    yield from in_scheme(it, label_of(code), scheme, scheme.rpartition("/")[2])


def in_scheme(term: Iri, label: str, scheme: str, title: str) -> Iterator[Statement]:
    """A term's label and the scheme that it is of: DCAT-AP asks both of every concept."""
    yield term, "rdf:type", Iri("skos:Concept")
    yield term, "skos:prefLabel", Words(label)
    yield term, "skos:inScheme", Iri(scheme)
    yield Iri(scheme), "rdf:type", Iri("skos:ConceptScheme")
    yield Iri(scheme), "dct:title", Words(title)


def doi_iri(doi: str) -> str:
    """The address of a DOI (DOI Handbook section 3.8): what an IRI may not hold is percent-encoded."""
    return f"https://doi.org/{quote(doi, safe='/')}"
