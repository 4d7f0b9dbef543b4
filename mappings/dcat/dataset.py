"""One dataset as EUCAIM DCAT-AP v2.0 describes it (on HealthDCAT-AP and DCAT-AP 3).

Every resource has an IRI, so that the same dataset gives the same bytes.
"""

from collections.abc import Iterator

from mappings.dcat.details import DETAILS, is_email, said
from mappings.dcat.distribution import distributed
from mappings.dcat.listing import Listing, body_parts, manufacturers, modalities, sexes
from mappings.dcat.policy import data_use_iri
from mappings.dcat.profiles import Graph
from mappings.dcat.terms import EHDS, EU, agent, concept, constants, doi_iri, notice, term
from mappings.rdf import Iri, Statement, Words

HEALTH = "https://hdeu-dcat.data.health.europa.eu/resource/authority/"


def dataset_iri(catalogue: str, alias: str) -> Iri:
    """Where the description of a dataset is served, of the catalogue at this IRI."""
    return Iri(f"{catalogue}/datasets/{alias}")


def dataset_statements(catalogue: str, listing: Listing, graph: Graph = Graph.DCAT) -> Iterator[Statement]:
    """A dataset with its distributions, services, publisher and codes, in any order; complete where `missing` says nothing."""
    me = dataset_iri(catalogue, listing.alias)
    yield from constants(catalogue)
    yield from _described(me, catalogue, listing)
    yield from _classified(me, listing)
    yield from _counted(me, listing)
    yield from _parties(me, listing)
    yield from _published(me, listing)
    yield from distributed(me, catalogue, listing, graph)
    yield from _as_profile(me, listing, graph)


def _described(me: Iri, catalogue: str, listing: Listing) -> Iterator[Statement]:
    yield me, "rdf:type", Iri("dcat:Dataset")
    yield me, "dct:isPartOf", Iri(catalogue)
    yield me, "dct:rights", notice(catalogue)
    yield me, "dct:identifier", next(iter(said(listing.details, "identifier")), str(me))
    yield me, "dct:title", Words(listing.title)
    yield me, "dct:description", Words(listing.description)
    dates = {"dct:issued": listing.issued, "dct:modified": listing.modified}
    yield from ((me, name, at) for name, at in dates.items() if at is not None)
    yield me, "dcat:landingPage", Iri(f"{me}?format=html")
    yield Iri(f"{me}?format=html"), "rdf:type", Iri("foaf:Document")
    for key in ("version", "keyword", "population"):
        for value in said(listing.details, key):
            yield me, DETAILS[key].property, value if key == "version" else Words(value)
    for page in said(listing.details, "page"):
        yield me, "foaf:page", Iri(page)
        yield Iri(page), "rdf:type", Iri("foaf:Document")
    for text in said(listing.details, "provenance"):
        yield me, "dct:provenance", Iri(f"{me}#provenance")
        yield Iri(f"{me}#provenance"), "rdf:type", Iri("dct:ProvenanceStatement")
        yield Iri(f"{me}#provenance"), "rdfs:label", Words(text)


def _published(me: Iri, listing: Listing) -> Iterator[Statement]:
    """Published work on it, by its DOI where that is told."""
    for one in listing.publications:
        it = Iri(doi_iri(one.doi) if one.doi else f"{me}#publication-{one.key}")
        yield me, "dct:isReferencedBy", it
        yield it, "rdf:type", Iri("foaf:Document")
        yield it, "dct:title", Words(one.title)
        yield it, "dct:description", Words(one.summary)


def _as_profile(me: Iri, listing: Listing, graph: Graph) -> Iterator[Statement]:
    """The data-use terms as rights of the dataset; a FAIR Data Point's may have one right, and has them in policies alone."""
    if graph is Graph.FDP:
        yield me, "rdf:type", Iri("dcat:Resource")
    else:
        yield from ((me, "dct:rights", data_use_iri(term)) for term in listing.data_use)


def _classified(me: Iri, listing: Listing) -> Iterator[Statement]:
    yield from concept(me, "dcat:theme", f"{EU}data-theme", "HEAL")
    yield from concept(me, "healthdcatap:healthTheme", f"{HEALTH}health-theme", "CANCER_DISEASE")
    yield from concept(me, "dct:accessRights", f"{EU}access-right", "RESTRICTED", "dct:RightsStatement")
    for category in said(listing.details, "health_category"):
        yield from concept(me, "healthdcatap:healthCategory", f"{HEALTH}healthcategories", category)
    for key in ("interoperability", "type", "condition", "collection_method", "legal_basis"):
        for code in said(listing.details, key):
            yield from term(me, DETAILS[key].property, code)
    for law in (EHDS, *said(listing.details, "legislation")):
        yield me, "dcatap:applicableLegislation", Iri(law)
        yield Iri(law), "rdf:type", Iri("eli:LegalResource")


def _counted(me: Iri, listing: Listing) -> Iterator[Statement]:
    numbers = {
        "healthdcatap:numberOfUniqueIndividuals": listing.subjects,
        "healthdcatap:numberOfRecords": listing.studies,
        "healthdcatap:minTypicalAge": listing.youngest,
        "healthdcatap:maxTypicalAge": listing.oldest,
    }
    yield from ((me, name, number) for name, number in numbers.items() if number is not None)
    yield me, "healthdcatap:hasStructuredData", False
    codes = {
        "eucaim:hasBirthSex": sexes(listing),
        "eucaim:hasImageModality": modalities(listing),
        "eucaim:hasImageBodyPart": body_parts(listing),
        "eucaim:hasEquipmentManufacturer": manufacturers(listing),
    }
    for name, coded in codes.items():
        for code, _ in coded:
            yield from term(me, name, code)


def _parties(me: Iri, listing: Listing) -> Iterator[Statement]:
    for contact in said(listing.details, "contact"):
        kind = Iri(f"{me}#contact")
        yield me, "dcat:contactPoint", kind
        yield kind, "rdf:type", Iri("vcard:Kind")
        yield kind, "vcard:fn", Words(listing.provider)
        yield (kind, "vcard:hasEmail", Iri(f"mailto:{contact}")) if is_email(contact) else (kind, "vcard:hasURL", Iri(contact))
        yield from agent(me, "dct:publisher", "publisher", listing.provider, contact)
    for page in said(listing.details, "publisher_url"):
        yield Iri(f"{me}#publisher"), "foaf:homepage", Iri(page)
        yield Iri(page), "rdf:type", Iri("foaf:Document")
    for body in said(listing.details, "hdab"):
        name, _, contact = body.rstrip(">").rpartition(" <")
        yield from agent(me, "healthdcatap:hdab", "hdab", name, contact)
