"""What an agreement lets a distribution be used for: an offer of ODRL 2.2, under EUCAIM's data-use conditions.

An offer grants nothing (ODRL Information Model 2.2, section 2.1.2): access is asked for. EUCAIM DCAT-AP 2.0 lets a distribution
have one policy, of ODRL's common actions, and DCAT-AP one right of it, which is the access condition.
"""

from collections.abc import Iterable, Iterator

from consent.conditions import Action, DataUse, Purpose
from consent.data_use import TERMS
from mappings.dcat.codes import PURPOSES
from mappings.dcat.listing import Listing
from mappings.dcat.terms import in_scheme
from mappings.fhir.systems import PURPOSE
from mappings.rdf import Iri, Statement, Words

DATA_USE = "https://eucaim.github.io/eucaim_dcat_ap/releases/controlled-vocabularies/data-use-conditions/#"
"""The vocabulary of 2026-08-07: the scheme itself, and what its terms begin with."""
_USES = {Action.EXPORT: ("odrl:read", "odrl:derive", "odrl:reproduce"), Action.PROCESS: ("odrl:read", "odrl:derive")}
_LABELS = {
    "HMB": "Health or medical or biomedical research",
    "NCU": "Non-commercial use only",
    "NPOA": "Population origins or ancestry research prohibited",
    "NPUNCU": "Not for profit, non-commercial use only",
    "POA": "Population origins or ancestry research only",
}
"""Labels of the vocabulary that aren't its names in small letters."""


def policy(me: Iri, images: Iri, listing: Listing, action: Action) -> Iterator[Statement]:
    """The policy of the distribution `images` of the dataset `me`: for which purposes, and under which data-use terms.

    A term is a constraint that a use fits it, so that who doesn't know the term can't hold it for met. What is for no purpose
    has no policy: nothing is offered.
    """
    it, permission = Iri(f"{images}-policy"), Iri(f"{images}-permission")
    purposes = purposes_of(listing, action)
    if not purposes:
        return
    yield images, "odrl:hasPolicy", it
    yield from ((it, "rdf:type", Iri(kind)) for kind in ("odrl:Policy", "odrl:Offer"))
    yield it, "odrl:assigner", Iri(f"{me}#publisher")
    yield it, "odrl:permission", permission
    if listing.deviations:
        yield it, "rdfs:comment", Words(listing.deviations)
    yield permission, "rdf:type", Iri("odrl:Permission")
    yield permission, "odrl:target", images
    yield from ((permission, "odrl:action", Iri(use)) for use in _USES[action])
    yield from _for_purposes(permission, purposes)
    for term in listing.data_use:
        yield permission, "odrl:constraint", Iri(f"{me}#{term.code}")
        yield from _fits(Iri(f"{me}#{term.code}"), term)


def purposes_of(listing: Listing, action: Action) -> list[Purpose]:
    """For which purposes an agreement lets data be used so, in the order of PURPOSES: what leaves is for research alone."""
    mine = listing.purposes & {Purpose.AI_RESEARCH} if action is Action.EXPORT else listing.purposes
    return [purpose for purpose in PURPOSES if purpose in mine]


def data_use_iri(term: DataUse) -> Iri:
    """A term in EUCAIM's vocabulary."""
    return Iri(DATA_USE + TERMS[term.code].name)


def data_use_sentence(term: DataUse) -> str:
    """What a term says, with what it names."""
    sentence = TERMS[term.code].sentence
    return f"{sentence.removesuffix('.')}: {', '.join(term.values)}." if term.values else sentence


def data_use_concept(term: DataUse) -> Iterator[Statement]:
    """A term, with its label and class of the Data Use Ontology (DUO)."""
    it, row = data_use_iri(term), TERMS[term.code]
    yield it, "rdf:type", Iri("dct:RightsStatement")
    yield it, "skos:exactMatch", Iri(f"http://purl.obolibrary.org/obo/DUO_{row.duo}")
    label = _LABELS.get(term.code) or row.name.replace("_", " ").capitalize()
    yield from in_scheme(it, label, DATA_USE, "EUCAIM Data Use Conditions")


def _for_purposes(permission: Iri, purposes: Iterable[Purpose]) -> Iterator[Statement]:
    it = Iri(f"{permission}-purposes")
    yield permission, "odrl:constraint", it
    yield from _constraint(it, "odrl:isAnyOf")
    for purpose in purposes:
        yield it, "odrl:rightOperand", Iri(f"{PURPOSE}#{purpose}")
        yield from in_scheme(Iri(f"{PURPOSE}#{purpose}"), PURPOSES[purpose], PURPOSE, "Purposes")


def _fits(it: Iri, term: DataUse) -> Iterator[Statement]:
    yield from _constraint(it, "odrl:isA")
    yield it, "odrl:rightOperand", data_use_iri(term)
    yield it, "rdfs:label", Words(data_use_sentence(term))
    yield from data_use_concept(term)


def _constraint(it: Iri, operator: str) -> Iterator[Statement]:
    yield it, "rdf:type", Iri("odrl:Constraint")
    yield it, "odrl:leftOperand", Iri("odrl:purpose")
    yield it, "odrl:operator", Iri(operator)
