"""The catalogue graph, read back by an RDF parser: what a dataset must say, what keeps it out, what never gets in."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rdflib import RDF, XSD, Graph, Literal, URIRef

from consent.conditions import Action, DataUse, Purpose
from consent.disclaimer import AVAILABILITY, HOSTED
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.dcat.catalogue import Catalogue, CataloguePage, catalogue_statements
from mappings.dcat.dataset import dataset_statements
from mappings.dcat.details import DETAILS, wrong
from mappings.dcat.listing import Listing, missing
from mappings.dcat.profiles import Graph as Profiles
from mappings.rdf import PREFIXES, document, piece

DETAIL = {
    "version": "1.0.0",
    "interoperability": "SPEC1000011",
    "health_category": "EHRS",
    "type": "SPEC1000020; dpv:PseudonymisedData",
    "condition": "CLIN1000060",
    "collection_method": "SPEC1000004",
    "keyword": "breast; mammography",
    "provenance": "Collected in clinical routine.",
    "contact": "data@hospital.example.org",
}
BREAST = Listing(
    alias="BREAST",
    title="Breast É",
    description="Mammograms.",
    provider="Hospital A",
    terms="1.0.0",
    issued=datetime(2026, 11, 1, 8, tzinfo=UTC),
    modified=datetime(2026, 11, 22, 8, 30, tzinfo=UTC),
    size=40_000_000_000,
    subjects=70,
    studies=120,
    youngest=40,
    oldest=70,
    sexes=("F",),
    modalities=("MG", "MR"),
    body_parts=("BREAST",),
    manufacturers=("siemens healthineers",),
    actions=frozenset({Action.QUERY, Action.PROCESS}),
    details=DETAIL,
)
TURTLE = "text/turtle"
VOCABULARY = "https://eucaim.github.io/eucaim_dcat_ap/releases/controlled-vocabularies/data-use-conditions"
HERE = "https://accord.example.org/catalogue"
ME = URIRef(f"{HERE}/datasets/BREAST")
MAIL, PAGE = "data@hospital.example.org", "https://hospital.example.org/data"


def alone(listing: Listing) -> Graph:
    return read(piece(dataset_statements(HERE, listing), TURTLE))


def graph(*listings: Listing, more: bool = False, total: int = 0) -> Graph:
    page = CataloguePage("", tuple(each.alias for each in listings), more, total or len(listings), 100)
    head = piece(catalogue_statements(Catalogue(HERE, "Accord repository", "contact@example.org", "1.2.3"), page), TURTLE)
    return read(head, *(piece(dataset_statements(HERE, each), TURTLE) for each in listings))


def read(*pieces: bytes) -> Graph:
    return Graph().parse(data=document(pieces, TURTLE), format="turtle")


def name(curie: str) -> URIRef:
    prefix, _, local = curie.partition(":")
    return URIRef(PREFIXES[prefix] + local)


def told(graph: Graph, subject: URIRef, curie: str) -> set[object]:
    return set(graph.objects(subject, name(curie)))


def listed(**details: str) -> Listing:
    return replace(BREAST, details=DETAIL | details)


# What keeps a dataset out


@pytest.mark.parametrize("key", sorted(k for k, d in DETAILS.items() if d.required))
def test_a_required_detail_that_is_absent_or_unsound_is_missing(key):
    expected = [f"{DETAILS[key].property} ({key})"]
    assert missing(replace(BREAST, details={k: v for k, v in DETAIL.items() if k != key})) == expected
    assert missing(listed(**{key: " "})) == expected
    assert missing(listed(**{key: "<\n>"})) == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"title": " "}, "dct:title (title)"),
        ({"description": ""}, "dct:description (description)"),
        ({"subjects": None}, "healthdcatap:numberOfUniqueIndividuals (too few subjects to tell)"),
        ({"studies": None}, "healthdcatap:numberOfRecords (too few studies to tell)"),
        ({"sexes": ()}, "eucaim:hasBirthSex (sex)"),
        ({"modalities": ()}, "eucaim:hasImageModality (no modality to tell)"),
        ({"body_parts": ("TDM ABDOMEN / PE",)}, "eucaim:hasImageBodyPart (body_part)"),
        ({"manufacturers": ("geometric imaging",)}, "eucaim:hasEquipmentManufacturer (manufacturer)"),
        ({"actions": frozenset({Action.QUERY})}, "dct:rights (the agreement permits neither process nor export)"),
    ],
)
def test_what_the_index_or_the_agreement_can_t_give_is_missing(change, named):
    assert missing(replace(BREAST, **change)) == [named]


def test_a_complete_dataset_lacks_nothing():
    assert missing(BREAST) == []


@pytest.mark.parametrize(
    ("field", "key", "value", "property_"),
    [
        ("sexes", "sex", "COM1001366", "eucaim:hasBirthSex"),
        ("body_parts", "body_part", "BP1000113", "eucaim:hasImageBodyPart"),
        ("manufacturers", "manufacturer", "IMG1000064", "eucaim:hasEquipmentManufacturer"),
    ],
)
def test_an_operator_may_say_what_the_images_don_t(field, key, value, property_):
    listing = replace(listed(**{key: value}), **{field: ()})
    assert missing(listing) == []
    assert told(graph(listing), ME, property_) == {name(f"eucaim:{value}")}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("colour", "blue"),
        ("version", "one"),
        ("condition", "breast"),
        ("condition", "CLIN1000060;CLIN1000057"),
        ("type", "SPEC1000020;nonsense"),
        ("keyword", ";"),
        ("contact", "not an address"),
        ("contact", "https://x.example.org/<>"),
        ("access_url", "javascript:alert(1)"),
        ("hdab", "Body without an address"),
        ("provenance", "two\nlines"),
    ],
)
def test_what_can_t_be_said_of_a_dataset_is_explained(key, value):
    assert (wrong(key, value) or "").startswith(key)


def test_every_value_of_these_tests_can_be_said():
    assert [key for key, value in DETAIL.items() if wrong(key, value)] == []
    assert [key for key in DETAILS if not DETAILS[key].text.endswith((".", "…"))] == []


# What a dataset says


def test_a_dataset_says_every_mandatory_property_of_the_profile():
    """EUCAIM DCAT-AP v2.0, Dataset: identification, classification, access, publisher, population, imaging, keywords."""
    found = graph(BREAST)
    eu, health = (
        "http://publications.europa.eu/resource/authority/",
        "https://hdeu-dcat.data.health.europa.eu/resource/authority/",
    )
    expected = {
        "rdf:type": {name("dcat:Dataset")},
        "dct:identifier": {Literal(str(ME))},
        "dct:title": {Literal("Breast É", lang="en")},
        "dct:description": {Literal("Mammograms.", lang="en")},
        "dcat:version": {Literal("1.0.0")},
        "eucaim:interoperabilityLevel": {name("eucaim:SPEC1000011")},
        "dcat:distribution": {URIRef(f"{ME}#IN_SITU_PROCESSING")},
        "dcat:contactPoint": {URIRef(f"{ME}#contact")},
        "dcat:theme": {URIRef(f"{eu}data-theme/HEAL")},
        "healthdcatap:healthCategory": {URIRef(f"{health}healthcategories/EHRS")},
        "dct:type": {name("eucaim:SPEC1000020"), name("dpv:PseudonymisedData")},
        "dct:accessRights": {URIRef(f"{eu}access-right/RESTRICTED")},
        "dcatap:applicableLegislation": {URIRef("http://data.europa.eu/eli/reg/2025/327/oj")},
        "dct:publisher": {URIRef(f"{ME}#publisher")},
        "healthdcatap:hasStructuredData": {Literal(False)},
        "healthdcatap:numberOfUniqueIndividuals": {Literal("70", datatype=XSD.nonNegativeInteger)},
        "healthdcatap:numberOfRecords": {Literal("120", datatype=XSD.nonNegativeInteger)},
        "healthdcatap:minTypicalAge": {Literal("40", datatype=XSD.nonNegativeInteger)},
        "healthdcatap:maxTypicalAge": {Literal("70", datatype=XSD.nonNegativeInteger)},
        "eucaim:hasBirthSex": {name("eucaim:COM1001370")},
        "eucaim:hasCondition": {name("eucaim:CLIN1000060")},
        "eucaim:collectionMethod": {name("eucaim:SPEC1000004")},
        "eucaim:hasImageModality": {name("eucaim:IMG1004455"), name("eucaim:IMG1000038")},
        "eucaim:hasEquipmentManufacturer": {name("eucaim:IMG1000044")},
        "eucaim:hasImageBodyPart": {name("eucaim:BP1000136")},
        "dcat:keyword": {Literal("breast", lang="en"), Literal("mammography", lang="en")},
        "dct:provenance": {URIRef(f"{ME}#provenance")},
    }
    assert {curie: told(found, ME, curie) for curie in expected} == expected


def test_publisher_contact_and_provenance_have_what_the_profile_asks_of_them():
    found = graph(BREAST)
    point = URIRef(f"{ME}#publisher-contact")
    assert told(found, URIRef(f"{ME}#publisher"), "foaf:name") == {Literal("Hospital A", lang="en")}
    assert told(found, URIRef(f"{ME}#publisher"), "cv:contactPoint") == {point}
    assert told(found, point, "cv:email") == {Literal(MAIL)}
    assert told(found, URIRef(f"{ME}#contact"), "vcard:hasEmail") == {URIRef(f"mailto:{MAIL}")}
    assert told(found, URIRef(f"{ME}#provenance"), "rdfs:label") == {Literal("Collected in clinical routine.", lang="en")}


def test_a_contact_page_stands_where_an_address_would():
    found = graph(listed(contact=PAGE))
    assert told(found, URIRef(f"{ME}#publisher-contact"), "cv:contactPage") == {URIRef(PAGE)}
    assert told(found, URIRef(f"{ME}#contact"), "vcard:hasURL") == {URIRef(PAGE)}
    assert told(found, URIRef(f"{ME}#publisher-contact"), "cv:email") == set()


def test_a_health_data_access_body_is_named_only_once_there_is_one():
    assert told(graph(BREAST), ME, "healthdcatap:hdab") == set()
    found = graph(listed(hdab="National Body (NB) <https://body.example.org>"))
    (body,) = told(found, ME, "healthdcatap:hdab")
    assert told(found, body, "foaf:name") == {Literal("National Body (NB)", lang="en")}
    (point,) = told(found, body, "cv:contactPoint")
    assert told(found, point, "cv:contactPage") == {URIRef("https://body.example.org")}


def test_optional_details_become_their_properties():
    central, law = "https://catalogue.example.org/dataset/1", "https://example.org/law"
    found = graph(
        listed(identifier=central, legislation=law, legal_basis="dpv:Consent", population="Women.", page=PAGE, publisher_url=PAGE)
    )
    assert told(found, ME, "dct:identifier") == {Literal(central)}
    assert URIRef(law) in told(found, ME, "dcatap:applicableLegislation")
    assert told(found, ME, "dpv:hasLegalBasis") == {name("dpv:Consent")}
    assert told(found, ME, "healthdcatap:populationCoverage") == {Literal("Women.", lang="en")}
    assert told(found, ME, "foaf:page") == {URIRef(PAGE)}
    assert told(found, URIRef(f"{ME}#publisher"), "foaf:homepage") == {URIRef(PAGE)}


@pytest.mark.parametrize(
    ("actions", "codes"),
    [
        ({Action.PROCESS}, {"IN_SITU_PROCESSING"}),
        ({Action.EXPORT}, {"DOWNLOAD"}),
        ({Action.PROCESS, Action.EXPORT}, {"DOWNLOAD", "IN_SITU_PROCESSING"}),
    ],
)
def test_each_access_condition_that_the_provider_agreed_to_is_a_distribution(actions, codes):
    """A harvester keeps one `dct:rights` of a distribution."""
    found = graph(replace(BREAST, actions=frozenset(actions)))
    distributions = told(found, ME, "dcat:distribution")
    assert distributions == {URIRef(f"{ME}#{code}") for code in codes}
    for each in distributions:
        (right,) = told(found, each, "dct:rights")
        assert str(right).rpartition("#")[2] == str(each).rpartition("#")[2]
        assert told(found, each, "dcat:accessURL") == {ME}
        assert told(found, each, "dcatap:applicableLegislation") == {URIRef("http://data.europa.eu/eli/reg/2025/327/oj")}
        assert told(found, each, "dct:license") == {URIRef("https://accord.example.org/terms/1.0.0")}
        assert told(found, each, "dcat:byteSize") == {Literal("40000000000", datatype=XSD.nonNegativeInteger)}


def test_a_dataset_says_that_it_is_never_for_diagnosis_and_what_it_is_part_of():
    found, notice = alone(BREAST), URIRef(f"{HERE}#never-for-diagnosis")
    assert told(found, ME, "dct:rights") == {notice}
    assert told(found, notice, "rdfs:label") == {Literal(NEVER_FOR_DIAGNOSIS, lang="en")}
    assert told(found, ME, "dct:isPartOf") == {URIRef(HERE)}
    assert told(found, ME, "dcat:landingPage") == {URIRef(f"{ME}?format=html")}


def test_a_dataset_says_to_the_second_since_when_it_is_listed_and_says_this():
    found = alone(BREAST)
    assert told(found, ME, "dct:issued") == {Literal("2026-11-01T08:00:00Z", datatype=XSD.dateTime)}
    assert told(found, ME, "dct:modified") == {Literal("2026-11-22T08:30:00Z", datatype=XSD.dateTime)}
    young = alone(replace(BREAST, issued=None, modified=None))
    assert told(young, ME, "dct:issued") | told(young, ME, "dct:modified") == set()


def test_a_distribution_leads_to_the_services_that_give_access_to_it():
    found = alone(BREAST)
    services = told(found, URIRef(f"{ME}#IN_SITU_PROCESSING"), "dcat:accessService")
    endpoints = {url for each in services for url in told(found, each, "dcat:endpointURL")}
    assert endpoints == {URIRef(f"https://accord.example.org/{path}") for path in ("datasets/BREAST/dicom-web", "fhir/R4")}
    assert {what for each in services for what in told(found, each, "dcat:servesDataset")} == {ME}


AGREED = replace(
    BREAST,
    actions=frozenset({Action.PROCESS, Action.EXPORT}),
    purposes=frozenset({Purpose.AI_RESEARCH, Purpose.AI_TRAINING}),
    data_use=(DataUse("IRB"), DataUse("DS", ("MONDO:0007254",))),
    deviations='No <script>weekends</script> "please".',
)


def offered(found: Graph, code: str) -> tuple[URIRef, URIRef]:
    """The one policy of a distribution, and its one permission."""
    (policy,) = told(found, URIRef(f"{ME}#{code}"), "odrl:hasPolicy")
    (permission,) = told(found, policy, "odrl:permission")
    return policy, permission


@pytest.mark.parametrize("fdp", [False, True])
def test_a_distribution_offers_its_uses_under_the_agreement_s_data_use_terms(fdp):
    found = read(piece(dataset_statements(HERE, AGREED, Profiles.FDP if fdp else Profiles.DCAT), TURTLE))
    uses = {"IN_SITU_PROCESSING": {"odrl:read", "odrl:derive"}, "DOWNLOAD": {"odrl:read", "odrl:derive", "odrl:reproduce"}}
    for code, actions in uses.items():
        policy, permission = offered(found, code)
        assert told(found, policy, "rdf:type") == {name("odrl:Policy"), name("odrl:Offer")}
        assert told(found, policy, "rdfs:comment") == {Literal('No <script>weekends</script> "please".', lang="en")}
        assert told(found, permission, "odrl:action") == {name(each) for each in actions}
        terms = {o for c in told(found, permission, "odrl:constraint") for o in told(found, c, "odrl:rightOperand")}
        assert {URIRef(f"{VOCABULARY}/#{each}") for each in ("ETHICS_APPROVAL_REQUIRED", "DISEASE_SPECIFIC_RESEARCH")} < terms
    said = {str(text) for text in told(found, URIRef(f"{ME}#DS"), "rdfs:label")}
    assert said == {"Research on the named diseases only: MONDO:0007254."}


def test_a_data_use_term_is_eucaim_s_with_its_duo_class_and_a_right_of_the_dataset():
    found = alone(AGREED)
    for name_, duo, label in (
        ("ETHICS_APPROVAL_REQUIRED", "0000021", "Ethics approval required"),
        ("DISEASE_SPECIFIC_RESEARCH", "0000007", "Disease specific research"),
    ):
        term = URIRef(f"{VOCABULARY}/#{name_}")
        assert term in told(found, ME, "dct:rights")
        assert told(found, term, "skos:exactMatch") == {URIRef(f"http://purl.obolibrary.org/obo/DUO_{duo}")}
        assert told(found, term, "skos:prefLabel") == {Literal(label, lang="en")}
        assert told(found, term, "skos:inScheme") == {URIRef(f"{VOCABULARY}/#")}


def test_what_leaves_is_for_research_alone_and_what_stays_for_all_that_was_agreed():
    found = alone(AGREED)
    for code, purposes in (("DOWNLOAD", {"AIRESEARCH"}), ("IN_SITU_PROCESSING", {"AIRESEARCH", "AITRAIN"})):
        (within,) = told(found, URIRef(f"{offered(found, code)[1]}-purposes"), "odrl:operator")
        named = told(found, URIRef(f"{offered(found, code)[1]}-purposes"), "odrl:rightOperand")
        assert (within, {str(each).rpartition("#")[2] for each in named}) == (name("odrl:isAnyOf"), purposes)


def test_what_is_shared_for_no_purpose_is_not_offered():
    found = alone(replace(AGREED, purposes=frozenset()))
    assert told(found, URIRef(f"{ME}#DOWNLOAD"), "odrl:hasPolicy") == set()


def test_a_distribution_says_its_conditions_in_words_too():
    """CKAN keeps a distribution's description, and neither its policy nor a second right."""
    (said,) = told(alone(AGREED), URIRef(f"{ME}#DOWNLOAD"), "dct:description")
    assert str(said) == (
        "De-identified DICOM objects as they were deposited. With an ethics approval. "
        'Research on the named diseases only: MONDO:0007254. No <script>weekends</script> "please". '
        f"{HOSTED[AGREED.hosting]} {AVAILABILITY}"
    )


