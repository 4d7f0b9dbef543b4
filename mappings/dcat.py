"""Describes listed datasets as EUCAIM DCAT-AP v2.0 (on HealthDCAT-AP and DCAT-AP 3), for harvesters.

A `Listing` becomes statements, and statements become Turtle or JSON-LD; the RDF library is only loaded when that happens.
Every resource has an IRI, so that the same datasets give the same bytes. Every coded IRI says its type and scheme, because the
profile's validators look there. What the index can't give comes from a dataset's details, whose closed list is `DETAILS`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from consent.conditions import Action
from consent.policy import NEVER_FOR_DIAGNOSIS

if TYPE_CHECKING:
    from rdflib import Graph

PREFIXES = {
    "cv": "http://data.europa.eu/m8g/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eli": "http://data.europa.eu/eli/ontology#",
    "eucaim": "https://cancerimage.eu/ontology/EUCAIM#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "healthdcatap": "http://healthdataportal.eu/ns/health#",  # the validator's; older snippets have another
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
EU = "http://publications.europa.eu/resource/authority/"
HEALTH = "https://hdeu-dcat.data.health.europa.eu/resource/authority/"
CONDITIONS = "https://eucaim.github.io/eucaim_dcat_ap/releases/controlled-vocabularies/access-conditions/#"
EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"

SEPARATOR = ";"
_EMAIL = r"[^\s@<>\"]{1,64}@[A-Za-z0-9.-]{1,190}"
_URL = r"https?://[^\s<>\"{}|\\^`;]{1,500}"
_VERSION = r"\d+\.\d+(\.\d+)?([-+.][A-Za-z0-9.+-]{1,40})?|\d{8}"
_DPV = r"dpv:[A-Z][A-Za-z]{1,60}"
_TEXT = r"[^\x00-\x1f]{1,2000}"


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing an operator says about a dataset: its key, the property it becomes, and the shape of a value.

    `required`: the profile needs it and nothing else can give it. `many`: several values, separated by semicolons.
    """

    key: str
    property: str
    required: bool
    many: bool
    shape: str
    text: str


DETAILS: dict[str, Detail] = {
    d.key: d
    for d in (
        Detail("title", "dct:title", False, False, _TEXT, "The dataset's title, in English."),
        Detail("description", "dct:description", False, False, _TEXT, "What the dataset is, in English."),
        Detail("version", "dcat:version", True, False, _VERSION, "SemVer or CalVer."),
        Detail(
            "interoperability",
            "eucaim:interoperabilityLevel",
            True,
            False,
            r"SPEC10000(09|1[0-6])|SPEC10000011",
            "SPEC1000009 tier 1, SPEC1000011 tier 2, SPEC1000010 tier 3, or a + level of EUCAIM's ontology.",
        ),
        Detail(
            "health_category",
            "healthdcatap:healthCategory",
            True,
            True,
            r"[A-Z_]{2,40}",
            "Category of electronic health data, Article 51 of Regulation (EU) 2025/327: EHRS for images from health records.",
        ),
        Detail(
            "type",
            "dct:type",
            True,
            True,
            rf"SPEC10000(18|19|20)|{_DPV}",
            "SPEC1000020 original, SPEC1000018 processed, SPEC1000019 annotated; dpv:PseudonymisedData, dpv:AnonymisedData.",
        ),
        Detail(
            "condition",
            "eucaim:hasCondition",
            True,
            False,
            r"CLIN1\d{6}",
            "The cancer: CLIN1000060 breast, CLIN1000057 colon, CLIN1000065 lung, CLIN1000075 prostate, CLIN1000077 rectum …",
        ),
        Detail(
            "collection_method",
            "eucaim:collectionMethod",
            True,
            True,
            r"SPEC100000[3-7]",
            "SPEC1000003 only images, SPEC1000004 by patient, …5 case-control, …6 longitudinal, …7 by disease.",
        ),
        Detail("keyword", "dcat:keyword", True, True, r"[^\x00-\x1f;]{1,100}", "Keywords, in English."),
        Detail("provenance", "dct:provenance", True, False, _TEXT, "How the data was collected and processed, in English."),
        Detail("contact", "dcat:contactPoint", True, False, f"{_EMAIL}|{_URL}", "The provider's e-mail address or contact page."),
        Detail("publisher_url", "foaf:homepage", False, False, _URL, "The provider's home page."),
        Detail(
            "hdab",
            "healthdcatap:hdab",
            False,
            False,
            rf"[^\x00-\x1f<>]{{1,200}} <({_EMAIL}|{_URL})>",
            "The health data access body, `Name <address>`, once one is designated; the profile forbids a placeholder.",
        ),
        Detail("identifier", "dct:identifier", False, False, _URL, "The dataset's URI in EUCAIM's catalogue, once it has one."),
        Detail("access_url", "dcat:accessURL", False, False, _URL, "Where to ask for access: the Negotiator; else our own page."),
        Detail("legislation", "dcatap:applicableLegislation", False, True, _URL, "Legislation beside the EHDS Regulation."),
        Detail("legal_basis", "dpv:hasLegalBasis", False, True, _DPV, "Legal basis, a DPV concept: dpv:Consent."),
        Detail("population", "healthdcatap:populationCoverage", False, False, _TEXT, "Who is represented, in English."),
        Detail("page", "foaf:page", False, True, _URL, "Documentation."),
        Detail("sex", "eucaim:hasBirthSex", False, True, r"COM1\d{6}", "Where the images don't say: COM1001366, COM1001370."),
        Detail("body_part", "eucaim:hasImageBodyPart", False, True, r"BP1\d{6}", "Where the images don't say: BP1000136."),
        Detail(
            "manufacturer",
            "eucaim:hasEquipmentManufacturer",
            False,
            True,
            r"IMG10000[4-6]\d",
            "Where the images don't say: IMG1000044 Siemens, …45 Toshiba, …46 Philips, …47 General Electric, …64 Hologic.",
        ),
    )
}
"""What `accord admin dataset set KEY=VALUE` may say."""

