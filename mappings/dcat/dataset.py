"""One dataset as EUCAIM DCAT-AP v2.0 describes it (on HealthDCAT-AP and DCAT-AP 3).

Every resource has an IRI, so that the same dataset gives the same bytes.
"""

from collections.abc import Iterator

from consent.data_use import TERMS
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.dcat.codes import ACCESS
from mappings.dcat.details import DETAILS, is_email, said
from mappings.dcat.listing import Listing, body_parts, manufacturers, modalities, sexes
from mappings.dcat.terms import EHDS, EU, agent, concept, constants, in_scheme, notice, term
from mappings.rdf import Iri, Statement, Words

HEALTH = "https://hdeu-dcat.data.health.europa.eu/resource/authority/"
DATA_USE = "https://eucaim.github.io/eucaim_dcat_ap/releases/controlled-vocabularies/data-use-conditions/#"
CONDITIONS = "https://eucaim.github.io/eucaim_dcat_ap/releases/controlled-vocabularies/access-conditions/#"


def dataset_iri(catalogue: str, alias: str) -> Iri:
    """Where the description of a dataset is served, of the catalogue at this IRI."""
    return Iri(f"{catalogue}/datasets/{alias}")


def dataset_statements(catalogue: str, listing: Listing) -> Iterator[Statement]:
    """One complete dataset (`missing` says nothing) with its distribution, publisher and codes; their order doesn't matter."""
    me = dataset_iri(catalogue, listing.alias)
    yield from constants(catalogue)
    yield from _described(me, listing)
    yield from _classified(me, listing)
    yield from _counted(me, listing)
    yield from _parties(me, listing)
    yield from _distributed(me, catalogue, listing)


def _described(me: Iri, listing: Listing) -> Iterator[Statement]:
    yield me, "rdf:type", Iri("dcat:Dataset")
    yield me, "dct:identifier", next(iter(said(listing.details, "identifier")), str(me))
    yield me, "dct:title", Words(listing.title)
    yield me, "dct:description", Words(listing.description)
    yield me, "dct:modified", listing.modified
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


def _classified(me: Iri, listing: Listing) -> Iterator[Statement]:
    yield from concept(me, "dcat:theme", f"{EU}data-theme", "HEAL")
    yield from concept(me, "healthdcatap:healthTheme", f"{HEALTH}health-theme", "CANCER_DISEASE")
    yield from concept(me, "dct:accessRights", f"{EU}access-right", "RESTRICTED", "dct:RightsStatement")
    for category in said(listing.details, "health_category"):
        yield from concept(me, "healthdcatap:healthCategory", f"{HEALTH}healthcategories", category)
    for key in ("interoperability", "type", "condition", "collection_method", "legal_basis"):
        for code in said(listing.details, key):
            yield from term(me, DETAILS[key].property, code, "")
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
        for code, label in coded:
            yield from term(me, name, code, label)


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


def _distributed(me: Iri, catalogue: str, listing: Listing) -> Iterator[Statement]:
    images = Iri(f"{me}#images")
    yield me, "dcat:distribution", images
    yield images, "rdf:type", Iri("dcat:Distribution")
    yield images, "dct:title", Words("DICOM images")
    yield images, "dct:description", Words(NEVER_FOR_DIAGNOSIS)
    yield images, "dcat:accessURL", Iri(next(iter(said(listing.details, "access_url")), me))
    yield images, "dcatap:applicableLegislation", Iri(EHDS)
    yield images, "dct:rights", notice(catalogue)
    for action, (code, label) in ACCESS.items():
        if action in listing.actions:
            yield from _access(images, Iri(CONDITIONS + code), label)
    yield from _agreed(me, images, listing)


def _agreed(me: Iri, images: Iri, listing: Listing) -> Iterator[Statement]:
    """The provider's data-use terms by EUCAIM's codes, with what they name; and what was agreed beyond all conditions."""
    for use in listing.data_use:
        told, condition = TERMS[use.code], Iri(DATA_USE + TERMS[use.code].name)
        yield images, "dct:rights", condition
        yield condition, "rdf:type", Iri("dct:RightsStatement")
        yield condition, "skos:exactMatch", Iri(f"http://purl.obolibrary.org/obo/DUO_{told.duo}")
        yield from in_scheme(condition, Iri(DATA_USE.removesuffix("/#")), "EUCAIM Data Use Conditions")
    named = [f"{TERMS[use.code].sentence} {', '.join(use.values)}" for use in listing.data_use if use.values]
    for fragment, text in (("data-use", " ".join(named)), ("deviations", listing.deviations)):
        if text:
            yield images, "dct:rights", Iri(f"{me}#{fragment}")
            yield Iri(f"{me}#{fragment}"), "rdf:type", Iri("dct:RightsStatement")
            yield Iri(f"{me}#{fragment}"), "rdfs:label", Words(text)


def _access(images: Iri, condition: Iri, label: str) -> Iterator[Statement]:
    """An access condition, in the scheme that the published vocabulary itself names (not the one it declares)."""
    scheme = Iri("https://eucaim.github.io/eucaim_dcat_ap/resource/authority/access-condition")
    yield images, "dct:rights", condition
    yield condition, "rdf:type", Iri("dct:RightsStatement")
    yield condition, "skos:prefLabel", Words(label)
    yield from in_scheme(condition, scheme, "EUCAIM Access Conditions")
