"""`accord search` and `accord count`: which studies there are for a client, and how much they would be."""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from adapters.repository import Found, Repository, retrieved
from mappings.cells import csv_line
from mappings.dicom.study_row import COLUMNS, counts, study_row, study_uid, subject
from mappings.failures import Failure
from server.cli.help import examples
from server.cli.progress import in_words
from server.cli.reading import Keys, asker_flags, key, opened, study_flags
from server.cli.sentences import NONE, many, warn
from server.cli.table import print_rows

AT_ONCE = 4
"""Studies whose size is asked for at once."""


@click.command(
    epilog=examples(
        "accord search --modality MR --since 2020-01-01 --as lab-b.client.json",
        "accord search --body-part LIVER,ABDOMEN --until 2023-12-31 --limit 500 --csv --as lab-b.client.json",
        "accord search StudyDescription=*liver* --patient 'P*' --json --purpose AITRAIN --as lab-b.client.json",
    )
)
@click.argument("named", nargs=-1, metavar="[KEY=VALUE]...")
@study_flags
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="studies that are listed")
@click.option("--json", "form", flag_value="json", help="as JSON")
@click.option("--csv", "form", flag_value="csv", help="as CSV, its columns named")
@asker_flags
def search(
    named: tuple[str, ...], keys: Keys, limit: int, form: str | None, client: Path, url: str | None, purpose: str | None
) -> None:
    """List the studies that a client may know of, newest first.

    KEY is a DICOM attribute by keyword or tag, as QIDO-RS takes it: StudyDescription=*liver*.
    """
    with opened(client, url, purpose) as repository:
        rows = [study_row(found) for found in repository.studies([*keys, *map(key, named)], limit + 1)]
    _FORMS[form](rows[:limit])
    if not rows:
        warn(NONE)
    if len(rows) > limit:
        warn(f"These are the first {limit}; there are more: narrow the search, or raise --limit.")


@click.command(
    epilog=examples(
        "accord count --modality CT --body-part LIVER --since 2020-01-01 --until 2023-12-31 --as lab-b.client.json",
        "accord count --patient 'P*' --purpose AITRAIN --as lab-b.client.json",
    )
)
@click.argument("named", nargs=-1, metavar="[KEY=VALUE]...")
@study_flags
@asker_flags
def count(named: tuple[str, ...], keys: Keys, client: Path, url: str | None, purpose: str | None) -> None:
    """Count studies, series, instances and subjects, and the bytes of what may be retrieved.

    Nothing is retrieved for that. KEY is as `accord search` takes it.
    """
    with opened(client, url, purpose) as repository:
        studies = {uid: found for found in repository.studies([*keys, *map(key, named)]) if (uid := study_uid(found))}
        sizes, refusals = _sizes(repository, list(studies))
    print_rows(("what", "count"), [*_totals(list(studies.values())), ("bytes", sum(sizes))])
    if sizes:
        warn(f"{in_words(sum(sizes))} in {many(len(sizes), 'study', 'studies')}.")
    for sentence, refused in refusals.items():
        warn(f"{many(refused, 'study is', 'studies are')} not in the bytes: {sentence}")


def _totals(studies: Sequence[Found]) -> list[tuple[str, int]]:
    numbers = [counts(found) for found in studies]
    return [
        ("studies", len(studies)),
        ("series", sum(series for series, _ in numbers)),
        ("instances", sum(instances for _, instances in numbers)),
        ("subjects", len({subject(found) for found in studies})),
    ]


def _sizes(repository: Repository, studies: Sequence[str]) -> tuple[list[int], dict[str, int]]:
    """The bytes of each study that may be retrieved, and how often each sentence said that one may not."""
    sizes: list[int] = []
    refusals: dict[str, int] = {}

    def ask(study: str) -> int | str:
        try:
            return repository.size(retrieved(study))
        except Failure as refusal:
            return refusal.sentence

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for told in pool.map(ask, studies):
            if isinstance(told, int):
                sizes.append(told)
            else:
                refusals[told] = refusals.get(told, 0) + 1
    return sizes, refusals


def _print_table(rows: Sequence[dict[str, str]]) -> None:
    print_rows(COLUMNS, [[row[column] for column in COLUMNS] for row in rows])


def _print_json(rows: Sequence[dict[str, str]]) -> None:
    print(json.dumps(rows, indent=1, ensure_ascii=False))


def _print_csv(rows: Sequence[dict[str, str]]) -> None:
    sys.stdout.write(csv_line(COLUMNS))
    sys.stdout.writelines(csv_line(row.values()) for row in rows)


_FORMS = {None: _print_table, "json": _print_json, "csv": _print_csv}