SEXES = {"M": ("COM1001366", "Male"), "F": ("COM1001370", "Female"), "O": ("COM1001288", "Other")}
"""Patient's Sex (PS3.3 C.7.1.1) → hyper-ontology, sex assigned at birth."""

MODALITIES = {
    "CR": ("IMG1000024", "Computed radiography"),
    "CT": ("IMG1000042", "Computed tomography"),
    "DX": ("IMG1000028", "Digital Radiography"),
    "GM": ("IMG1004457", "Microscopy"),
    "MG": ("IMG1004455", "Mammography"),
    "MR": ("IMG1000038", "Magnetic resonance imaging"),
    "NM": ("IMG1000071", "Nuclear medicine imaging"),
    "PT": ("IMG1000062", "Positron emission tomography"),
    "RF": ("IMG1000041", "Fluoroscopy"),
    "SEG": ("IMG1000075", "SEG"),
    "SM": ("IMG1004456", "Slide Microscopy"),
    "US": ("IMG1000035", "Ultrasound"),
}
"""Modality (PS3.3 C.7.3.1.1.1) → hyper-ontology, imaging modality (not the procedure of the same name)."""
OTHER_MODALITY = ("IMG1000074", "Other modality (DICOM)")

BODY_PARTS = {
    "ABDOMEN": ("BP1000173", "Abdomen"),
    "ADRENAL": ("BP1000084", "Adrenal gland"),
    "BLADDER": ("BP1000301", "Bladder"),
    "BRAIN": ("BP1000051", "Brain"),
    "BREAST": ("BP1000136", "Breast"),
    "CHEST": ("BP1000067", "Chest"),
    "COLON": ("BP1000257", "Colon"),
    "ESOPHAGUS": ("BP1000303", "Esophagus"),
    "GALLBLADDER": ("BP1000142", "Gallbladder"),
    "HEAD": ("BP1000120", "Head"),
    "HEADNECK": ("BP1000008", "Head and neck"),
    "HEART": ("BP1000075", "Heart"),
    "KIDNEY": ("BP1000298", "Kidney"),
    "KNEE": ("BP1000112", "Knee"),
    "LIVER": ("BP1000105", "Liver structure"),
    "LSPINE": ("BP1000064", "Lumbar spine"),
    "LUNG": ("BP1000113", "Lung structure"),
    "MEDIASTINUM": ("BP1000107", "Mediastinum"),
    "OVARY": ("BP1000340", "Ovary"),
    "PANCREAS": ("BP1000209", "Pancreas"),
    "PELVIS": ("BP1000092", "Pelvis"),
    "PROSTATE": ("BP1000021", "Prostate"),
    "SHOULDER": ("BP1000042", "Shoulder"),
    "SPINE": ("BP1000077", "Spine"),
    "STOMACH": ("BP1000302", "Stomach"),
    "THYROID": ("BP1000286", "Thyroid"),
    "UTERUS": ("BP1000085", "Uterus"),
}
"""Body Part Examined (PS3.16 table L-1) → hyper-ontology, body structure. Other words in that element are left out."""

