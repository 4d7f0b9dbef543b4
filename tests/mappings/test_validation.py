"""Descriptions against the shapes of each profile: what we write conforms, and what is taken away is named."""

from dataclasses import replace
from hashlib import sha256
from importlib import resources

import pytest
from rdflib import Graph, URIRef

from consent.conditions import Action, DataUse
from consent.data_use import TERMS
from mappings.dcat.advice import sentence
from mappings.dcat.catalogue import Catalogue, CataloguePage, catalogue_statements
from mappings.dcat.dataset import dataset_statements
from mappings.dcat.details import DETAILS
from mappings.dcat.fair_data_point import names_statements, root_statements
from mappings.dcat.profiles import PROFILES
from mappings.dcat.validation import Violation, violations
from mappings.rdf import document, piece
from tests.mappings.test_dcat import AGREED, BREAST, DETAIL, HERE, ME, TURTLE, name

DETAILED = {
    "hdab": "National Body <https://body.example.org>",
    "identifier": "https://catalogue.example.org/dataset/1",
    "access_url": "https://negotiator.example.org",
    "legislation": "https://example.org/law",
    "legal_basis": "dpv:Consent",
    "population": "Women.",
    "page": "https://hospital.example.org/data",
    "publisher_url": "https://hospital.example.org",
}
WHOLE = replace(AGREED, details=DETAIL | DETAILED, data_use=tuple(DataUse(code) for code in TERMS))
CATALOGUE = Catalogue(HERE, "Accord repository", "contact@example.org", "1.2.3")
PAGE = CataloguePage("", ("BREAST",), more=True, total=150, size=100)


def written(listing=WHOLE, profile="eucaim-2.0") -> bytes:
    return document([piece(dataset_statements(HERE, listing, PROFILES[profile].graph), TURTLE)], TURTLE)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("actions", [{Action.PROCESS}, {Action.EXPORT}, {Action.PROCESS, Action.EXPORT}])
def test_a_dataset_conforms_to_each_profile(profile, actions):
    assert violations(written(replace(WHOLE, actions=frozenset(actions)), profile), profile) == []


@pytest.mark.parametrize("profile", PROFILES)
def test_a_dataset_of_which_nothing_more_is_known_than_must_be_conforms(profile):
    """A health data access body is mandatory in HealthDCAT-AP, and may be left out for now in EUCAIM's profile."""
    bare = replace(BREAST, issued=None, modified=None, size=None, youngest=None, oldest=None)
    missing = {"healthdcatap:hdab"} if profile == "healthdcat-ap-8" else set()
    assert {v.property for v in violations(written(bare, profile), profile)} == missing


@pytest.mark.parametrize("profile", ["eucaim-2.0", "healthdcat-ap-8", "dcat-ap-3"])
def test_a_page_of_the_catalogue_conforms_with_its_datasets(profile):
    pieces = [piece(catalogue_statements(CATALOGUE, PAGE), TURTLE), piece(dataset_statements(HERE, WHOLE), TURTLE)]
    assert violations(document(pieces, TURTLE), profile) == []


def test_what_a_fair_data_point_says_conforms():
    for statements in (root_statements(CATALOGUE), names_statements(CATALOGUE, ["BREAST", "COLON"])):
        assert violations(document([piece(statements, TURTLE)], TURTLE), "fdp") == []


def test_what_two_profiles_want_differently_conforms_to_its_own_alone():
    """A media type: a literal for a FAIR Data Point, an IRI for DCAT-AP."""
    assert {v.property for v in violations(written(profile="fdp"), "dcat-ap-3")} == {"dcat:mediaType"}
    assert "dcat:mediaType" in {v.property for v in violations(written(), "fdp")}


MANDATORY = {
    "dct:identifier", "dct:title", "dct:description", "dcat:version", "eucaim:interoperabilityLevel", "dcat:distribution",
    "dcat:contactPoint", "dcat:theme", "healthdcatap:healthCategory", "dct:type", "dct:accessRights",
    "dcatap:applicableLegislation", "dct:publisher", "healthdcatap:hasStructuredData",
    "healthdcatap:numberOfUniqueIndividuals", "healthdcatap:numberOfRecords", "eucaim:hasBirthSex", "eucaim:hasCondition",
    "eucaim:collectionMethod", "eucaim:hasImageModality", "eucaim:hasEquipmentManufacturer", "eucaim:hasImageBodyPart",
    "dcat:keyword", "dct:provenance",
}  # fmt: skip
"""EUCAIM DCAT-AP 2.0, Dataset; but for `healthdcatap:hdab`, which may be left out for now."""
OF_THE_DATASET = {
    "eucaim-2.0": MANDATORY,
    "healthdcat-ap-8": {
        "dct:identifier", "dct:title", "dct:description", "dcat:distribution", "dcat:theme", "healthdcatap:healthCategory",
        "dct:accessRights", "dcatap:applicableLegislation", "dct:publisher", "healthdcatap:hasStructuredData",
        "healthdcatap:hdab",
    },
    "dcat-ap-3": {"dct:title", "dct:description"},
    "fdp": {"dct:title", "dcat:version", "dct:publisher", "dcat:theme"},
}  # fmt: skip
OF_A_DISTRIBUTION = {
    "eucaim-2.0": {"dcat:accessURL", "dcatap:applicableLegislation", "dct:rights"},
    "healthdcat-ap-8": {"dcat:accessURL", "dcatap:applicableLegislation"},
    "dcat-ap-3": {"dcat:accessURL"},
    "fdp": {"dct:title", "dct:publisher", "dcat:version", "dcat:mediaType"},
}
REMOVED = [
    (profile, subject, each)
    for subject, properties in ((ME, OF_THE_DATASET), (URIRef(f"{ME}#DOWNLOAD"), OF_A_DISTRIBUTION))
    for profile in PROFILES
    for each in sorted(properties[profile])
]


