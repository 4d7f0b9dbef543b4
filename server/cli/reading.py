"""What researchers' commands share: who asks which server for which purpose, and which studies are meant."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from adapters.accord_client import AccordClient
from adapters.client_file import read_client
from adapters.repository import Repository
from mappings.failures import Invalid
from mappings.fields import QIDO_KEYS
from server.cli.sentences import warn

R = TypeVar("R")
Keys = list[tuple[str, str]]
"""QIDO-RS attribute and what it must match."""
_DATE = click.DateTime(["%Y-%m-%d", "%Y%m%d"])
_WORDS = {"modality": "ModalitiesInStudy", "body_part": "BodyPartExamined", "patient": "PatientID"}


def asker_flags(run: Callable[..., R]) -> Callable[..., R]:
    """Who asks, where and for what; handed on as `client`, `url` and `purpose`, as `opened` takes them."""
    flags = (
        click.option("--as", "client", type=Path, metavar="FILE", required=True, help="the client file"),
        click.option("--url", help="the server, such as https://accord.example; default: the one in the client file"),
        click.option("--purpose", help="one purpose; default: the client file's"),
    )
    for flag in reversed(flags):
        run = flag(run)
    return run


@contextmanager
def opened(
    client: Path, url: str | None, purpose: str | None, pause: Callable[[float], object] = time.sleep
) -> Iterator[Repository]:
    """The repository of this server, until the block ends."""
    known = read_client(client)
    with AccordClient(replace(known, purpose=purpose or known.purpose), url, pause=pause, waits=warn) as accord:
        yield Repository(accord)


def study_flags(run: Callable[..., R]) -> Callable[..., R]:
    """Which studies; handed on as `keys`, beside what of KEY=VALUE was named as `named`."""

    @click.option("--modality", metavar="CT", help="one of the study's series is of it; several by commas")
    @click.option("--body-part", metavar="LIVER", help="one of its series shows it; several by commas")
    @click.option("--patient", metavar="ID", help="the patient's pseudonym; * and ? stand for any")
    @click.option("--since", type=_DATE, metavar="DATE", help="study date from this day on")
    @click.option("--until", type=_DATE, metavar="DATE", help="study date up to this day")
    @wraps(run)
    def chosen(*, since: datetime | None, until: datetime | None, **given: Any) -> R:
        words = {word: given.pop(word) for word in _WORDS}
        keys = [(_WORDS[word], value) for word, value in words.items() if value]
        return run(keys=keys + _dates(since, until), **given)

    return chosen


def key(text: str) -> tuple[str, str]:
    """KEY=VALUE as an attribute that studies are searched by. Raises Invalid where it is none: it would be left out."""
    name, _, value = text.partition("=")
    if name not in QIDO_KEYS or not value:
        raise Invalid("key-unknown", f"{name!a} is no attribute to search by: write StudyDescription=…, or its tag.")
    return name, value


def today() -> date:
    """The day on which data was used."""
    return datetime.now(UTC).date()


def _dates(since: datetime | None, until: datetime | None) -> Keys:
    first, last = (f"{day:%Y%m%d}" if day else "" for day in (since, until))
    return [("StudyDate", f"{first}-{last}")] if first or last else []
