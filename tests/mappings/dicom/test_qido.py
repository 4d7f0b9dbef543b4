"""A QIDO-RS search asks what its client means, and what can't be asked is named without its value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.dicom.qido import LIMIT, LIMIT_WITHIN_STUDY, MAX_KEYS, read_query
from mappings.failures import Failure, Invalid
from mappings.fields import QIDO_KEYS
from mappings.query import AllOf, AnyOf, Between, Level, Like, Not, OneOf


def where(*args, level=Level.STUDY):
    query, warnings = read_query(level, args)
    assert not warnings
    return query.where.parts


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("StudyInstanceUID", "1.2.abc", "qido-uid"),
        ("0020000D", "1.2,1.02", "qido-uid"),
        ("SeriesInstanceUID", "1.2.*", "qido-uid"),
        ("SOPClassesInStudy", "CT Image Storage", "qido-uid"),
        ("StudyDate", "2020", "qido-date"),
        ("StudyDate", "20200231", "qido-date"),
        ("StudyDate", "-", "qido-date"),
        ("StudyDate", "20200101-20200102-20200103", "qido-date"),
        ("StudyDate", "2020-01-01", "qido-date"),
        ("PatientBirthDate", "\uff12020\uff10101", "qido-date"),
        ("StudyDate", "202001*", "qido-date"),
        ("StudyTime", "25", "qido-time"),
        ("StudyTime", "1000-9", "qido-time"),
        ("SeriesNumber", "three", "qido-number"),
        ("InstanceNumber", "1*", "qido-number"),
        ("InstanceNumber", "99999999999", "qido-number"),
        ("SeriesNumber", "9999999999", "qido-number"),
        ("Modality", ",", "qido-list"),
        ("PatientName", "x" * 257, "qido-value-too-long"),
        ("StudyInstanceUID", "1.2," * 9000, "qido-value-too-long"),
        ("limit", "-1", "qido-limit"),
        ("limit", "ten", "qido-limit"),
        ("limit", "1" * 13, "qido-limit"),
        ("offset", "1.5", "qido-offset"),
        ("offset", "99999999", "qido-offset"),
    ],
)
def test_what_can_not_be_asked_is_refused_by_the_name_of_its_attribute_and_never_its_value(name, value, code):
    with pytest.raises(Invalid) as refusal:
        read_query(Level.STUDY, [(name, value)])
    assert (refusal.value.code, refusal.value.where) == (code, name)
    assert value not in refusal.value.sentence or len(value) == 1


def test_too_many_keys_are_refused():
    with pytest.raises(Invalid):
        read_query(Level.STUDY, [("Modality", "CT")] * (MAX_KEYS + 1))


def test_the_study_list_of_a_common_viewer_is_read():
    query, warnings = read_query(
        Level.STUDY,
        [
            ("limit", "101"),
            ("offset", "0"),
            ("fuzzymatching", "false"),
            ("includefield", "00081030,00080060,00080090,00100030"),
            ("PatientName", "*Müller*"),
            ("00100020", "*P-1*"),
            ("StudyDate", "20200101-20201231"),
            ("StudyInstanceUID", "1.2.3\\1.2.4"),
            ("ModalitiesInStudy", "CT,MR"),
        ],
    )
    assert warnings == ["These attributes can't be given at this level: 00080060."]
    assert (query.page.limit, query.page.offset) == (101, 0)
    assert query.where == AllOf(
        (
            Like("patient_name", "*muller*"),
            Like("patient_id", "*P-1*"),
            Between("study_date", "20200101", "20201231"),
            OneOf("study_uid", ("1.2.3", "1.2.4")),
            OneOf("modalities", ("CT", "MR")),
        )
    )


@pytest.mark.parametrize("key", sorted(QIDO_KEYS))
def test_every_key_is_matched_as_keyword_and_as_tag_in_either_case(key):
    value = {"date": "20200101", "time": "10", "uid": "1.2", "number": "1"}
    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
        for name in {key, ".".join(part.lower() if part[0].isdigit() else part for part in key.split("."))}:
            for attempt in (*value.values(), "x"):
                try:
                    parts = where((name, attempt), level=level)
                except Invalid:
                    continue
                assert len(parts) == 1


@pytest.mark.parametrize(
    ("name", "value", "condition"),
    [
        ("StudyInstanceUID", "1.2,1.3,1.2,", OneOf("study_uid", ("1.2", "1.3"))),
        ("0020000d", " 1.2 ", OneOf("study_uid", ("1.2",))),
        ("PatientID", "Ab,1", OneOf("patient_id", ("Ab,1",))),
        ("PatientID", "Ab?", Like("patient_id", "Ab?")),
        ("Modality", "CT", OneOf("modality", ("CT",))),
        ("00080061", "CT\\P*", AnyOf((OneOf("modalities", ("CT",)), Like("modalities", "P*")))),
        ("StudyDescription", "Thorax  É", OneOf("description", ("thorax e",))),
        ("StudyDescription", "*Thorax?", Like("description", "*thorax?")),
        ("ReferringPhysicianName", "Doe^J*", Like("referring", "doe^j*")),
        ("PatientName", "Doe^John^", AnyOf((Like("patient_name", "doe^john"), Like("patient_name", "doe^john=*")))),
        ("PersonName", "*doe*", Like("patient_name", "*doe*")),
        ("0040A123", "doe*", Like("patient_name", "doe*")),
        ("StudyDate", "20200101", OneOf("study_date", ("20200101",))),
        ("StudyDate", "20200101-20200101", OneOf("study_date", ("20200101",))),
        ("StudyDate", "20200101-", Between("study_date", "20200101", None)),
        ("StudyDate", "-20200101", Between("study_date", None, "20200101")),
        ("StudyTime", "10", AllOf((Between("study_time", "10", "105959.999999"),))),
        ("StudyTime", "10:30", AllOf((Between("study_time", "1030", "103059.999999"),))),
        ("StudyTime", "100000-113000.5", Between("study_time", "10", "113000.599999")),
        ("StudyTime", "-12", Between("study_time", None, "125959.999999")),
        ("RequestAttributesSequence.RequestedProcedureID", "RP1", OneOf("request_procedure", ("RP1",))),
        ("00400275.ScheduledProcedureStepID", "S*", Like("request_step", "S*")),
        ("00081032.00080100", "77477000", OneOf("procedure_code", ("77477000",))),
        ("AnatomicRegionSequence.CodeMeaning", "Breast", OneOf("region_meaning", ("breast",))),
        ("SeriesNumber", "3,+4", OneOf("series_number", (3, 4))),
        ("SOPClassesInStudy", "1.2.840.10008.5.1.4.1.1.2", OneOf("sop_classes", ("1.2.840.10008.5.1.4.1.1.2",))),
    ],
)
def test_a_value_is_matched_as_its_kind_asks(name, value, condition):
    assert where((name, value)) == (condition,)


@pytest.mark.parametrize("time", ["10", "1000", "100000", "100000.0", "105959", "1059"])
def test_a_time_as_stored_lies_within_the_hour_that_was_asked(time):
    (found,) = where(("StudyTime", "10"))[0].parts
    assert found.low <= time <= found.high


@pytest.mark.parametrize("value", ["", " ", "*", "**"])
@pytest.mark.parametrize("name", ["PatientName", "StudyDate", "StudyInstanceUID", "SeriesNumber"])
def test_an_empty_value_or_a_bare_star_matches_everything(name, value):
    assert where((name, value)) == ()


def test_what_a_study_says_of_all_its_series_is_no_alternative_to_what_one_of_them_says():
    asked = where(("ModalitiesInStudy", "CT"), ("Modality", "SEG"), ("SOPClassesInStudy", "1.2"), ("SOPClassUID", "1.3"))
    assert {part.field for part in asked} == {"modalities", "modality", "sop_classes", "sop_class"}


def test_values_of_a_repeated_key_are_alternatives():
    assert where(("Modality", "CT"), ("00080060", "MR")) == (AnyOf((OneOf("modality", ("CT",)), OneOf("modality", ("MR",)))),)


@pytest.mark.parametrize(
    ("days", "times", "ends"),
    [
        ("20200101-20200103", "10-12", [("20200101", "10", None), ("20200103", None, "125959.999999")]),
        ("20200101-", "10-", [("20200101", "10", None)]),
        ("-20200103", "-12", [("20200103", None, "125959.999999")]),
    ],
)
def test_ranges_of_dates_and_times_are_one_range_of_moments(days, times, ends):
    (found,) = where(("StudyDate", days), ("StudyTime", times))
    between, *on = found.parts
    assert between == AllOf((where(("StudyDate", days))[0], Not(OneOf("study_date", tuple(day for day, _, _ in ends)))))
    assert on == [AllOf((OneOf("study_date", (day,)), Between("study_time", low, high))) for day, low, high in ends]


@pytest.mark.parametrize(("days", "times"), [("20200101", "10-12"), ("20200101-20200103", "10"), ("20200101-", "-12")])
def test_dates_and_times_of_other_forms_each_hold_by_themselves(days, times):
    assert len(where(("StudyDate", days), ("StudyTime", times))) == 2


def test_the_path_binds_and_its_page_holds_a_whole_study():
    query, _ = read_query(Level.INSTANCE, [], "1.2", "1.3")
    assert query.where == AllOf((OneOf("study_uid", ("1.2",)), OneOf("series_uid", ("1.3",))))
    assert query.page.limit == LIMIT_WITHIN_STUDY
    assert read_query(Level.INSTANCE, [])[0].page.limit == LIMIT


def test_a_person_name_is_an_alias_among_studies_only():
    assert read_query(Level.SERIES, [("PersonName", "doe")])[1]


def test_what_is_ignored_or_made_smaller_is_said():
    query, warnings = read_query(
        Level.STUDY,
        [
            ("00400275.00400007", "x"),
            ("NoSuchKey", "secret"),
            ("a\r\nSet-Cookie: b", "c"),
            ("limit", "5000"),
        ],
    )
    assert query.where == AllOf()
    assert query.page.limit == LIMIT
    assert len(warnings) == 2
    said = " ".join(warnings)
    assert "00400275.00400007" in said
    assert "NoSuchKey" in said
    assert "secret" not in said
    assert "\n" not in said
    assert "Cookie" not in said


def test_a_warning_names_the_first_of_many_and_is_no_longer_than_proxies_let_pass():
    included = ",".join(f"{'N' * 50}{number}" for number in range(1000))
    (warning,) = read_query(Level.STUDY, [("includefield", included)])[1]
    assert "NN19 and 980 more." in warning
    assert len(warning) < 2000


NAMES, VALUES = st.sampled_from([*QIDO_KEYS, "limit", "offset", "x"]), st.text(alphabet="019.*?-\\,:^= aé", max_size=24)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_whatever_is_sent_is_a_query_or_a_typed_refusal(args):
    try:
        query, _ = read_query(Level.STUDY, args)
    except Failure:
        return
    assert 0 <= query.page.limit <= LIMIT