@pytest.mark.parametrize(("profile", "subject", "removed"), REMOVED)
def test_each_mandatory_property_that_is_removed_is_named(profile, subject, removed):
    said = Graph().parse(data=written(profile=profile), format="turtle")
    said.remove((subject, name(removed), None))
    found = violations(said.serialize(format="turtle", encoding="utf-8"), profile)
    assert {(v.property, v.subject) for v in found} == {(removed, str(subject))}


@pytest.mark.parametrize("label", ["eucaim:CLIN1000060", "dpv:PseudonymisedData"])
def test_a_concept_without_a_label_is_named(label):
    said = Graph().parse(data=written(), format="turtle")
    said.remove((name(label), name("skos:prefLabel"), None))
    (found,) = violations(said.serialize(format="turtle", encoding="utf-8"), "dcat-ap-3")
    assert (found.property, found.subject) == ("skos:prefLabel", label)


def test_two_access_conditions_in_one_distribution_are_one_too_many():
    said = Graph().parse(data=written(), format="turtle")
    said.add((URIRef(f"{ME}#DOWNLOAD"), name("dct:rights"), URIRef(f"{HERE}#never-for-diagnosis")))
    found = violations(said.serialize(format="turtle", encoding="utf-8"), "dcat-ap-3")
    assert found == [Violation("dct:rights", f"{ME}#DOWNLOAD", "MaxCount")]


@pytest.mark.parametrize(
    ("removed", "of", "named"),
    [
        ("odrl:permission", "policy", ("", "Or")),
        ("odrl:action", "permission", ("odrl:action", "MinCount")),
    ],
)
def test_a_policy_that_permits_nothing_is_named(removed, of, named):
    said = Graph().parse(data=written(), format="turtle")
    said.remove((URIRef(f"{ME}#DOWNLOAD-{of}"), name(removed), None))
    (found,) = violations(said.serialize(format="turtle", encoding="utf-8"), "eucaim-2.0")
    assert (found.subject, (found.property, found.constraint)) == (f"{ME}#DOWNLOAD-{of}", named)


# In words


@pytest.mark.parametrize("key", sorted(k for k, d in DETAILS.items() if d.required))
def test_what_an_operator_must_say_is_asked_for_by_its_key(key):
    lacking = replace(BREAST, details={k: v for k, v in DETAIL.items() if k != key})
    told = [sentence("BREAST", each) for each in violations(written(lacking), "eucaim-2.0")]
    asked = [said for said in told if f"`accord admin dataset set BREAST {key}=…`" in said]
    assert any(said.startswith(f"{DETAILS[key].property} is missing.") for said in asked)
    assert asked == told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"subjects": None}, "too few subjects"),
        ({"studies": None}, "too few studies"),
        ({"modalities": ()}, "No modality"),
        ({"actions": frozenset()}, "permits neither process nor export"),
        ({"sexes": ()}, "sex=…"),
    ],
)
def test_what_no_operator_can_say_is_explained(change, words):
    (found,) = violations(written(replace(BREAST, **change)), "eucaim-2.0")
    assert words in sentence("BREAST", found)


def test_another_fault_says_whose_and_of_what():
    fault = Violation("dct:rights", f"{ME}#DOWNLOAD", "MaxCount")
    assert sentence("BREAST", fault) == f"dct:rights of {ME}#DOWNLOAD is not as the profile has it (MaxCount)."


def test_dcat_ap_s_shapes_are_those_that_semiceu_published():
    folder = resources.files("mappings.dcat") / "shapes"
    lines = (folder / "LICENSE").read_text().splitlines()
    digests = dict(reversed(line.split("  ")) for line in lines if line.endswith(".ttl") and "  " in line)
    assert len(digests) == 2
    assert {each: sha256((folder / each).read_bytes()).hexdigest() for each in digests} == digests
