"""Accord's own canonicals: what its codes, extensions and identifiers mean, the same wherever an Accord runs (R4 chapters 4, 5).

They are made from the closed lists that the product itself goes by, so what is served cannot say another thing than what is done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from consent.conditions import Action, Purpose
from consent.entries import KINDS
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.fhir.body_parts import BODY_PARTS
from mappings.fhir.concept_maps import CONCEPT_MAPS, ConceptMap
from mappings.fhir.modality import OTHER_WORDS
from mappings.fhir.serial import Json, document, told
from mappings.fhir.systems import (
    ACTION,
    AGREEMENT_KIND,
    BATCH,
    BODY_PART,
    CALLER,
    CLIENT,
    DATASET,
    ENTRY_KIND,
    GOVERNED,
    LEAF_HASH,
    LEAF_INDEX,
    LEDGER_ENTRY,
    MANUFACTURER,
    MODALITY,
    NODE,
    PARTY_ROLE,
    PEER,
    PERSON,
    PURPOSE,
    TERMS,
)
from mappings.vocabulary import MANUFACTURERS

VERSION, DATE = "1.0.0", "2026-11-27"
STATUS = "active"
_FHIR = "4.0.1"


@dataclass(frozen=True, slots=True)
class Canonical:
    """One conformance resource, finished: its type, id, address, and what it is searched by."""

    type: str
    id: str
    url: str
    name: str
    body: bytes

    def fields(self) -> Mapping[str, str]:
        """What a condition may ask of it."""
        return {"canonical": self.id, "url": self.url, "name": self.name, "status": STATUS}


@dataclass(frozen=True, slots=True)
class _Codes:
    """A code system of ours: title, what it is, and its codes with their definitions, which are all unless it is open."""

    title: str
    text: str
    codes: Mapping[Any, str]
    is_open: bool = False


_PURPOSES = {
    Purpose.AI_RESEARCH: "Research into artificial intelligence, with the data where it is or, where that is agreed, taken away.",
    Purpose.AI_TRAINING: "Training of models where the data is; nothing is taken away but the model.",
    Purpose.FEDERATED_LEARNING: "Training of models at several nodes, between which model updates move and no data.",
}
_ACTIONS = {
    Action.DISCOVER: "To know that a dataset is there, and what it is described by.",
    Action.QUERY: "To search its metadata, and to read it.",
    Action.PREVIEW: "To look at pictures reduced in size and quality.",
    Action.VIEW: "To look at its pictures as they are.",
    Action.PROCESS: "To compute on its pixel data at the node that holds it, without taking it away.",
    Action.EXPORT: "To take its objects away.",
    Action.DEPOSIT: "To add objects to it.",
    Action.WITHDRAW: "To take studies out of it.",
    Action.GOVERN: "To act on agreements, datasets, nodes and parties.",
}
_ROLES = {
    "provider": "Provides data under an agreement.",
    "user": "Uses data that providers agreed to share.",
    "repository": "Another repository, which searches and harvests this one.",
    "operator": "Runs the repository.",
}
_KINDS = {kind: " ".join((entry.__doc__ or kind).split("\n")[0].split()) for kind, entry in KINDS.items()}

CODE_SYSTEMS = {
    AGREEMENT_KIND: _Codes(
        "Kinds of agreements",
        "What kind of agreement a Consent says.",
        {"data-sharing-agreement": "A provider's agreement with the repository on data of its own, for its users."},
    ),
    PURPOSE: _Codes("Purposes of use", f"What data is shared for, and nothing else. {NEVER_FOR_DIAGNOSIS}", _PURPOSES),
    ACTION: _Codes("Actions on data", "What a caller may do; none of them implies another.", _ACTIONS),
    PARTY_ROLE: _Codes("Roles of parties", "What an organisation takes part as.", _ROLES),
    ENTRY_KIND: _Codes("Kinds of ledger entries", "What a ledger entry, and so a Provenance, tells of.", _KINDS),
    BODY_PART: _Codes(
        "Body Part Examined as objects say it",
        "Words of (0018,0015); those of DICOM PS3.16 Annex L are here, and coded in SNOMED CT where they are served.",
        {word: part.meaning for word, part in BODY_PARTS.items()},
        is_open=True,
    ),
    MANUFACTURER: _Codes(
        "Manufacturer as objects say it",
        "Words that stand in (0008,0070), in small letters, by which a manufacturer is told.",
        {word: meaning.label for meaning in MANUFACTURERS for word in meaning.words},
        is_open=True,
    ),
    MODALITY: _Codes(
        "Modality as objects say it", "Words of (0008,0060) that are no term of PS3.16 CID 33.", OTHER_WORDS, is_open=True
    ),
}
EXTENSIONS = {
    DATASET: ("Dataset", "The dataset that a study is of.", "ImagingStudy", "Reference", "ResearchStudy"),
    LEDGER_ENTRY: ("Ledger entry", "Where the commitment to a ledger entry is read.", "Provenance", "url", ""),
    LEAF_INDEX: ("Ledger leaf index", "Where in the ledger's tree a leaf stands.", "Provenance", "string", ""),
}
"""Address → title, what it says, where it stands, its type, and what it refers to."""
NAMING_SYSTEMS = {
    LEAF_HASH: "The hash of a ledger entry's leaf (RFC 6962 section 2.1), in hexadecimal digits.",
    CALLER: "Who did something, as the ledger of one repository calls it.",
    NODE: "A node that holds data of one repository.",
    CLIENT: "A registered client of one repository.",
    TERMS: "A version of one repository's terms of use.",
    BATCH: "A batch of objects that was pushed to one repository.",
    GOVERNED: "A Study or SOP Instance UID that was withdrawn or refused.",
    PERSON: "A person who acts in one repository.",
    PEER: "Another repository that one repository asks.",
}


@cache
def canonicals(resource: str) -> tuple[Canonical, ...]:
    """Every canonical of a type, by id."""
    return tuple(sorted(_MAKERS[resource](), key=lambda canonical: canonical.id))


def _name(title: str) -> str:
    """A title as a name that a program could use (R4's inv-0)."""
    return "".join(word.capitalize() for word in title.split())


def _canonical(resource: str, url: str, title: str, text: str, members: Json) -> Canonical:
    identity, name = url.rpartition("/")[2], _name(title)
    head = {"name": name, "status": STATUS, "date": DATE, "publisher": "Accord", "description": text}
    return Canonical(resource, identity, url, name, document(resource, identity, {**head, **members}))


def _addressed(resource: str, url: str, title: str, text: str, members: Json) -> Canonical:
    return _canonical(resource, url, title, text, {"url": url, "version": VERSION, "title": title, **members})


def _code_systems() -> Iterator[Canonical]:
    for url, system in CODE_SYSTEMS.items():
        codes = [{"code": str(code), "display": _display(str(code)), "definition": text} for code, text in system.codes.items()]
        # not "not-present": validators refuse what they can't look up there, and only warn of what a fragment lacks
        said: dict[str, object] = {"content": "fragment", "caseSensitive": True, "concept": codes}
        if not system.is_open:
            said |= {"content": "complete", "valueSet": _values(url), "count": len(codes)}
        yield _addressed("CodeSystem", url, system.title, system.text, said)


def _display(code: str) -> str:
    return code.replace(".", " ").replace("-", " ").capitalize() if code.islower() else code


def _values(system: str) -> str:
    return system.replace("/CodeSystem/", "/ValueSet/")


def _value_sets() -> Iterator[Canonical]:
    for url, system in CODE_SYSTEMS.items():
        if not system.is_open:
            include = {"compose": {"include": [{"system": url}]}}
            yield _addressed("ValueSet", _values(url), system.title, system.text, include)


def _naming_systems() -> Iterator[Canonical]:
    for url, text in NAMING_SYSTEMS.items():
        title = url.rpartition("/")[2].replace("-", " ")
        unique = [{"type": "uri", "value": url, "preferred": True}]
        yield _canonical("NamingSystem", url, title, text, {"kind": "identifier", "uniqueId": unique})


def _structure_definitions() -> Iterator[Canonical]:
    for url, (title, text, where, kind, target) in EXTENSIONS.items():
        said = {
            "fhirVersion": _FHIR,
            "kind": "complex-type",
            "abstract": False,
            "context": [{"type": "element", "expression": where}],
            "type": "Extension",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
            "derivation": "constraint",
            "differential": {"element": list(_elements(url, title, text, kind, target))},
        }
        yield _addressed("StructureDefinition", url, title, text, said)


def _elements(url: str, title: str, text: str, kind: str, target: str) -> Iterator[Json]:
    profile = [f"http://hl7.org/fhir/StructureDefinition/{target}"] if target else None
    yield {"id": "Extension", "path": "Extension", "short": title, "definition": text, "max": "1"}
    yield {"id": "Extension.extension", "path": "Extension.extension", "max": "0"}
    yield {"id": "Extension.url", "path": "Extension.url", "fixedUri": url}
    value = {"id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1}
    yield value | {"type": [told(code=kind, targetProfile=profile)]}


def _concept_maps() -> Iterator[Canonical]:
    for url, concepts in CONCEPT_MAPS.items():
        yield _addressed("ConceptMap", url, concepts.title, concepts.text, {"group": [_group(concepts)]})


def _group(concepts: ConceptMap) -> Json:
    elements = [
        {"code": code, "target": [{"code": target, "equivalence": concepts.equivalence} for target in targets]}
        for code, targets in sorted(concepts.targets.items())
    ]
    return {"source": concepts.source, "target": concepts.target, "element": elements}


_MAKERS = {
    "CodeSystem": _code_systems,
    "ValueSet": _value_sets,
    "NamingSystem": _naming_systems,
    "StructureDefinition": _structure_definitions,
    "ConceptMap": _concept_maps,
}
