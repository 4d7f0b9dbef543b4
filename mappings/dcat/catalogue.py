"""The catalogue itself, and the page of it that is served: which datasets stand on it, and where the next one is.

Harvesters follow Hydra's paging, in its present words and in those that CKAN reads (`PagedCollection`, `nextPage`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.dcat.dataset import dataset_iri
from mappings.dcat.terms import EHDS, EU, agent, concept, constants, notice
from mappings.rdf import Iri, Statement, Words


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A catalogue at `iri`, published by a repository that answers at `contact` (an e-mail address or a page).

    `version` is that of the software which says it.
    """

    iri: str
    repository: str
    contact: str
    version: str


@dataclass(frozen=True, slots=True)
class CataloguePage:
    """The datasets of a page, in the order of their aliases, which come `after` one; of `total`, and whether more follow.

    `gone` are those between them that were told and never will be again, and since when.
    """

    after: str
    aliases: tuple[str, ...]
    more: bool
    total: int
    size: int
    gone: tuple[tuple[str, datetime], ...] = ()


def catalogue_statements(catalogue: Catalogue, page: CataloguePage) -> Iterator[Statement]:
    """The catalogue with a page of its datasets, whose own statements stand beside these."""
    me = Iri(catalogue.iri)
    yield from described(me, catalogue)
    yield from ((me, "dcat:dataset", dataset_iri(me, alias)) for alias in page.aliases)
    for alias, at in page.gone:
        yield from _tombstone(dataset_iri(me, alias), at)
    yield from _paged(me, page)


def described(me: Iri, catalogue: Catalogue) -> Iterator[Statement]:
    """What is said of the catalogue wherever it stands."""
    yield me, "rdf:type", Iri("dcat:Catalog")
    yield me, "dct:title", Words(f"Datasets of {catalogue.repository}")
    yield me, "dct:description", Words(f"Cancer-imaging datasets listed by their providers. {NEVER_FOR_DIAGNOSIS}")
    yield me, "dct:rights", notice(Iri(catalogue.iri))
    yield me, "dcat:version", catalogue.version
    yield me, "dcatap:applicableLegislation", Iri(EHDS)
    yield from concept(me, "dct:language", f"{EU}language", "ENG", "dct:LinguisticSystem")
    yield from agent(me, "dct:publisher", "publisher", catalogue.repository, catalogue.contact)
    yield from constants(catalogue.iri)


def _tombstone(it: Iri, at: datetime) -> Iterator[Statement]:
    """Activity Vocabulary (W3C, 2017), Tombstone: no `dcat:Dataset`, which a harvester would take in again."""
    yield it, "rdf:type", Iri("as:Tombstone")
    yield it, "as:formerType", Iri("dcat:Dataset")
    yield it, "as:deleted", at


def page_iri(catalogue: str, after: str) -> Iri:
    """Where the page is served whose datasets come after one; the first comes after none."""
    return Iri(f"{catalogue}?after={after}")


def _paged(me: Iri, page: CataloguePage) -> Iterator[Statement]:
    """Hydra Core, section 5.3 (Collections), and its words before 2014."""
    this = page_iri(me, page.after)
    yield me, "hydra:view", this
    yield this, "rdf:type", Iri("hydra:PartialCollectionView")
    yield this, "rdf:type", Iri("hydra:PagedCollection")
    yield this, "hydra:totalItems", page.total
    yield this, "hydra:itemsPerPage", page.size
    links = {"first": "", "next": page.aliases[-1]} if page.more else {"first": ""}
    for name, after in links.items():
        yield this, f"hydra:{name}", page_iri(me, after)
        yield this, f"hydra:{name}Page", page_iri(me, after)
