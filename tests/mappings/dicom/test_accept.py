"""What real clients send as Accept gets them what is there, and only what nobody serves is not acceptable."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.dicom import accept as accepting
from mappings.dicom.accept import Choice, choose_json, choose_rendered, choose_retrieve
from mappings.failures import NotAcceptable

RELATED = 'multipart/related; type="application/dicom"'
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
J2K, BASELINE = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50"


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/zip",
        "application/dicom+json",
        "*/*;q=0",
        'multipart/related; type="application/dicom+xml"',
        'multipart/related; type="application/octet-stream"; transfer-syntax=*',
        f"application/dicom; transfer-syntax={EXPLICIT}",
        f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}',
        f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}, text/plain',
        "nonsense",
    ],
)
def test_what_is_not_there_is_not_acceptable_and_the_sentence_names_what_is(accept):
    with pytest.raises(NotAcceptable) as refusal:
        choose_retrieve(accept, [BASELINE])
    assert BASELINE in refusal.value.sentence
    assert refusal.value.where == "Accept"


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "  ",
        "*/*",
        "multipart/*",
        "multipart/related",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        'multipart/related; type="application/dicom"',
        "multipart/related;type=application/dicom",
        'Multipart/Related; Type="Application/DICOM"',
        'multipart/related; type="*/*"',
        "multipart/related; type=*/*; transfer-syntax=*",
        'multipart/related;type="application/dicom";transfer-syntax=*',
        f'multipart/related; type="application/dicom"; transfer-syntax="{J2K}"',
        f'multipart/related; type="application/dicom"; transfer-syntax="{BASELINE}"; transfer-syntax="*"',
        f"{RELATED}; transfer-syntax={J2K}, {RELATED}; transfer-syntax={EXPLICIT}",
        'multipart/related; type="application/dicom", application/dicom',
        "@@@, multipart/related; type=application/dicom, ;;;",
        "application/dicom;q=0.2, multipart/related;q=0.4",
        "*/*, application/dicom;q=0",
    ],
)
def test_instances_come_as_multipart_in_the_stored_syntax(accept):
    assert choose_retrieve(accept, [J2K]) == Choice("application/dicom", multipart=True, syntaxes={J2K: J2K})


@pytest.mark.parametrize(
    "accept",
    [
        "application/dicom",
        "application/*",
        "application/dicom; transfer-syntax=*",
        f"application/dicom; transfer-syntax={J2K}",
        'application/dicom, multipart/related; type="application/dicom"',
        "application/dicom, */*;q=0.1",
        'multipart/related; type="application/dicom";q=0.5, application/dicom;q=0.9',
        "*/*;q=0.1, application/dicom;q=.5",
        f'multipart/related; type="application/dicom"; transfer-syntax={BASELINE}, application/dicom',
    ],
)
def test_an_instance_comes_alone_where_that_is_preferred_or_all_that_is_accepted(accept):
    assert choose_retrieve(accept, [J2K]) == Choice("application/dicom", multipart=False, syntaxes={J2K: J2K})


def test_a_study_or_series_comes_as_an_archive_where_that_is_preferred():
    for accept in ("application/zip", "application/zip; transfer-syntax=*", f"{RELATED};q=0.1, application/zip"):
        assert choose_retrieve(accept, [J2K, BASELINE], archived=True) == Choice(
            "application/zip", multipart=False, syntaxes={J2K: J2K, BASELINE: BASELINE}
        )
    assert choose_retrieve("*/*", [J2K], archived=True).multipart
    with pytest.raises(NotAcceptable):
        choose_retrieve(f"application/zip; transfer-syntax={EXPLICIT}", [J2K], archived=True)


def test_several_instances_do_not_come_as_one():
    with pytest.raises(NotAcceptable):
        choose_retrieve("application/dicom", [J2K, J2K])
    assert choose_retrieve(f"application/dicom, {RELATED};q=0.1", [J2K, J2K]).multipart


def test_a_study_of_several_syntaxes_needs_all_of_them_accepted():
    both = f"multipart/related; transfer-syntax={J2K}; transfer-syntax={BASELINE}"
    assert choose_retrieve(both, [J2K, BASELINE, J2K]).is_stored
    assert choose_retrieve("*/*", {J2K, BASELINE}).multipart
    with pytest.raises(NotAcceptable):
        choose_retrieve(f"multipart/related; transfer-syntax={J2K}", [J2K, BASELINE])


@pytest.mark.parametrize(
    ("named", "sent"),
    [
        ((), {IMPLICIT: EXPLICIT, J2K: J2K, BASELINE: BASELINE}),
        (("*",), {IMPLICIT: IMPLICIT, J2K: J2K, BASELINE: BASELINE}),
        ((EXPLICIT, "*"), {IMPLICIT: IMPLICIT, J2K: J2K, BASELINE: BASELINE}),
        ((IMPLICIT, J2K, BASELINE), {IMPLICIT: IMPLICIT, J2K: J2K, BASELINE: BASELINE}),
        ((EXPLICIT, J2K, BASELINE), {IMPLICIT: EXPLICIT, J2K: J2K, BASELINE: BASELINE}),
        ((EXPLICIT, BASELINE), {IMPLICIT: EXPLICIT, J2K: EXPLICIT, BASELINE: BASELINE}),
        ((EXPLICIT, J2K), None),
        ((IMPLICIT, BASELINE), None),
        ((IMPLICIT, EXPLICIT, BASELINE), {IMPLICIT: EXPLICIT, J2K: EXPLICIT, BASELINE: BASELINE}),
    ],
)
def test_each_is_sent_in_a_syntax_that_is_named_and_to_who_names_none_readable_by_all(named, sent):
    accept = "; ".join([RELATED, *(f"transfer-syntax={syntax}" for syntax in named)])
    stored = [IMPLICIT, J2K, BASELINE, J2K]
    if sent is None:
        with pytest.raises(NotAcceptable):
            choose_retrieve(accept, stored)
        return
    assert choose_retrieve(accept, stored).syntaxes == sent


@pytest.mark.parametrize("stored", [IMPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
@pytest.mark.parametrize("accept", ["", "*/*", "application/dicom", RELATED, f"{RELATED}; transfer-syntax={EXPLICIT}"])
def test_what_is_not_compressed_is_explicit_little_endian_unless_its_own_syntax_is_named(stored, accept):
    chosen = choose_retrieve(accept, [stored])
    assert (chosen.syntaxes, chosen.is_stored) == ({stored: EXPLICIT}, False)
    for own in ("*", stored):
        assert choose_retrieve(f"application/dicom; transfer-syntax={own}", [stored]).is_stored


def test_an_archive_holds_what_is_stored():
    assert choose_retrieve("application/zip", [IMPLICIT], archived=True).is_stored


def test_ranges_that_name_different_syntaxes_are_preferred_as_they_say():
    accept = f"{RELATED}; transfer-syntax=*;q=0.5, {RELATED}; transfer-syntax={EXPLICIT}"
    assert choose_retrieve(accept, [J2K]).syntaxes == {J2K: EXPLICIT}
    assert choose_retrieve(accept, [BASELINE]).is_stored


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "application/dicom+json"),
        ("*/*", "application/dicom+json"),
        ("application/*", "application/dicom+json"),
        ("application/json", "application/json"),
        ("application/dicom+json, application/json", "application/dicom+json"),
        ("application/dicom+json, multipart/related; type=application/octet-stream; transfer-syntax=*", "application/dicom+json"),
        ('multipart/related; type="application/dicom+xml", application/json;q=0.1', "application/json"),
        ("application/dicom json", "application/dicom+json"),
        ("application/dicom+json;q=0.1, application/json;q=0.2", "application/json"),
        ("application/dicom+json; charset=utf-8", "application/dicom+json"),
    ],
)
def test_json_is_chosen(accept, chosen):
    assert choose_json(accept) == chosen


@pytest.mark.parametrize("accept", ['multipart/related; type="application/dicom+xml"', "application/dicom+xml", "image/*"])
def test_what_is_no_json_is_not_acceptable(accept):
    with pytest.raises(NotAcceptable):
        choose_json(accept)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "image/jpeg"),
        ("image/png", "image/png"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/jpeg"),
        ("image/*, image/jpeg;q=0.1", "image/png"),
        ("image/webp, image/png;q=0.5, image/jpeg;q=0.5", "image/png"),
        ("*/*, image/jpeg;q=0", "image/png"),
    ],
)
def test_a_picture_is_chosen(accept, chosen):
    assert choose_rendered(accept) == chosen


def test_a_picture_of_another_kind_is_not_acceptable():
    with pytest.raises(NotAcceptable):
        choose_rendered("image/webp, video/mp4")


@given(st.text(alphabet='*/;,="\\ q01.abtypeimage+-', max_size=200))
def test_whatever_is_sent_gets_an_answer_or_a_typed_refusal(accept):
    for choose in (choose_json, choose_rendered, lambda a: choose_retrieve(a, [J2K])):
        with contextlib.suppress(NotAcceptable):
            assert choose(accept)


def test_so_many_choices_are_kept_whatever_strangers_accept():
    for number in range(accepting._KEPT + 50):
        assert choose_retrieve(f"{RELATED}; q=0.{number + 1}", [EXPLICIT]).multipart
        assert choose_json(f"application/json;n={number}") == "application/json"
    assert accepting._chosen.cache_info().currsize == choose_json.cache_info().currsize == accepting._KEPT
