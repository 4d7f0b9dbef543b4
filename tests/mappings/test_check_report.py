"""What `accord check` says, of invented files: as text, as JSON and as a page; long lists say where the rest is."""

import json
import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from mappings import check_page
from mappings.check_page import to_page
from mappings.check_report import NAMED, CheckReport, SeriesReport, to_json, to_text
from mappings.report import ALL_NAMED, NAMED_FILES, Receipt

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINIMUM = ("Modality (0008,0060)", "Manufacturer (0008,0070)")
REST = "the JSON report names all"


def receipt(name="a.dcm", outcome="pass", rule="declared", *findings: tuple[str, str], **changes) -> Receipt:
    return Receipt(name, "1.2", "1.2.3", 7, outcome, rule, findings, AT, **changes)


def report(*files: Receipt, series=(), copies=None) -> CheckReport:
    counts = Counter((file.outcome, file.rule) for file in files)
    return CheckReport(files, counts, sum(file.size for file in files), 3, MINIMUM, series, copies or {})


def text(*files: Receipt, **values) -> str:
    return "".join(to_text(report(*files, **values)))


def page(*files: Receipt, **values) -> str:
    return "".join(to_page(report(*files, **values)))


def many(count: int, *lacks: str) -> list[SeriesReport]:
    return [SeriesReport(f"1.2.{n}", "1.2", 2, lacks, [n + 1]) for n in range(count)]


NAMED_PATIENT = [receipt(f"{n}.dcm", "reject", "person-name", ("person-name", "(0010,0010)")) for n in range(NAMED_FILES + 2)]


def test_the_totals_come_first_and_that_nothing_was_sent_last():
    said = text(receipt(), receipt(), *NAMED_PATIENT, series=many(1)).splitlines()
    assert said[0] == "14 files of 1 series in 1 studies, 0.0 MB: 2 would be taken, 0 would wait for review, 12 would be refused."
    assert said[-1].startswith("Nothing was sent.")


def test_a_rule_of_many_files_says_in_how_many_each_attribute_was_found():
    nested = receipt("n.dcm", "reject", "person-name", ("person-name", "(0008,1115)[3].(0010,0010)"))
    assert "  (0010,0010) Patient's Name: 13 files\n" in text(*NAMED_PATIENT, nested)
    assert '>(0010,0010) Patient&#x27;s Name</th><td class="count">13</td>' in page(*NAMED_PATIENT, nested)


@pytest.mark.parametrize("form", [text, page])
def test_long_lists_say_where_the_rest_is(form, monkeypatch):
    monkeypatch.setattr(check_page, "MOST_SERIES", NAMED)
    assert f"and 2 more: {ALL_NAMED}" in form(*NAMED_PATIENT)
    assert f"and 5 more: {REST}" in form(receipt(), series=many(NAMED + 5, MINIMUM[1]))
    assert f"and 4 more: {REST}" in form(receipt(), copies={f"1.2.{n}": ["a", "b"] for n in range(NAMED + 4)})


def test_a_page_shows_each_series_by_what_is_asked_of_it_those_that_lack_something_first():
    said = page(receipt(), series=[*many(1), SeriesReport("1.9", "1.2", 1, [MINIMUM[1]], [])])
    table = said.partition("imaging minimum")[2]
    assert "1 of 2 series have all of it" in table
    assert re.findall(r'class="id">([\d.]+)<.*?</tr>', table) == ["1.9", "1.2.0"]
    assert table.count(">missing<") == 1
    assert re.findall(r'<th scope="col">(Modality|Manufacturer)</th>', table) == ["Modality", "Manufacturer"]


def test_a_name_can_not_speak_to_the_terminal_or_the_browser():
    evil = "\x1b[2J<b onmouseover=x>&.dcm"
    copies = {"1.2.3": [evil, "b"]}
    for said in (text(receipt(evil), copies=copies), page(receipt(evil), copies=copies)):
        assert "\x1b" not in said
    assert "<b onmouseover" not in page(receipt(evil), copies=copies)


def test_nothing_is_a_whole_report_too():
    assert "0 files of 0 series" in text()
    assert "0 files of 0 series" in page()
    assert json.loads("".join(to_json(report())))["receipts"] == []


def test_json_is_written_file_by_file_with_all_that_the_others_cut():
    told = json.loads("".join(to_json(report(*NAMED_PATIENT, series=many(30), copies={"1.2": ["a", "b"]}))))
    assert (told["files"], told["skipped"], len(told["receipts"]), len(told["series"])) == (12, 3, 12, 30)
    assert told["copies"] == {"1.2": ["a", "b"]}
    assert told["receipts"][0]["findings"] == [{"rule": "person-name", "where": "(0010,0010)", "name": "Patient's Name"}]