def test_without_terms_and_deviations_a_policy_says_purposes_alone():
    found = alone(replace(AGREED, data_use=(), deviations=""))
    policy, permission = offered(found, "DOWNLOAD")
    assert told(found, permission, "odrl:constraint") == {URIRef(f"{permission}-purposes")}
    assert told(found, policy, "rdfs:comment") == set()


def test_access_is_asked_for_where_the_operator_says():
    assert told(graph(listed(access_url=PAGE)), URIRef(f"{ME}#IN_SITU_PROCESSING"), "dcat:accessURL") == {URIRef(PAGE)}


def test_every_coded_iri_says_its_type_and_scheme():
    """Validators test membership by skos:inScheme and types by rdf:type, and load no vocabulary."""
    found = graph(BREAST)
    ours = {s for s in found.subjects() if str(s).startswith(HERE)}
    own = (RDF.type, name("vcard:hasEmail"))
    iris = {o for s in ours for p, o in found.predicate_objects(s) if isinstance(o, URIRef) and p not in own}
    outside = {i for i in iris if not str(i).startswith(HERE)}
    reached = {i for i in outside if i.startswith("https://accord.example.org/datasets/")}
    outside -= reached | {URIRef("https://accord.example.org/fhir/R4")}
    assert len(reached) == 1
    assert len(outside) == 20
    untyped = {i for i in outside if not told(found, i, "rdf:type")}
    assert untyped == set()
    coded = {i for i in outside if name("skos:Concept") in told(found, i, "rdf:type")}
    assert outside - coded == {
        URIRef("http://data.europa.eu/eli/reg/2025/327/oj"),
        URIRef("https://accord.example.org/terms/1.0.0"),
        URIRef("https://www.iana.org/assignments/media-types/application/dicom"),
    }
    for code in coded:
        (scheme,) = told(found, code, "skos:inScheme")
        assert told(found, scheme, "rdf:type") == {name("skos:ConceptScheme")}
        assert told(found, scheme, "dct:title")
        assert told(found, code, "skos:prefLabel")


