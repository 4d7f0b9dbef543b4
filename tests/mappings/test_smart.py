"""SMART scopes: read strictly, compared letter by letter, and never widened."""

import pytest

from mappings.failures import Invalid
from mappings.smart import ANY, MOST_CHARACTERS, SUPPORTED, allows, covers, grant_scopes, holds, parse


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("system/ImagingStudy.sr", "scope-malformed"),
        ("system/ImagingStudy.rr", "scope-malformed"),
        ("system/ImagingStudy.", "scope-malformed"),
        ("system/ImagingStudy.x", "scope-malformed"),
        ("system/imagingstudy.r", "scope-malformed"),
        ("system/ImagingStudy", "scope-malformed"),
        ("system/*.rs?", "scope-malformed"),
        ("patient/ImagingStudy.rs", "scope-unknown"),
        ("user/*.cruds", "scope-unknown"),
        ("openid", "scope-unknown"),
        ("system/A.r " * MOST_CHARACTERS, "scope-too-long"),
    ],
)
def test_a_scope_that_cannot_be_served_is_refused(word, code):
    with pytest.raises(Invalid) as refused:
        parse("system/Patient.r " + word)
    assert (refused.value.code, refused.value.where) == (code, "scope")


@pytest.mark.parametrize(
    ("v1", "v2"),
    [
        ("system/Patient.read", "system/Patient.rs"),
        ("system/Patient.write", "system/Patient.cud"),
        ("system/Patient.*", "system/Patient.cruds"),
        ("system/*.*", "system/*.cruds"),
        ("system/*.read", "system/*.rs"),
    ],
)
def test_version_1_scopes_are_their_version_2_letters(v1, v2):
    assert [str(s) for s in parse(v1)] == [v2]


@pytest.mark.parametrize(
    ("scopes", "needed", "yes"),
    [
        ((), "ImagingStudy.s", False),
        (("system/ImagingStudy.r",), "ImagingStudy.s", False),
        (("system/Patient.cruds",), "ImagingStudy.s", False),
        (("system/ImagingStudy.s",), "ImagingStudy.rs", False),
        (("system/ImagingStudy.rs?modality=CT",), "ImagingStudy.s", False),
        (("user/ImagingStudy.rs",), "ImagingStudy.s", False),
        (("system/ImagingStudy.rs",), "ImagingStudy.", False),
        (("system/ImagingStudy.rs",), "*.s", False),
        (("system/ImagingStudy.r",), f"{ANY}.s", False),
        (("system/ImagingStudy.rs",), f"{ANY}.s", True),
        (("system/ImagingStudy.rs",), "ImagingStudy.s", True),
        (("system/*.rs",), "Consent.rs", True),
        (("system/Consent.r", "system/*.s"), "Consent.rs", True),
        (("system/ImagingStudy.read",), "ImagingStudy.s", True),
    ],
)
def test_scopes_allow_only_the_letters_they_hold_on_their_type(scopes, needed, yes):
    assert allows(scopes, needed) is yes


@pytest.mark.parametrize(
    ("scopes", "needed", "yes"),
    [
        (["system/ImagingStudy.rs"], "ImagingStudy.rs", True),
        (["system/ImagingStudy.r?modality=CT", "system/ImagingStudy.s"], "ImagingStudy.rs", True),
        (["system/ImagingStudy.r?modality=CT"], "ImagingStudy.rs", False),
        (["system/ImagingStudy.rs?modality=CT"], "{type}.rs", True),
        (["system/ImagingStudy.rs"], "{type}.rs", True),
        (["system/*.rs"], "{type}.rs", True),
        (["system/ImagingStudy.r", "system/ImagingStudy.s"], "{type}.rs", True),
        (["system/ImagingStudy.r", "system/Patient.s"], "{type}.rs", False),
        (["system/Observation.rs"], "{type}.rs", False),
        ([], "{type}.rs", False),
    ],
)
def test_scopes_cover_what_they_are_for_with_or_without_a_condition(scopes, needed, yes):
    assert covers(scopes, needed) is yes


CT, MR = "system/ImagingStudy.rs?modality=CT", "system/ImagingStudy.rs?modality=MR"


@pytest.mark.parametrize(
    ("now", "earlier", "yes"),
    [
        (["system/*.rs"], [CT], True),
        (["system/ImagingStudy.rs"], ["system/*.cruds"], True),
        ([CT], [CT], True),
        ([MR, CT], [CT], True),
        ([CT], [MR, CT], False),
        ([CT], ["system/ImagingStudy.rs"], False),
        (["system/ImagingStudy.r"], [CT], False),
        (["system/Patient.rs"], [CT], False),
    ],
)
def test_scopes_hold_what_others_did_where_none_of_it_is_narrowed_since(now, earlier, yes):
    assert holds(now, earlier, "ImagingStudy") is yes


@pytest.mark.parametrize(
    ("asked", "registered", "got"),
    [
        ("system/*.cruds", ["system/ImagingStudy.rs"], ("system/ImagingStudy.rs",)),
        ("system/ImagingStudy.cruds", ["system/*.rs"], ("system/ImagingStudy.rs",)),
        (
            "system/ImagingStudy.r system/ImagingStudy.s",
            ["system/ImagingStudy.rs"],
            ("system/ImagingStudy.r", "system/ImagingStudy.s"),
        ),
        (
            "system/ImagingStudy.read system/Patient.rs",
            ["system/ImagingStudy.s", "system/Consent.rs"],
            ("system/ImagingStudy.s",),
        ),
        ("system/*.rs system/Patient.r", ["system/*.cruds"], ("system/*.rs", "system/Patient.r")),
        ("system/*.read user/*.* openid system/Patient.r?x=1", ["system/*.cruds"], ("system/*.read",)),
        ("system/Patient.read system/Unknown.rs", ["system/*.rs"], ("system/Patient.read",)),
        ("system/Patient.search", ["system/Patient.rs"], ("system/Patient.search",)),
        ("system/Patient.*", ["system/Patient.rs"], ("system/Patient.rs",)),
        (None, ["system/Patient.read", "system/ImagingStudy.crs"], ("system/ImagingStudy.crs", "system/Patient.rs")),
    ],
)
def test_what_is_granted_is_asked_and_registered(asked, registered, got):
    assert grant_scopes(asked, registered) == got


@pytest.mark.parametrize("registered", [["system/Patient.rs"], ["system/ImagingStudy.c"], []])
def test_asking_only_for_what_is_not_registered_is_refused(registered):
    with pytest.raises(Invalid) as refused:
        grant_scopes("system/ImagingStudy.rs", registered)
    assert refused.value.code == "scope-not-registered"


@pytest.mark.parametrize("asked", ["system/Unknown.read", "system/Unknown.r", "system/Unknown.rs?code=1"])
def test_a_type_that_is_not_served_is_none_that_everything_is_registered_of(asked):
    with pytest.raises(Invalid) as refused:
        grant_scopes(asked, ["system/*.cruds"])
    assert refused.value.code == "scope-not-registered"


def test_the_scopes_we_list_are_scopes_we_read():
    assert tuple(map(str, parse(" ".join(SUPPORTED)))) == SUPPORTED


@pytest.mark.parametrize("asked", ["", "  ", "system/Patient.sr system/Patient.r", "patient/Patient.sr system/Patient.r", 'a"b'])
def test_an_empty_or_malformed_request_is_refused_whatever_else_it_asks(asked):
    with pytest.raises(Invalid):
        grant_scopes(asked, ["system/*.cruds"])
