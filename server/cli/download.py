"""`accord download`: studies into a folder; how much they are is said before, what they are and how to cite them after."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import click

from adapters.download import Download, Plan, Refused
from adapters.download_folder import DownloadFolder
from adapters.repository import Repository
from adapters.series_download import Brought
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.dcat.citation import to_bibtex, to_text
from mappings.dicom.study_row import study_uid
from mappings.failures import Full, NotFound
from server.cli.cite import citations
from server.cli.help import examples
from server.cli.progress import in_words, transfer_bar
from server.cli.reading import Keys, asker_flags, key, opened, study_flags
from server.cli.sentences import NONE, many, warn

NAMED = 10
"""Failures that are named; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Taking:
    """What a download would be: studies that can be had, and those that can't."""

    plans: list[Plan]
    refused: list[Refused]

    @property
    def missing(self) -> int:
        """Objects to be brought."""
        return sum(len(plan.missing) for plan in self.plans)

    @property
    def size(self) -> int:
        """Bytes to be brought, of those studies that told."""
        return sum(plan.size or 0 for plan in self.plans)


@click.command(
    epilog=examples(
        "accord download 1.2.826.0.1.3680043.8.498.1 --to images --dry-run --as lab-b.client.json",
        "accord download --modality MR --body-part PROSTATE --to images --parallel 8 --as lab-b.client.json",
        "accord download --since 2020-01-01 --until 2023-12-31 --patient P1 --to images --purpose AITRAIN --as lab-b.client.json",
    )
)
@click.argument("wanted", nargs=-1, metavar="[STUDY|KEY=VALUE]...")
@study_flags
@click.option(
    "--to", "top", type=Path, metavar="FOLDER", required=True, help="where the files go: FOLDER/study/series/instance.dcm"
)
@click.option("--dry-run", is_flag=True, help="say what it would be, and bring nothing")
@click.option("--parallel", type=click.IntRange(1, 16), default=4, show_default=True, help="series that are brought at a time")
@asker_flags
def download(
    wanted: tuple[str, ...],
    keys: Keys,
    top: Path,
    parallel: int,
    client: Path,
    url: str | None,
    purpose: str | None,
    *,
    dry_run: bool,
) -> int:
    """Bring studies into a folder, each object checked by its digest.

    STUDY is a Study Instance UID, KEY as `accord search` takes it. What is whole in the folder is not brought again, so a
    download that was stopped goes on when it is run again. Ends with 1 where something could not be had.
    """
    named = [name for name in wanted if "=" not in name]
    keys = [*keys, *(key(name) for name in wanted if "=" in name)]
    if not named and not keys:
        raise click.UsageError("Name studies, or what they must match.")
    stopping, folder = Event(), DownloadFolder(top)
    with opened(client, url, purpose, stopping.wait) as repository:
        studies = list(dict.fromkeys([*named, *(_found(repository, keys) if keys else ())]))
        if not studies:
            raise NotFound("none-found", NONE)
        with nullcontext() if dry_run else folder.alone():
            under_way = Download(repository, folder, parallel, stopping)
            taking = _planned(under_way, studies)
            _tell(taking, folder)
            if dry_run:
                return 1 if taking.refused else 0
            return _bring(repository, under_way, folder, taking)


def _found(repository: Repository, keys: Keys) -> list[str]:
    return [uid for found in repository.studies(keys) if (uid := study_uid(found))]


def _planned(under_way: Download, studies: Sequence[str]) -> Taking:
    planned = under_way.plan(studies)
    return Taking([p for p in planned if isinstance(p, Plan)], [p for p in planned if isinstance(p, Refused)])


def _tell(taking: Taking, folder: DownloadFolder) -> None:
    there = sum(len(plan.there) for plan in taking.plans)
    untold = sum(plan.size is None for plan in taking.plans)
    size = f"{in_words(taking.size)}{f', and what {_studies(untold)} did not tell' if untold else ''}"
    print(f"{_studies(len(taking.plans))}: {many(taking.missing, 'object')} to bring, {size}; {there} are there already.")
    print(f"Free at {folder.top}: {in_words(folder.free())}.")
    for sentence, count in Counter(refused.sentence for refused in taking.refused).items():
        warn(f"{_studies(count)} can't be had: {sentence}")
    if taking.size > folder.free():
        raise Full("no-room", f"{in_words(taking.size)} have no room at {folder.top}.")


def _studies(count: int) -> str:
    return many(count, "study", "studies")


def _bring(repository: Repository, under_way: Download, folder: DownloadFolder, taking: Taking) -> int:
    began = time.monotonic()
    try:
        with transfer_bar(f"{taking.missing} objects", taking.size) as moved:
            brought = under_way.bring(taking.plans, moved)
    except KeyboardInterrupt:
        warn("Stopped. Run the same command again to go on.")
        raise
    seconds = time.monotonic() - began
    there = {instance: stored for plan in taking.plans for instance, stored in plan.there.items()}
    folder.list_files(under_way.entries(there | brought.files))
    _cite(repository, folder)
    _sum_up(brought, len(there), seconds)
    return 1 if brought.failed or taking.refused else 0


def _cite(repository: Repository, folder: DownloadFolder) -> None:
    """Write how everything in the folder is cited, as text and for BibTeX."""
    entries = folder.entries().values()
    aliases = {entry.dataset for entry in entries} - {""}
    untold = len({entry.study_instance_uid for entry in entries if not entry.dataset})
    cited = citations(repository, aliases)
    asked = [f"{alias}: ask its provider how it is cited.\n" for alias in sorted(aliases - {each.alias for each in cited})]
    if untold:  # its record follows its images within seconds
        asked.append(f"The dataset of {_studies(untold)} is not told yet: run the same command again in a while.\n")
    folder.write("CITATION.txt", "\n".join([*map(to_text, cited), *asked, f"{NEVER_FOR_DIAGNOSIS}\n"]))
    folder.write("CITATION.bib", "\n".join(map(to_bibtex, cited)))


def _sum_up(brought: Brought, there: int, seconds: float) -> None:
    for instance, sentence in list(brought.failed.items())[:NAMED]:
        warn(f"failed: {instance.study}/{instance.series}/{instance.instance}: {sentence}")
    if len(brought.failed) > NAMED:
        warn(f"and {len(brought.failed) - NAMED} more")
    size = sum(stored.size for stored in brought.files.values())
    speed = in_words(size / seconds if seconds else 0)
    print(
        f"{len(brought.files)} downloaded ({in_words(size)}), {there} already there, {len(brought.failed)} failed, "
        f"{seconds:.1f} s, {speed}/s"
    )
