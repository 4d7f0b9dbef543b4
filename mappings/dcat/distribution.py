"""What a dataset gives, one distribution for each condition that its agreement lets it be used under, and by which services.

A harvester keeps one `dct:rights` of a distribution, so two conditions in one lost the other.
"""

from collections.abc import Iterator

from consent.disclaimer import AVAILABILITY, HOSTED
from mappings.dcat.codes import ACCESS
from mappings.dcat.details import said
from mappings.dcat.listing import Listing
from mappings.dcat.policy import data_use_sentence, policy
from mappings.dcat.profiles import Graph
from mappings.dcat.terms import EHDS, EU, concept, in_scheme, site
from mappings.rdf import Iri, Statement, Words

CONDITIONS = "https://eucaim.github.io/eucaim_dcat_ap/releases/controlled-vocabularies/access-conditions/#"
SCHEME = "https://eucaim.github.io/eucaim_dcat_ap/resource/authority/access-condition"
"""The scheme that the published vocabulary of access conditions itself names (not the one it declares)."""
MEDIA_TYPE = "application/dicom"
SERVICES = {"dicomweb": ("DICOMweb", "datasets/{}/dicom-web"), "fhir": ("FHIR R4", "fhir/R4")}
"""Fragment → title and endpoint of the service that gives access to a dataset, by its alias."""


def distributed(me: Iri, catalogue: str, listing: Listing, graph: Graph) -> Iterator[Statement]:
    """The distributions of a dataset at `me`, and the services that give access to them."""
    for action, (code, label) in ACCESS.items():
        if action in listing.actions:
            yield from _distribution(me, Iri(f"{me}#{code}"), listing, code, label)
            yield from policy(me, Iri(f"{me}#{code}"), listing, action)
            yield from _as_profile(me, Iri(f"{me}#{code}"), listing, graph)
    for fragment in SERVICES:
        yield from _service(me, catalogue, listing, fragment)
        if graph is Graph.FDP:
            yield from _resource(me, Iri(f"{me}#{fragment}"), listing)
    terms = Iri(f"{site(catalogue)}/terms/{listing.terms}")
    yield from ((subject, "dct:license", terms) for subject in _licensed(me, listing))
    yield terms, "rdf:type", Iri("dct:LicenseDocument")


def _licensed(me: Iri, listing: Listing) -> list[Iri]:
    given = [code for action, (code, _) in ACCESS.items() if action in listing.actions]
    return [Iri(f"{me}#{fragment}") for fragment in (*given, *SERVICES)]


def _distribution(me: Iri, images: Iri, listing: Listing, code: str, label: str) -> Iterator[Statement]:
    """One access condition; what else the agreement says of it is its policy."""
    yield me, "dcat:distribution", images
    yield images, "rdf:type", Iri("dcat:Distribution")
    yield images, "dct:title", Words(f"DICOM images, {label[0].lower()}{label[1:]}")
    yield images, "dct:description", Words(" ".join(_described(listing)))
    yield images, "dcat:accessURL", Iri(next(iter(said(listing.details, "access_url")), me))
    yield images, "dcatap:applicableLegislation", Iri(EHDS)
    yield images, "dct:rights", Iri(CONDITIONS + code)
    yield Iri(CONDITIONS + code), "rdf:type", Iri("dct:RightsStatement")
    yield from in_scheme(Iri(CONDITIONS + code), label, SCHEME, "EUCAIM Access Conditions")
    yield from concept(images, "dct:format", f"{EU}file-type", "DICOM", "dct:MediaTypeOrExtent")
    yield from ((images, "dcat:accessService", Iri(f"{me}#{fragment}")) for fragment in SERVICES)
    known = {"dcat:byteSize": listing.size, "dct:issued": listing.issued, "dct:modified": listing.modified}
    yield from ((images, name, value) for name, value in known.items() if value is not None)


def _described(listing: Listing) -> Iterator[str]:
    """In words, since most harvesters keep these and no policy."""
    yield "De-identified DICOM objects as they were deposited."
    yield from map(data_use_sentence, listing.data_use)
    if listing.deviations:
        yield listing.deviations
    yield HOSTED[listing.hosting]
    yield AVAILABILITY


def _as_profile(me: Iri, images: Iri, listing: Listing, graph: Graph) -> Iterator[Statement]:
    """The media type as the graph's profiles want it."""
    if graph is Graph.FDP:
        yield images, "dcat:mediaType", MEDIA_TYPE
        yield from _resource(me, images, listing)
    else:
        iana = Iri(f"https://www.iana.org/assignments/media-types/{MEDIA_TYPE}")
        yield images, "dcat:mediaType", iana
        yield iana, "rdf:type", Iri("dct:MediaType")


def _resource(me: Iri, it: Iri, listing: Listing) -> Iterator[Statement]:
    """What a FAIR Data Point asks of every resource."""
    yield it, "rdf:type", Iri("dcat:Resource")
    yield it, "dct:publisher", Iri(f"{me}#publisher")
    yield it, "dct:isPartOf", me
    yield from ((it, "dcat:version", version) for version in said(listing.details, "version"))


def _service(me: Iri, catalogue: str, listing: Listing, fragment: str) -> Iterator[Statement]:
    it, (title, endpoint) = Iri(f"{me}#{fragment}"), SERVICES[fragment]
    yield it, "rdf:type", Iri("dcat:DataService")
    yield it, "dct:title", Words(f"{title} of {listing.title}")
    yield it, "dcat:endpointURL", Iri(f"{site(catalogue)}/{endpoint.format(listing.alias)}")
    yield it, "dcat:servesDataset", me
    yield it, "dcatap:applicableLegislation", Iri(EHDS)
