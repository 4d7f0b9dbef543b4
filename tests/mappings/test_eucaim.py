"""EUCAIM's question and reply: what is no AST, what is not known, what the explorer sends, what it can draw."""

import json
from dataclasses import replace
from hashlib import sha256
from math import inf, nan

import pytest

from consent.disclosure import MOST_BARS, MOST_VALUES
from mappings.dcat.details import wrong
from mappings.eucaim import (
    BODY_PARTS,
    CONDITION,
    CONDITIONS,
    CRITERIA,
    MAX_NODES,
    MOST_AST,
    MOST_RECORDED,
    MOST_SEARCH,
    STATED,
    Collection,
    Found,
    bars,
    collection_id,
    encoded,
    read_ast,
    read_recorded,
    recorded,
    to_reply,
)
from mappings.failures import Invalid
from mappings.fields import FIELDS
from mappings.query import EVERYTHING, NOTHING, AllOf, AnyOf, Between, Condition, Level, Like, Not, OneOf

LUNG = ("LUNG", "LUNGE", "LUNGS", "POLMONE", "POUMON", "PULMON")
BREASTS = ("BREAST", "BREASTS", "BRUST", "MAMA", "MAMMA", "MAMMELLA", "SEIN")
SEX, AGE, MODALITY, PART, MAKER = "SNOMEDCT263495000", "SNOMEDCT423493009", "RID10311", "SNOMEDCT123037004", "C25392"
DIAGNOSIS = "SNOMEDCT439401001"


def leaf(key: object, kind: object, value: object) -> dict[str, object]:
    return {"nodeType": "leaf", "key": key, "type": kind, "value": value, "system": ""}


def where(node: object) -> Condition:
    return read_ast(node)[0].where


@pytest.mark.parametrize(
    "ast",
    [
        None,
        "RID10311",
        [],
        {},
        {"operand": "OR"},
        {"operand": "OR", "children": {}},
        {"operand": "OR", "children": [None]},
        {"operand": "OR", "children": [{"operand": "AND", "children": None}]},
        {"key": MODALITY, "type": "EQUALS"},
        {"key": MODALITY, "value": "RID10312"},
    ],
)
def test_what_is_no_ast_is_refused(ast):
    with pytest.raises(Invalid) as failure:
        read_ast(ast)
    assert failure.value.code == "ast-malformed"


