"""The verdicts agree with samples/expected.csv, which was judged by hand from the files' own facts."""

import csv
from pathlib import Path

import pytest

from consent.deposit import Finding, Verdict, verdict
from mappings.dicom.instance import read_instance
from mappings.dicom.part10 import Unreadable, plain, read_part10

SAMPLES = Path(__file__).parents[3] / "samples"
PLACEHOLDERS = frozenset(
    word.strip().casefold()
    for word in (SAMPLES / "placeholders.txt").read_text("utf-8").splitlines()
    if word.strip() and not word.startswith("#")
)
CUSTODY_RULES = {"known", "content-conflict"}


def judged(file: bytes) -> Verdict:
    try:
        part10 = read_part10(memoryview(file))
        dataset = plain(part10.dataset, part10.transfer_syntax)
        syntax, zero = part10.transfer_syntax, part10.preamble_zero
        seen = read_instance(dataset, syntax, placeholders=PLACEHOLDERS, preamble_zero=zero).observations
    except Unreadable as refusal:
        return verdict(False, False, [Finding(refusal.rule, refusal.where or "")])
    return verdict(seen.declared, False, seen.findings)


def rows() -> list[dict[str, str]]:
    with (SAMPLES / "expected.csv").open(encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["rule"] not in CUSTODY_RULES]


def test_the_oracle_has_rows_of_every_outcome() -> None:
    assert {row["outcome"] for row in rows()} >= {"pass", "review", "reject"}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"])
def test_the_verdict_is_the_oracles(row: dict[str, str]) -> None:
    found = judged((SAMPLES / "dicom" / row["file"]).read_bytes())
    assert (found.outcome.value, found.rule) == (row["outcome"], row["rule"]), f"oracle: {row['why']}; findings: {found.findings}"
