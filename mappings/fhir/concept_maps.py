"""Which codes of the standards stand for ours, and `$translate` by them (R4 ConceptMap)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from mappings import vocabulary
from mappings.failures import Invalid, NotFound
from mappings.fhir.body_parts import BODY_PARTS
from mappings.fhir.narrower import NARROWER, Narrower
from mappings.fhir.patient import GENDERS
from mappings.fhir.serial import Json
from mappings.fhir.systems import BODY_PART, DCM, EUCAIM, GENDER, MANUFACTURER, PROJECT, SNOMED, coding
from mappings.vocabulary import Meaning

MAX_BODY = 16384


@dataclass(frozen=True, slots=True)
class ConceptMap:
    """Codes of one system and those of another that stand for them, all in one `equivalence` (R4 concept-map-equivalence)."""

    title: str
    text: str
    source: str
    target: str
    equivalence: str
    targets: Mapping[str, tuple[str, ...]]


def _narrower(name: str, table: Narrower) -> ConceptMap:
    text = f"The standard's codes that are wider than ours of {name}: what is permitted for ours is not for all of theirs."
    return ConceptMap(
        f"{name} wider", text, table.source, table.target, "wider", {code: (wider,) for code, wider in table.wider.items()}
    )


def _eucaim(name: str, source: str, targets: Mapping[str, str]) -> ConceptMap:
    return ConceptMap(
        f"{name} EUCAIM",
        f"What objects say of {name}, as EUCAIM's hyper-ontology codes it.",
        source,
        EUCAIM,
        "equivalent",
        {word: (code,) for word, code in targets.items()},
    )


def _codes(table: Iterable[Meaning]) -> dict[str, str]:
    return {word: meaning.code for meaning in table for word in meaning.words}


_SEX_CODES = {GENDERS[word]: code for word, code in _codes(vocabulary.SEXES).items()}
CONCEPT_MAPS: Mapping[str, ConceptMap] = {
    **{f"{PROJECT}/ConceptMap/{name}-wider": _narrower(name, table) for name, table in NARROWER.items()},
    f"{PROJECT}/ConceptMap/body-part-snomed": ConceptMap(
        "body part SNOMED",
        "Body Part Examined (0018,0015) as SNOMED CT, by DICOM PS3.16 Annex L.",
        BODY_PART,
        SNOMED,
        "equivalent",
        {word: (part.code,) for word, part in BODY_PARTS.items()},
    ),
    f"{PROJECT}/ConceptMap/sex-eucaim": _eucaim("sex", GENDER, _SEX_CODES),
    f"{PROJECT}/ConceptMap/modality-eucaim": _eucaim("modality", DCM, _codes(vocabulary.MODALITIES)),
    f"{PROJECT}/ConceptMap/body-part-eucaim": _eucaim("body part", BODY_PART, _codes(vocabulary.BODY_PARTS)),
    f"{PROJECT}/ConceptMap/manufacturer-eucaim": _eucaim("manufacturer", MANUFACTURER, _codes(vocabulary.MANUFACTURERS)),
}
"""Every map by its address."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A question: a code of a system, into another (any, where it is ""), by one map (any); `reverse`: from the map's target."""

    code: str
    system: str
    target: str = ""
    url: str = ""
    reverse: bool = False


def read_translation(parameters: Sequence[tuple[str, str]], identity: str = "") -> Translation:
    """The question of a GET, asked of the map with this id if any. Raises Invalid for what it doesn't take."""
    asked = dict(parameters)
    for name in asked:
        if name not in ("url", "code", "system", "targetsystem", "reverse", "source", "target"):
            raise Invalid("unknown-parameter", f"$translate takes no parameter {name[:64]}.", name[:64])
    if asked.get("reverse", "false") not in ("true", "false"):
        raise Invalid("value", "reverse takes true or false.", "reverse")
    for name in ("code", "system"):
        if not asked.get(name):
            raise Invalid("value", f"$translate takes a code and its system; there is no {name}.", name)
    url = f"{PROJECT}/ConceptMap/{identity}" if identity else asked.get("url", "")
    return Translation(asked["code"], asked["system"], asked.get("targetsystem", ""), url, asked.get("reverse") == "true")


def translate(asked: Translation) -> bytes:
    """The Parameters that answer. Raises NotFound where there is no such map."""
    maps = CONCEPT_MAPS if not asked.url else {asked.url: CONCEPT_MAPS[asked.url]} if asked.url in CONCEPT_MAPS else {}
    if not maps:
        raise NotFound("not-found", "There is no such ConceptMap here.", "url")
    matches = [match for url, each in maps.items() for match in _matches(asked, url, each)]
    said = [{"name": "result", "valueBoolean": bool(matches)}]
    if not matches:
        said.append({"name": "message", "valueString": "No map has this code of this system."})
    return msgspec.json.encode({"resourceType": "Parameters", "parameter": [*said, *matches]})


_BACK = {"wider": "narrower"}


def _matches(asked: Translation, url: str, by: ConceptMap) -> Iterator[Json]:
    source, target = (by.target, by.source) if asked.reverse else (by.source, by.target)
    if source != asked.system or asked.target not in ("", target):
        return
    if asked.reverse:
        equivalence, codes = _BACK.get(by.equivalence, by.equivalence), [c for c, to in by.targets.items() if asked.code in to]
    else:
        equivalence, codes = by.equivalence, list(by.targets.get(asked.code, ()))
    for code in codes:
        concept = {"name": "concept", "valueCoding": coding(target, code)}
        said = [{"name": "equivalence", "valueCode": equivalence}, concept, {"name": "source", "valueUri": url}]
        yield {"name": "match", "part": said}