@pytest.mark.parametrize(
    ("maker", "code"),
    [
        ("ge medical systems", "IMG1000047"),
        ("GE".casefold(), "IMG1000047"),
        ("general electric", "IMG1000047"),
        ("philips medical systems, inc.", "IMG1000046"),
        ("agfa-gevaert", "IMG1000051"),
        ("canon inc.", "IMG1000050"),
    ],
)
def test_manufacturers_are_found_by_whole_words(maker, code):
    assert told(graph(replace(BREAST, manufacturers=(maker,))), ME, "eucaim:hasEquipmentManufacturer") == {name(f"eucaim:{code}")}


def test_a_modality_without_a_code_is_another_modality():
    assert told(graph(replace(BREAST, modalities=("CT", "KO"))), ME, "eucaim:hasImageModality") == {
        name("eucaim:IMG1000042"),
        name("eucaim:IMG1000074"),
    }


def test_ages_nobody_knows_are_not_said():
    found = graph(replace(BREAST, youngest=None, oldest=None))
    assert told(found, ME, "healthdcatap:minTypicalAge") | told(found, ME, "healthdcatap:maxTypicalAge") == set()


# The catalogue


def test_the_catalogue_says_every_mandatory_property_and_its_datasets():
    colon = replace(BREAST, alias="COLON")
    found, me = graph(BREAST, colon), URIRef(HERE)
    assert told(found, me, "rdf:type") == {name("dcat:Catalog")}
    assert told(found, me, "dct:title") == {Literal("Datasets of Accord repository", lang="en")}
    (description,) = told(found, me, "dct:description")
    assert NEVER_FOR_DIAGNOSIS in str(description)
    assert told(found, me, "dcatap:applicableLegislation") == {URIRef("http://data.europa.eu/eli/reg/2025/327/oj")}
    (publisher,) = told(found, me, "dct:publisher")
    (point,) = told(found, publisher, "cv:contactPoint")
    assert told(found, point, "cv:email") == {Literal("contact@example.org")}
    assert told(found, me, "dcat:dataset") == {ME, URIRef(f"{HERE}/datasets/COLON")}