MANUFACTURERS = {
    "siemens": ("IMG1000044", "Siemens"),
    "toshiba": ("IMG1000045", "Toshiba"),
    "philips": ("IMG1000046", "Philips"),
    "ge": ("IMG1000047", "General Electric"),
    "general electric": ("IMG1000047", "General Electric"),
    "esaote": ("IMG1000049", "Esaote"),
    "canon": ("IMG1000050", "Canon"),
    "agfa": ("IMG1000051", "Agfa"),
    "adac": ("IMG1000052", "ADAC"),
    "marconi": ("IMG1000053", "Marconi"),
    "shimadzu": ("IMG1000054", "Shimadzu"),
    "elscint": ("IMG1000055", "Elscint"),
    "mediso": ("IMG1000056", "Mediso"),
    "hitachi": ("IMG1000057", "Hitachi"),
    "picker": ("IMG1000059", "Picker International"),
    "fujifilm": ("IMG1000060", "Fujifilm"),
    "uih": ("IMG1000063", "UIH"),
    "united imaging": ("IMG1000063", "UIH"),
    "hologic": ("IMG1000064", "Hologic"),
}
"""Words in Manufacturer (0008,0070), folded → hyper-ontology, manufacturer."""

ACCESS = {
    Action.EXPORT: ("DOWNLOAD", "Download access"),
    Action.PROCESS: ("IN_SITU_PROCESSING", "In-situ processing"),
}
"""What the provider agreed to → EUCAIM's access conditions (vocabulary of 2026-08-07).

Processing is in situ: a client inside the node's network is given the pixels. REMOTE_PROCESSING means that work is handed in and
its user never touches the data, which nothing here offers; so an agreement to neither action has no access condition to state.
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """One listed dataset. Numbers and ages are safe already, None where they may not be told; words are as DICOM has them.

    `manufacturers` are folded; `details` are the operator's, by key of `DETAILS`.
    """

    alias: str
    title: str
    description: str
    provider: str
    modified: date
    subjects: int | None
    studies: int | None
    youngest: int | None
    oldest: int | None
    sexes: tuple[str, ...]
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    manufacturers: tuple[str, ...]
    actions: frozenset[Action]
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A catalogue at `iri`, published by a repository that answers at `contact` (an e-mail address or a page)."""

    iri: str
    repository: str
    contact: str
    listings: tuple[Listing, ...]


def wrong(key: str, value: str) -> str | None:
    """Why this can't be said of a dataset, or None: an unknown key, or a value without the key's shape."""
    detail = DETAILS.get(key)
    if detail is None:
        return f"{key} is none of: {', '.join(DETAILS)}."
    values = _values(detail, value)
    return None if values and all(re.fullmatch(detail.shape, v) for v in values) else f"{key}: {detail.text}"


def _values(detail: Detail, value: str) -> list[str]:
    parts = value.split(SEPARATOR) if detail.many else [value]
    return [part.strip() for part in parts if part.strip()]


def _said(listing: Listing, key: str) -> list[str]:
    """The values of a detail; none when they have another shape, so that nothing unsound reaches the graph."""
    value = listing.details.get(key, "")
    return [] if wrong(key, value) else _values(DETAILS[key], value)


