"""The documents of use: four kinds, each in immutable versions that are known by the hash of their bytes.

A version may need renewal: from its `effective_at` on, until a provider accepts it, external users get nothing of its data, and
beneficiaries go on under what was agreed before. Silence is never consent. Who accepted a version that is declared to contain
an earlier one has accepted that as well.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import unified_diff
from enum import StrEnum
from hashlib import sha256

VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}")


class DocumentKind(StrEnum):
    """The four documents. Agreements are under a version of the *general* terms, and users accept it."""

    GENERAL = "general"
    DATA_USER = "data-user"
    TEMPLATE = "agreement-template"
    GUIDELINES = "guidelines"


TITLES = {
    DocumentKind.GENERAL: "General terms of use",
    DocumentKind.DATA_USER: "Data user terms",
    DocumentKind.TEMPLATE: "Agreement template",
    DocumentKind.GUIDELINES: "Guidelines for data",
}


@dataclass(frozen=True, slots=True)
class Issue:
    """What decisions need of a version: when it takes effect, whether it needs renewal, which earlier ones it contains."""

    version: str
    effective_at: datetime
    needs_renewal: bool = False
    contains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Terms:
    """A published version, with the SHA-256 of its text's bytes in hex.

    `summary` is for convenience only; `changes` is the difference to the version published before, empty for the first.
    """

    kind: DocumentKind
    issue: Issue
    sha256: str
    text: bytes
    published: datetime
    summary: str = ""
    changes: str = ""

    @property
    def version(self) -> str:
        """MAJOR.MINOR.PATCH."""
        return self.issue.version


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepted which version of a document, by its bytes, for which organisation, and when."""

    kind: DocumentKind
    version: str
    sha256: str
    subject: str
    party: str
    at: datetime


class Answer(StrEnum):
    """What a provider said to a version that needs renewal. None given is no consent."""

    ACCEPT = "accept"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True)
class Task:
    """A provider is asked whether its agreements go on under a version; `answer` None: it has not answered."""

    version: str
    party: str
    effective_at: datetime
    opened: datetime
    answer: Answer | None = None
    answered: datetime | None = None
    actor: str | None = None


def is_version(text: str) -> bool:
    """Whether a version is MAJOR.MINOR.PATCH."""
    return VERSION.fullmatch(text) is not None


def order(version: str) -> tuple[int, ...]:
    """What versions are ordered by."""
    return tuple(map(int, version.split(".")))


def terms_hash(text: bytes) -> str:
    """SHA-256 of a document's bytes as published, in lower-case hex."""
    return sha256(text).hexdigest()


def cite(kind: DocumentKind, version: str) -> str:
    """How the record calls a version: that of the general terms by its number alone."""
    return version if kind is DocumentKind.GENERAL else f"{kind}@{version}"


def changes(old: tuple[str, bytes], new: tuple[str, bytes]) -> str:
    """The difference of two versions, each with its text, line by line as a unified diff."""
    before, after = (text.decode(errors="replace").splitlines() for _, text in (old, new))
    return "\n".join(unified_diff(before, after, old[0], new[0], lineterm=""))


def covering(version: str, published: Iterable[Issue]) -> frozenset[str]:
    """The versions of which having accepted one is having accepted this; `published` in order: each contains earlier ones."""
    found = {version}
    for each in published:
        if each.contains & found:
            found.add(each.version)
    return frozenset(found)


def renewal_due(version: str, published: Sequence[Issue]) -> datetime | None:
    """From when external users wait for a provider whose agreement is under this version; None: for nothing that is published."""
    place = next(n for n, each in enumerate(published) if each.version == version)
    return min((each.effective_at for each in published[place + 1 :] if each.needs_renewal), default=None)


def in_force(published: Sequence[Issue], now: datetime) -> Issue | None:
    """The version that users read now: the newest of those that have taken effect."""
    return next((each for each in reversed(published) if each.effective_at <= now), None)


def effect(version: str, published: Sequence[Issue]) -> datetime:
    """When a published version takes effect."""
    return next(each.effective_at for each in published if each.version == version)