def test_an_empty_catalogue_is_still_one():
    assert told(graph(), URIRef(HERE), "rdf:type") == {name("dcat:Catalog")}


def test_a_dataset_alone_says_what_it_says_in_the_catalogue():
    found = alone(BREAST)
    assert set(found) < set(graph(BREAST))
    assert (None, RDF.type, name("dcat:Catalog")) not in found


# The pages


def test_a_page_says_how_many_there_are_and_where_the_next_is():
    found = graph(BREAST, replace(BREAST, alias="COLON"), more=True, total=150)
    (page,) = told(found, URIRef(HERE), "hydra:view")
    assert page == URIRef(f"{HERE}?after=")
    assert told(found, page, "rdf:type") == {name("hydra:PartialCollectionView"), name("hydra:PagedCollection")}
    assert {int(n) for n in told(found, page, "hydra:totalItems")} == {150}
    assert {int(n) for n in told(found, page, "hydra:itemsPerPage")} == {100}
    assert told(found, page, "hydra:next") == told(found, page, "hydra:nextPage") == {URIRef(f"{HERE}?after=COLON")}
    assert told(found, page, "hydra:first") == told(found, page, "hydra:firstPage") == {page}


def test_the_last_page_has_no_next():
    found = graph(BREAST)
    (page,) = told(found, URIRef(HERE), "hydra:view")
    assert told(found, page, "hydra:next") | told(found, page, "hydra:nextPage") == set()