def missing(listing: Listing) -> list[str]:
    """The mandatory properties that can't be given, each with the key that would; a dataset with any stays out."""
    given: dict[str, object] = {
        "dct:title (title)": listing.title.strip(),
        "dct:description (description)": listing.description.strip(),
        "healthdcatap:numberOfUniqueIndividuals (too few subjects to tell)": listing.subjects is not None,
        "healthdcatap:numberOfRecords (too few studies to tell)": listing.studies is not None,
        "eucaim:hasBirthSex (sex)": _sexes(listing),
        "eucaim:hasImageModality (no series)": listing.modalities,
        "eucaim:hasImageBodyPart (body_part)": _body_parts(listing),
        "eucaim:hasEquipmentManufacturer (manufacturer)": _manufacturers(listing),
        "dct:rights (the agreement permits neither process nor export)": listing.actions & ACCESS.keys(),
    }
    given |= {f"{d.property} ({d.key})": _said(listing, d.key) for d in DETAILS.values() if d.required}
    return [name for name, value in given.items() if not value]


Coded = tuple[str, str]  # code, label


def _sexes(listing: Listing) -> list[Coded]:
    return [SEXES[s] for s in listing.sexes if s in SEXES] or [(code, "") for code in _said(listing, "sex")]


def _modalities(listing: Listing) -> list[Coded]:
    return [MODALITIES.get(m, OTHER_MODALITY) for m in listing.modalities]


def _body_parts(listing: Listing) -> list[Coded]:
    return [BODY_PARTS[p] for p in listing.body_parts if p in BODY_PARTS] or [(c, "") for c in _said(listing, "body_part")]


def _manufacturers(listing: Listing) -> list[Coded]:
    makers = [f" {re.sub(r'[^a-z0-9]+', ' ', maker)} " for maker in listing.manufacturers]
    codes = [coded for word, coded in MANUFACTURERS.items() if any(f" {word} " in maker for maker in makers)]
    return codes or [(code, "") for code in _said(listing, "manufacturer")]


class Iri(str):
    """An IRI, or `prefix:local` with a prefix of PREFIXES."""

    __slots__ = ()


class Words(str):
    """Text in English."""

    __slots__ = ()


Value = Iri | Words | str | int | bool | date
Statement = tuple[Iri, str, Value]  # subject, property as prefix:local, value


def statements(catalogue: Catalogue) -> Iterator[Statement]:
    """The catalogue and its datasets, each complete (`missing` says nothing); order and repetition don't matter."""
    me = Iri(catalogue.iri)
    yield me, "rdf:type", Iri("dcat:Catalog")
    yield me, "dct:title", Words(f"Datasets of {catalogue.repository}")
    yield me, "dct:description", Words(f"Cancer-imaging datasets listed by their providers. {NEVER_FOR_DIAGNOSIS}")
    yield me, "dct:rights", _notice(catalogue)
    yield me, "dcatap:applicableLegislation", Iri(EHDS)
    yield from _concept(me, "dct:language", f"{EU}language", "ENG", "dct:LinguisticSystem")
    yield from _agent(me, "dct:publisher", "publisher", catalogue.repository, catalogue.contact)
    yield from _constants(catalogue)
    for listing in catalogue.listings:
        yield me, "dcat:dataset", dataset_iri(catalogue, listing)
        yield from dataset_statements(catalogue, listing)


def dataset_iri(catalogue: Catalogue, listing: Listing) -> Iri:
    """Where the dataset's own description is served."""
    return Iri(f"{catalogue.iri}/datasets/{listing.alias}")


def _notice(catalogue: Catalogue) -> Iri:
    return Iri(f"{catalogue.iri}#never-for-diagnosis")


def _constants(catalogue: Catalogue) -> Iterator[Statement]:
    yield Iri(EHDS), "rdf:type", Iri("eli:LegalResource")
    yield _notice(catalogue), "rdf:type", Iri("dct:RightsStatement")
    yield _notice(catalogue), "rdfs:label", Words(NEVER_FOR_DIAGNOSIS)


def dataset_statements(catalogue: Catalogue, listing: Listing) -> Iterator[Statement]:
    """One dataset with its distribution, publisher and codes (EUCAIM DCAT-AP v2.0, Dataset and Distribution)."""
    me = dataset_iri(catalogue, listing)
    yield from _constants(catalogue)
    yield from _described(me, listing)
    yield from _classified(me, listing)
    yield from _counted(me, listing)
    yield from _parties(me, listing)
    yield from _distributed(me, catalogue, listing)