def test_depth_and_nodes_are_bounded():
    deep: dict[str, object] = {"operand": "OR", "children": []}
    for _ in range(1000):
        deep = {"operand": "OR", "children": [deep]}
    one = {"operand": "OR", "children": [leaf(MODALITY, "EQUALS", "RID10312")] * 9}
    many = {"operand": "AND", "children": [one] * (MAX_NODES // 10 + 1)}
    for ast in (deep, many):
        with pytest.raises(Invalid) as failure:
            read_ast(ast)
        assert failure.value.code == "ast-too-large"


@pytest.mark.parametrize("operand", ["AND", "OR"])
@pytest.mark.parametrize("value", ["RID10312", "unknown"])
def test_a_criterion_has_twenty_values_at_most(operand, value):
    def asks(*counts):
        return {"operand": operand, "children": [leaf(MODALITY, "IN", [value] * count) for count in counts]}

    for allowed in (leaf(MODALITY, "IN", [value] * MOST_VALUES), asks(MOST_VALUES - 1, 1), asks(*[1] * MOST_VALUES)):
        read_ast({"operand": "AND", "children": [allowed, leaf(AGE, "EQUALS", 50)]})
    for more in (leaf(MODALITY, "IN", [value] * (MOST_VALUES + 1)), asks(MOST_VALUES, 1), asks(*[1] * (MOST_VALUES + 1))):
        with pytest.raises(Invalid) as failure:
            read_ast(more)
        assert failure.value.code == "too-many"


def test_alternatives_within_alternatives_are_values_of_one_criterion():
    one, many = leaf(MODALITY, "EQUALS", "RID10321"), leaf(MODALITY, "IN", ["RID10321"] * MOST_VALUES)
    read_ast(some(one, some(*[one] * (MOST_VALUES - 1))))
    with pytest.raises(Invalid) as failure:
        read_ast(some(many, some(some(one))))
    assert failure.value.code == "too-many"
    read_ast(every(many, every(one)))  # a condition more, and no alternative


def some(*children):
    return {"operand": "OR", "children": list(children)}


def every(*children):
    return {"operand": "AND", "children": list(children)}


CT, MR, WOMEN, OLD, HEAD = (
    leaf(MODALITY, "EQUALS", "RID10321"),
    leaf(MODALITY, "EQUALS", "RID10312"),
    leaf(SEX, "EQUALS", "SNOMEDCT248152002"),
    leaf(AGE, "BETWEEN", {"min": 60, "max": 0}),
    leaf(PART, "EQUALS", "SNOMEDCT69536005"),
)


@pytest.mark.parametrize(
    ("ast", "count"),
    [
        (some(), 1),
        (CT, 1),
        (some(CT, MR), 1),
        (some(CT, some(MR), leaf(MODALITY, "NOT_EQUALS", "RID10337")), 1),
        (every(some(CT, MR), some(WOMEN), some(OLD)), 1),
        (some(every(some(CT, MR), some(OLD))), 1),
        (some(CT, leaf("K", "EQUALS", "unknown"), leaf("L", "EQUALS", "unknown")), 1),
        (some(CT, WOMEN), 2),
        (some(every(CT), every(MR)), 2),
        (some(some(CT, WOMEN), some(OLD, HEAD)), 4),
        (every(some(CT, WOMEN), some(OLD, HEAD)), 4),
        (some(every(CT, WOMEN), every(MR, OLD), HEAD, every(WOMEN, OLD)), 4),
        (some(every(CT, WOMEN), every(MR, OLD), HEAD, every(WOMEN, OLD), every(WOMEN, HEAD)), 5),
        (every(some(CT, WOMEN), some(OLD, HEAD), some(MR, OLD)), 8),
        (every(*[some(CT, WOMEN)] * 10), 1024),
    ],
)
def test_a_question_has_four_bars_at_most_however_it_nests(ast, count):
    if count > MOST_BARS:
        with pytest.raises(Invalid) as failure:
            read_ast(ast)
        assert failure.value.code == "too-many-bars"
    else:
        assert bars(where(ast)) == count


@pytest.mark.parametrize(
    ("kind", "value", "condition"),
    [
        ("BETWEEN", {"min": 43, "max": 57}, Between("age", 40, 59)),
        ("BETWEEN", {"min": 40, "max": 49}, Between("age", 40, 49)),
        ("BETWEEN", {"min": 45, "max": 0}, Between("age", 40, None)),
        ("BETWEEN", {"min": 0, "max": 70}, Between("age", 0, 79)),
        ("BETWEEN", {"min": 57, "max": 43}, Between("age", 57, 43)),
        ("EQUALS", 45, Between("age", 40, 49)),
        ("EQUALS", 45.5, Between("age", 46, 45)),
        ("NOT_EQUALS", 45, Not(Between("age", 40, 49))),
        ("LOWER_THAN", 40, Between("age", None, 39)),
        ("LOWER_THAN", 41, Between("age", None, 49)),
        ("GREATER_THAN", 45, Between("age", 40, None)),
    ],
)
def test_where_counts_are_not_exact_ages_are_asked_for_in_decades(kind, value, condition):
    assert read_ast(leaf(AGE, kind, value), 10)[0].where == condition


@pytest.mark.parametrize(
    ("ast", "named"),
    [
        (leaf("SNOMEDCT432213005", "BETWEEN", {"min": 2000, "max": 0}), "key SNOMEDCT432213005"),
        (leaf(DIAGNOSIS, "EQUALS", "SNOMEDCT363351006"), "value SNOMEDCT363351006"),
        (leaf(DIAGNOSIS, "NOT_EQUALS", "SNOMEDCT363351006"), "value SNOMEDCT363351006"),
        (leaf(DIAGNOSIS, "BETWEEN", {"min": 1, "max": 2}), "type BETWEEN"),
        (leaf(7, "EQUALS", "x"), "key (no code)"),
        (leaf(MODALITY, "EQUALS", "RID99999"), "value RID99999"),
        (leaf(MODALITY, "EQUALS", ["RID10312"]), "value (no code)"),
        (leaf(MODALITY, "NOT_EQUALS", "RID99999"), "value RID99999"),
        (leaf(MODALITY, "IN", ["RID99999"]), "value RID99999"),
        (leaf(MODALITY, "LOWER_THAN", "RID10312"), "type LOWER_THAN"),
        (leaf(MODALITY, ["EQUALS"], "RID10312"), "type (no code)"),
        (leaf(MAKER, "EQUALS", "SNOMEDCT261665006"), "value SNOMEDCT261665006"),
        (leaf(AGE, "IN", 40), "type IN"),
        (leaf(AGE, {}, 40), "type (no code)"),
        (leaf(AGE, "EQUALS", {"min": 40, "max": 50}), "type EQUALS"),
        (leaf(AGE, "BETWEEN", {}), "value (no code)"),
        (leaf(AGE, "BETWEEN", {"min": "40", "max": None}), "value (no code)"),
        (leaf(AGE, "EQUALS", "40"), "value 40"),
        (leaf(AGE, "EQUALS", True), "value (no code)"),
        (leaf(AGE, "NOT_EQUALS", nan), "value (no code)"),
        (leaf(AGE, "GREATER_THAN", inf), "value (no code)"),
        ({"operand": "XOR", "children": []}, "operand XOR"),
        ({"operand": "NOT", "children": [leaf(MODALITY, "EQUALS", "RID10312")]}, "operand NOT"),
        ({"operand": None, "children": []}, "operand (no code)"),
    ],
)
def test_what_is_not_known_matches_nothing_and_is_named(ast, named):
    query, unknown = read_ast(ast)
    assert query.where == NOTHING
    assert unknown == (named,)


def test_an_unknown_value_beside_a_known_one_is_named_and_adds_nothing():
    query, unknown = read_ast(leaf(MODALITY, "IN", ["RID10312", "RID99999"]))
    assert query.where == OneOf("modality", ("MR",))
    assert unknown == ("value RID99999",)


def test_only_codes_are_named_and_no_more_than_twenty():
    texts = ["Jane Doe", "x\ny", "", "é", "a" * 65]
    assert read_ast({"operand": "OR", "children": [leaf(t, "EQUALS", t) for t in texts]})[1] == ("key (no code)",) * 5
    assert len(read_ast({"operand": "OR", "children": [leaf(f"K{n}", "EQUALS", "v") for n in range(50)]})[1]) == 20


@pytest.mark.parametrize("operand", ["OR", "AND"])
def test_no_children_ask_for_everything(operand):
    query, unknown = read_ast({"operand": operand, "children": []})
    assert (query.level, query.where, unknown) == (Level.STUDY, EVERYTHING, ())


def test_the_explorers_two_bars_are_read_as_they_stand():
    """As seen on the wire: a root OR of bars, each an AND of criteria, each an OR of the values chosen."""

    def one(*leaves):
        return {"nodeType": "branch", "key": leaves[0]["key"], "operand": "OR", "children": list(leaves)}

    pet_or_ct = one(leaf(MODALITY, "EQUALS", "RID10337"), leaf(MODALITY, "EQUALS", "RID10321"))
    lung = one(leaf(PART, "EQUALS", "SNOMEDCT39607008"))
    women = one(leaf(SEX, "EQUALS", "SNOMEDCT248152002"))
    bars = [{"nodeType": "branch", "operand": "AND", "children": bar} for bar in ([pet_or_ct, lung], [women])]
    query, unknown = read_ast({"nodeType": "branch", "operand": "OR", "children": bars})
    pt, ct = OneOf("modality", ("PT",)), OneOf("modality", ("CT",))
    series = AllOf((AnyOf((pt, ct)), AnyOf((OneOf("body_part", LUNG),))))
    assert query.where == AnyOf((series, AllOf((AnyOf((OneOf("patient_sex", ("F",)),)),))))
    assert unknown == ()


@pytest.mark.parametrize(
    ("kind", "value", "low", "high"),
    [
        ("BETWEEN", {"min": 40, "max": 50}, 40, 50),
        ("BETWEEN", {"min": 40.0, "max": 50.0}, 40, 50),
        ("BETWEEN", {"min": 40.5, "max": 50.5}, 41, 50),
        ("BETWEEN", {"min": 40, "max": 0}, 40, None),
        ("BETWEEN", {"min": 40.0, "max": 0.0}, 40, None),
        ("BETWEEN", {"min": 0, "max": 70}, 0, 70),
        ("BETWEEN", {"min": 0, "max": 0}, 0, 0),
        ("BETWEEN", {"min": 50, "max": 40}, 50, 40),
        ("BETWEEN", {"min": 40}, 40, None),
        ("BETWEEN", {"min": None, "max": 70}, None, 70),
        ("BETWEEN", {"min": 10**300, "max": 1e300}, 1000, 1000),
        ("EQUALS", 40, 40, 40),
        ("EQUALS", 40.5, 41, 40),
        ("LOWER_THAN", 40, None, 39),
        ("LOWER_THAN", 40.5, None, 40),
        ("GREATER_THAN", 40, 41, None),
        ("GREATER_THAN", 40.5, 41, None),
        ("LOWER_THAN", {"min": 30, "max": 40}, None, 40),
        ("GREATER_THAN", {"min": 30, "max": 40}, 30, None),
    ],
)
def test_ages_are_whole_years_and_max_zero_is_an_open_end(kind, value, low, high):
    assert where(leaf(AGE, kind, value)) == Between("age", low, high)


@pytest.mark.parametrize(
    ("ast", "condition"),
    [
        (leaf(SEX, "EQUALS", "SNOMEDCT248153007"), OneOf("patient_sex", ("M",))),
        (leaf(SEX, "EQUALS", "SNOMEDCT74964007"), OneOf("patient_sex", ("O",))),
        (leaf(SEX, "EQUALS", "SNOMEDCT261665006"), OneOf("patient_sex", ("",))),
        (leaf(MODALITY, "EQUALS", "RID10334"), OneOf("modality", ("NM",))),
        (leaf(MODALITY, "NOT_EQUALS", "RID10321"), Not(OneOf("modality", ("CT",)))),
        (leaf(PART, "CONTAINS", "SNOMEDCT76752008"), OneOf("body_part", BREASTS)),
        (leaf(PART, "IN", ["SNOMEDCT12921003", "SNOMEDCT816092008"]), OneOf("body_part", ("PELVIS", "BASSIN", "BECKEN"))),
        (leaf(PART, "IN", ["SNOMEDCT71854001", "SNOMEDCT39607008"]), OneOf("body_part", ("COLON", "KOLON", *LUNG))),
        (leaf(MAKER, "EQUALS", "C200140"), AnyOf((Like("manufacturer", "*siemens*"),))),
        (leaf(AGE, "NOT_EQUALS", 40), Not(Between("age", 40, 40))),
    ],
)
def test_codes_become_dicoms_own_words(ast, condition):
    assert read_ast(ast)[0].where == condition
    assert read_ast(ast)[1] == ()


def test_every_criterion_asks_a_field_of_the_index():
    values = {
        DIAGNOSIS: "SNOMEDCT399068003",
        SEX: "SNOMEDCT248153007",
        AGE: 40,
        MODALITY: "RID10312",
        PART: "SNOMEDCT76752008",
        MAKER: "birnlex_3065",
    }
    assert values.keys() == CRITERIA.keys()
    for key, value in values.items():
        condition = where(leaf(key, "EQUALS", value))
        asked = condition.parts[0] if isinstance(condition, AnyOf) else condition
        assert asked.field in FIELDS


def test_every_condition_is_one_that_a_dataset_may_state():
    assert all(wrong(CONDITION, code) is None for codes in CONDITIONS.values() for code in codes)


def test_a_diagnosis_is_the_stated_condition_and_an_unstated_one_is_none():
    breast = OneOf(CONDITION, ("CLIN1000060",))
    assert where(leaf(DIAGNOSIS, "EQUALS", "SNOMEDCT254837009")) == breast
    assert where(leaf(DIAGNOSIS, "NOT_EQUALS", "SNOMEDCT254837009")) == AllOf((Like(CONDITION, "CLIN*"), Not(breast)))


@pytest.mark.parametrize("search", ["u__search__u", "é\0", "x" * MOST_SEARCH, "\N{MUSICAL SYMBOL G CLEF}" * (MOST_SEARCH // 2)])
def test_a_record_reads_back_as_the_ast_with_its_digest_and_the_explorers_name(search):
    ast = some(every(CT, leaf(AGE, "BETWEEN", {"max": 50.0, "min": 40.0})), leaf("K", "EQUALS", "É\0\ud800"))
    said = recorded(ast, search)
    assert (read_recorded(said), said.isascii(), len(said) <= MOST_RECORDED) == (ast, True, True)
    text = json.dumps(ast, sort_keys=True, separators=(",", ":"))
    assert json.loads(said.partition(" ")[2]) == {"sha256": sha256(text.encode()).hexdigest(), "id": search, "ast": ast}


def test_the_order_of_members_is_no_other_question_and_that_of_values_is():
    one, other = {"operand": "OR", "children": [CT, MR]}, {"children": [dict(reversed(CT.items())), MR], "operand": "OR"}
    assert recorded(one, None) == recorded(other, None) != recorded(some(MR, CT), None)


def test_an_ast_over_four_kilobytes_is_recorded_by_its_digest_and_a_long_name_not_at_all():
    room = MOST_AST - len(json.dumps(leaf("K", "EQUALS", ""), separators=(",", ":")))
    for more in (0, 1):
        said = recorded(leaf("K", "EQUALS", "x" * (room + more)), "x" * (MOST_SEARCH + more))
        kept = json.loads(said.partition(" ")[2])
        assert kept.keys() == ({"sha256"} if more else {"sha256", "id", "ast"})
        assert len(said) <= MOST_RECORDED
    assert "id" not in recorded(CT, {"id": 1})


@pytest.mark.parametrize("target", ["eucaimSearch", "eucaimSearch {", "ImagingStudy?modality=CT", 'other {"ast": 1}', ""])
def test_what_records_no_ast_reads_back_as_none(target):
    assert read_recorded(target) is None


def test_every_body_part_is_a_code_string():
    assert all(part == part.upper() and len(part) <= 16 for parts in BODY_PARTS.values() for part in parts)


def test_body_parts_are_told_as_dicom_has_them():
    found = replace(BREAST.found, body_parts=("BECKEN", "BRUST", "BREAST", "ELSEWHERE"))
    assert to_reply([replace(BREAST, found=found)])["collections"][0]["body_parts"] == ["BREAST", "ELSEWHERE", "PELVIS"]


BREAST = Collection("b1", "Brust É", "…", Found(12, 7, 40, 71, ("F", "U"), ("MG", "MR"), ("BREAST", "TDM Abdomen / PE")))


def test_what_must_be_known_of_an_answer_stands_before_each_description():
    said = to_reply([BREAST, replace(BREAST, description="")], STATED)["collections"]
    assert [each["description"] for each in said] == [f"{STATED} …", STATED]


def test_every_member_the_explorer_needs_is_there_and_counts_are_numbers():
    reply = json.loads(encoded(to_reply([BREAST])))
    assert reply == {
        "collections": [
            {
                "id": "b1",
                "name": "Brust É",
                "description": "…",
                "studies_count": 12,
                "subjects_count": 7,
                "age_range": {"min": 40, "max": 71},
                "gender": ["Female", "Unknown"],
                "modality": ["MG", "MR"],
                "body_parts": ["BREAST"],
            }
        ]
    }


def test_nothing_known_leaves_members_empty_not_absent():
    bare = Collection("b1", "", "", Found(10, 10, None, None, (), (), ()))
    (member,) = json.loads(encoded(to_reply([bare])))["collections"]
    assert member["age_range"] == {"min": None, "max": None}
    assert member["gender"] == member["modality"] == member["body_parts"] == []


def test_the_reply_survives_being_spliced():
    """Focus writes its own `provider` behind the first brace; the explorer reads Latin letters as bytes."""
    for collections in ([], [BREAST]):
        text = encoded(to_reply(collections))
        assert text.isascii()
        assert b"provider" not in text
        spliced = json.loads(text.replace(b"{", b'{"provider":"ours",', 1))
        assert spliced["provider"] == "ours"
        assert len(spliced["collections"]) == len(collections)


@pytest.mark.parametrize(
    ("identifier", "called"),
    [
        (None, "LUNG"),
        ("", "LUNG"),
        ("https://catalogue.example.org/Eucaim/eucaim-ui/#/dataset/1a1a6653", "1a1a6653"),
        ("https://catalogue.example.org/dataset/ds-1/", "ds-1"),
    ],
)
def test_a_collection_is_called_as_in_the_central_catalogue(identifier, called):
    assert collection_id("LUNG", identifier) == called
