"""Batch reports: JSON, CSV and words, of invented receipts."""

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime

import pytest

from consent.deposit import BY_CODE, sentence
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.dicom.places import attribute_name
from mappings.report import ALL_NAMED, COLUMNS, NAMED_FILES, NO_LIABILITY, BatchReport, Receipt, to_csv, to_json, to_text

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def receipt(name="a.dcm", outcome="pass", rule="declared", findings=(), **changes) -> Receipt:
    values = {"study_uid": "1.2", "sop_uid": "1.2.3", "size": 7, "at": AT} | changes
    return Receipt(name=name, outcome=outcome, rule=rule, findings=tuple(findings), **values)


def report(*files: Receipt, closed=AT, waiting=0) -> BatchReport:
    counts = Counter((f.outcome, f.rule) for f in files)
    return BatchReport("k1", "push", "LUNG", "hospital-a", AT, closed, counts, waiting, files)


def text(*files: Receipt, **values) -> str:
    return "".join(to_text(report(*files, **values)))


def rows(*files: Receipt) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(to_csv(report(*files))), newline="")))


NAMED = receipt("b.dcm", "reject", "person-name", [("person-name", "(0010,0010)"), ("private", "(0009,1001)")])
WAITS = receipt("c.dcm", "review", "overlay", [("overlay", "(6000,3000)")])
KNOWN = receipt("d.dcm", "duplicate", "known")


def test_the_first_line_of_the_text_has_the_totals():
    first = text(receipt(), receipt(), NAMED, WAITS, KNOWN, waiting=1).splitlines()[0]
    assert first == "Batch k1 for LUNG: 5 files: 2 taken, 1 known already, 1 wait for review, 1 refused."


def test_the_text_says_what_needs_the_reader_first_with_sentence_names_and_places():
    said = text(receipt(findings=[("private", "(0009,1001)")]), NAMED, WAITS, KNOWN)
    blocks = [line for line in said.splitlines() if line.endswith(("1 file", "files"))]
    assert blocks == [
        "refused: person-name, 1 file",
        "wait for review: overlay, 1 file",
        "known already: known, 1 file",
        "taken: declared, 1 file",
        "warning: private, 1 file",
    ]
    assert sentence("person-name") in said
    assert "    b.dcm  (0010,0010) Patient's Name\n" in said


def test_a_rule_names_its_first_files_and_counts_the_rest():
    said = text(*(receipt(f"{n:03}.dcm", "review", "not-declared") for n in range(NAMED_FILES + 3)))
    assert f"{NAMED_FILES - 1:03}.dcm" in said
    assert f"{NAMED_FILES:03}.dcm" not in said
    assert f"    and 3 more: {ALL_NAMED}\n" in said


def test_a_warning_on_many_files_is_counted_and_names_the_first():
    said = text(*(receipt(f"{n:03}.dcm", findings=[("private", "(0009,1001)")]) for n in range(12)))
    assert "warning: private, 12 files" in said
    assert f"    and 2 more: {ALL_NAMED}\n" in said.partition("warning:")[2]


def test_a_warning_says_that_the_file_was_taken_so_only_taken_files_have_one():
    assert "warning:" not in text(NAMED)


def test_text_and_json_end_with_what_this_is_not_for():
    assert text(receipt()).endswith(f"{NEVER_FOR_DIAGNOSIS}\n{NO_LIABILITY}\n")
    assert NEVER_FOR_DIAGNOSIS in json.loads("".join(to_json(report())))["notice"]


def test_a_name_can_not_speak_to_the_terminal():
    said = text(receipt("\x1b[2Jevil\n.dcm\u202e"))
    assert "?[2Jevil?.dcm?" in said
    assert "\x1b" not in said


def test_a_long_name_keeps_its_end():
    line = next(line for line in text(receipt("x" * 400 + "/IM1.dcm")).splitlines() if "IM1" in line)
    assert line.endswith("x/IM1.dcm")
    assert len(line) < 200


def test_an_open_batch_says_so():
    assert "still open" in text(closed=None)
    assert json.loads("".join(to_json(report(closed=None))))["closed"] is None


def test_json_has_totals_rules_and_every_file():
    said = json.loads("".join(to_json(report(receipt(), NAMED, waiting=3))))
    assert said["outcomes"] == {"reject": 1, "review": 0, "duplicate": 0, "pass": 1}
    assert (said["files"], said["waiting"], said["dataset"], said["closed"]) == (2, 3, "LUNG", AT.isoformat())
    assert said["rules"][0] == {"outcome": "reject", "rule": "person-name", "files": 1, "sentence": sentence("person-name")}
    assert [f["file"] for f in said["receipts"]] == ["a.dcm", "b.dcm"]
    assert said["receipts"][1]["findings"][0] == {
        "rule": "person-name",
        "where": "(0010,0010)",
        "name": "Patient's Name",
    }


def test_an_empty_batch_is_a_whole_report_too():
    assert json.loads("".join(to_json(report())))["receipts"] == []
    assert "".join(to_csv(report())) == ",".join(COLUMNS) + "\r\n"
    assert "0 files" in text()


def test_csv_has_a_line_for_each_file():
    found = rows(receipt(), NAMED)[1]
    assert (found["file"], found["outcome"], found["rule"], found["where"]) == ("b.dcm", "reject", "person-name", "(0010,0010)")
    assert found["findings"] == "person-name (0010,0010); private (0009,1001)"
    assert (found["sop_instance_uid"], found["bytes"], found["attributes"]) == ("1.2.3", "7", "Patient's Name")


def test_a_private_place_is_named_by_its_creator_where_that_is_known():
    taken = receipt(findings=[("private", "(0013,1010)"), ("private", "(0009,1002)")], creators={"(0013,1010)": "CTP"})
    assert "(0013,1010) Project Name (CTP), (0009,1002) private\n" in text(taken)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("(0040,0275)[0].(0040,1102)", "Person's Address"),
        ("(601e,3000)", "Overlay Data"),
        ("(0009,1001)", "private"),
        ("(0008,fffe)", ""),
        ("preamble", ""),
        ("", ""),
    ],
)
def test_a_place_has_the_name_of_its_attribute(place, name):
    assert attribute_name(place) == name


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_the_csv_is_a_formula(start):
    assert rows(receipt(f'{start}HYPERLINK("x",1)'))[0]["file"] == f'\'{start}HYPERLINK("x",1)'


def test_quotes_commas_and_line_ends_in_a_name_survive_the_csv():
    assert rows(receipt('a"b,c\nd.dcm'))[0]["file"] == 'a"b,c\nd.dcm'


def test_every_rule_of_the_deposit_table_can_be_reported():
    files = [receipt(f"{r.code}.dcm", str(r.outcome_undeclared), r.code) for r in BY_CODE.values()]
    assert all(f"{r.code}.dcm" in text(*files) for r in BY_CODE.values())
    assert len(rows(*files)) == len(json.loads("".join(to_json(report(*files))))["receipts"]) == len(BY_CODE)


def test_files_are_read_one_by_one_as_the_report_is_written():
    read = 0

    def files():
        nonlocal read
        for n in range(1000):
            read += 1
            yield receipt(f"{n}.dcm")

    lines = to_csv(BatchReport("k1", "push", "LUNG", "hospital-a", AT, AT, {("pass", "declared"): 1000}, 0, files()))
    next(lines), next(lines)
    assert read == 1