def _described(me: Iri, listing: Listing) -> Iterator[Statement]:
    yield me, "rdf:type", Iri("dcat:Dataset")
    yield me, "dct:identifier", next(iter(_said(listing, "identifier")), str(me))
    yield me, "dct:title", Words(listing.title)
    yield me, "dct:description", Words(listing.description)
    yield me, "dct:modified", listing.modified
    for key in ("version", "keyword", "population"):
        for value in _said(listing, key):
            yield me, DETAILS[key].property, value if key == "version" else Words(value)
    for page in _said(listing, "page"):
        yield me, "foaf:page", Iri(page)
        yield Iri(page), "rdf:type", Iri("foaf:Document")
    for text in _said(listing, "provenance"):
        yield me, "dct:provenance", Iri(f"{me}#provenance")
        yield Iri(f"{me}#provenance"), "rdf:type", Iri("dct:ProvenanceStatement")
        yield Iri(f"{me}#provenance"), "rdfs:label", Words(text)


def _classified(me: Iri, listing: Listing) -> Iterator[Statement]:
    yield from _concept(me, "dcat:theme", f"{EU}data-theme", "HEAL")
    yield from _concept(me, "healthdcatap:healthTheme", f"{HEALTH}health-theme", "CANCER_DISEASE")
    yield from _concept(me, "dct:accessRights", f"{EU}access-right", "RESTRICTED", "dct:RightsStatement")
    for category in _said(listing, "health_category"):
        yield from _concept(me, "healthdcatap:healthCategory", f"{HEALTH}healthcategories", category)
    for key in ("interoperability", "type", "condition", "collection_method", "legal_basis"):
        for code in _said(listing, key):
            yield from _term(me, DETAILS[key].property, code, "")
    for law in (EHDS, *_said(listing, "legislation")):
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
        "eucaim:hasBirthSex": _sexes(listing),
        "eucaim:hasImageModality": _modalities(listing),
        "eucaim:hasImageBodyPart": _body_parts(listing),
        "eucaim:hasEquipmentManufacturer": _manufacturers(listing),
    }
    for name, coded in codes.items():
        for code, label in coded:
            yield from _term(me, name, code, label)


def _parties(me: Iri, listing: Listing) -> Iterator[Statement]:
    for contact in _said(listing, "contact"):
        kind = Iri(f"{me}#contact")
        yield me, "dcat:contactPoint", kind
        yield kind, "rdf:type", Iri("vcard:Kind")
        yield kind, "vcard:fn", Words(listing.provider)
        yield (kind, "vcard:hasEmail", Iri(f"mailto:{contact}")) if _is_email(contact) else (kind, "vcard:hasURL", Iri(contact))
        yield from _agent(me, "dct:publisher", "publisher", listing.provider, contact)
    for page in _said(listing, "publisher_url"):
        yield Iri(f"{me}#publisher"), "foaf:homepage", Iri(page)
        yield Iri(page), "rdf:type", Iri("foaf:Document")
    for body in _said(listing, "hdab"):
        name, _, contact = body.rstrip(">").rpartition(" <")
        yield from _agent(me, "healthdcatap:hdab", "hdab", name, contact)


def _distributed(me: Iri, catalogue: Catalogue, listing: Listing) -> Iterator[Statement]:
    images = Iri(f"{me}#images")
    yield me, "dcat:distribution", images
    yield images, "rdf:type", Iri("dcat:Distribution")
    yield images, "dct:title", Words("DICOM images")
    yield images, "dct:description", Words(NEVER_FOR_DIAGNOSIS)
    yield images, "dcat:accessURL", Iri(next(iter(_said(listing, "access_url")), me))
    yield images, "dcatap:applicableLegislation", Iri(EHDS)
    yield images, "dct:rights", _notice(catalogue)
    for action, (code, label) in ACCESS.items():
        if action in listing.actions:
            yield from _access(images, Iri(CONDITIONS + code), label)


def _access(images: Iri, condition: Iri, label: str) -> Iterator[Statement]:
    """An access condition, in the scheme that the published vocabulary itself names (not the one it declares)."""
    scheme = Iri("https://eucaim.github.io/eucaim_dcat_ap/resource/authority/access-condition")
    yield images, "dct:rights", condition
    yield condition, "rdf:type", Iri("dct:RightsStatement")
    yield condition, "skos:prefLabel", Words(label)
    yield from _in_scheme(condition, scheme, "EUCAIM Access Conditions")


