"""The FAIR Data Point: its root, and the one page that its harvesters follow, which names every dataset.

FAIR Data Point specification 1.2. A harvester of these follows `fdp:metadataCatalog`, `dcat:dataset` and `dcat:distribution`,
knows no paging, and stops at the first address that answers no RDF.
"""

from collections.abc import Iterable, Iterator

from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.dcat.catalogue import Catalogue, described
from mappings.dcat.dataset import dataset_iri
from mappings.dcat.terms import agent, constants, notice, site
from mappings.rdf import Iri, Statement, Words

SPECIFICATION = "https://specs.fairdatapoint.org/fdp-specs-v1.2.html"


def root_statements(catalogue: Catalogue) -> Iterator[Statement]:
    """The root, with the container of its one catalogue."""
    me, holds = _root(catalogue), _named(catalogue)
    yield from (
        (me, "rdf:type", Iri(kind)) for kind in ("fdp:FAIRDataPoint", "fdp:MetadataService", "dcat:DataService", "dcat:Resource")
    )
    yield me, "dct:title", Words(f"FAIR Data Point of {catalogue.repository}")
    yield me, "dct:description", Words(f"What {catalogue.repository} holds. {NEVER_FOR_DIAGNOSIS}")
    yield me, "dcat:version", catalogue.version
    yield me, "dcat:endpointURL", me
    yield me, "fdp:conformsToFdpSpec", Iri(SPECIFICATION)
    yield me, "fdp:metadataIdentifier", Iri(f"{me}#identifier")
    yield me, "dct:rights", notice(catalogue.iri)
    yield me, "fdp:metadataCatalog", holds
    yield from agent(me, "dct:publisher", "publisher", catalogue.repository, catalogue.contact)
    yield from constants(catalogue.iri)
    yield from _container(Iri(f"{me}#catalogues"), me, "fdp:metadataCatalog", "Catalogues", [holds])


def names_statements(catalogue: Catalogue, aliases: Iterable[str]) -> Iterator[Statement]:
    """The catalogue with the name of every dataset, each described at its own address."""
    me = _named(catalogue)
    datasets = [dataset_iri(catalogue.iri, alias) for alias in aliases]
    yield from described(me, catalogue)
    yield me, "rdf:type", Iri("dcat:Resource")
    yield me, "dct:isPartOf", _root(catalogue)
    yield from ((me, "dcat:dataset", each) for each in datasets)
    yield from _container(Iri(f"{me}#datasets"), me, "dcat:dataset", "Datasets", datasets)


def _root(catalogue: Catalogue) -> Iri:
    return Iri(f"{site(catalogue.iri)}/fdp")


def _named(catalogue: Catalogue) -> Iri:
    return Iri(f"{_root(catalogue)}/catalogue")


def _container(it: Iri, me: Iri, relation: str, title: str, members: Iterable[Iri]) -> Iterator[Statement]:
    """Linked Data Platform 1.0, section 5.4 (Direct Container)."""
    yield it, "rdf:type", Iri("ldp:DirectContainer")
    yield it, "dct:title", Words(title)
    yield it, "ldp:membershipResource", me
    yield it, "ldp:hasMemberRelation", Iri(relation)
    yield from ((it, "ldp:contains", member) for member in members)