def _agent(me: Iri, name: str, fragment: str, called: str, contact: str) -> Iterator[Statement]:
    agent, point = Iri(f"{me}#{fragment}"), Iri(f"{me}#{fragment}-contact")
    yield me, name, agent
    yield agent, "rdf:type", Iri("foaf:Agent")
    yield agent, "foaf:name", Words(called)
    yield agent, "cv:contactPoint", point
    yield point, "rdf:type", Iri("cv:ContactPoint")
    yield (point, "cv:email", contact) if _is_email(contact) else (point, "cv:contactPage", Iri(contact))


def _is_email(contact: str) -> bool:
    return re.fullmatch(_EMAIL, contact) is not None


def _term(me: Iri, name: str, code: str, label: str) -> Iterator[Statement]:
    """A term of DPV (`dpv:…`) or of EUCAIM's hyper-ontology."""
    is_dpv = code.startswith("dpv:")
    term = Iri(code if is_dpv else f"eucaim:{code}")
    yield me, name, term
    if label:
        yield term, "skos:prefLabel", Words(label)
    if is_dpv:
        yield from _in_scheme(term, Iri("https://w3id.org/dpv"), "Data Privacy Vocabulary (DPV)")
    else:
        yield from _in_scheme(term, Iri("https://cancerimage.eu/ontology/EUCAIM"), "EUCAIM hyper-ontology")


def _concept(me: Iri, name: str, scheme: str, code: str, kind: str = "skos:Concept") -> Iterator[Statement]:
    """A term of an authority table, which is `scheme` and the code behind a slash."""
    term = Iri(f"{scheme}/{code}")
    yield me, name, term
    yield term, "rdf:type", Iri(kind)
    yield from _in_scheme(term, Iri(scheme), scheme.rpartition("/")[2])


def _in_scheme(term: Iri, scheme: Iri, title: str) -> Iterator[Statement]:
    yield term, "rdf:type", Iri("skos:Concept")
    yield term, "skos:inScheme", scheme
    yield scheme, "rdf:type", Iri("skos:ConceptScheme")
    yield scheme, "dct:title", Words(title)


FORMATS = {"text/turtle": "turtle", "application/ld+json": "json-ld"}
"""Media type → the RDF library's name for it; the first is the default."""


def serialised(statements: Iterable[Statement], media_type: str) -> bytes:
    """The statements in one of FORMATS, UTF-8; the same statements always give the same bytes, in every process."""
    text = _graph(statements).serialize(format=FORMATS[media_type], encoding="utf-8")
    return bytes(text) if media_type == "text/turtle" else json.dumps(_in_order(json.loads(text)), indent=2).encode()


def _in_order(node: Any) -> Any:
    """JSON-LD whose arrays are sorted: all of ours are sets (JSON-LD 1.1 section 1.4), and the library's order is its hashes'."""
    if isinstance(node, dict):
        return {key: _in_order(value) for key, value in sorted(node.items())}
    return sorted(map(_in_order, node), key=json.dumps) if isinstance(node, list) else node


def _expanded(name: str) -> str:
    prefix, _, local = name.partition(":")
    return PREFIXES[prefix] + local if prefix in PREFIXES else name


def _graph(statements: Iterable[Statement]) -> "Graph":
    from rdflib import XSD, Graph, Literal, URIRef  # noqa: PLC0415 - half a second that only a harvest should pay

    graph = Graph(bind_namespaces="none")
    for prefix, namespace in PREFIXES.items():
        graph.bind(prefix, namespace)
    for subject, name, value in statements:
        if isinstance(value, Iri):
            node: URIRef | Literal = URIRef(_expanded(value))
        elif isinstance(value, Words):
            node = Literal(str(value), lang="en")
        elif isinstance(value, int) and not isinstance(value, bool):
            node = Literal(value, datatype=XSD.nonNegativeInteger)
        else:
            node = Literal(value)
        graph.add((URIRef(_expanded(subject)), URIRef(_expanded(name)), node))
    return graph
