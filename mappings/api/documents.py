"""The documents of use, who accepted them, and what providers are asked about them, as `/api` tells of them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from consent.terms import Acceptance, Answer, DocumentKind, Task, Terms
from mappings.api.shapes import Asked, Name, Told

Version = Annotated[str, Meta(pattern=r"^\d{1,4}\.\d{1,4}\.\d{1,4}$", description="MAJOR.MINOR.PATCH.")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}$", description="SHA-256 of a document's bytes, in hex.")]


class DocumentTold(Told):
    """A version of a document; its text is at `/documents/KIND/VERSION`. `summary` is for convenience only."""

    kind: DocumentKind
    version: str
    sha256: str
    summary: str
    published: datetime
    effective_at: datetime
    needs_renewal: bool
    contains: list[str]


class DocumentsTold(Told):
    """Every version of every document, by kind, oldest first."""

    documents: list[DocumentTold]


class AcceptanceAsked(Asked):
    """What was read and is accepted: `sha256` is that of its bytes."""

    kind: DocumentKind
    version: Version
    sha256: Digest


class AcceptanceTold(Told):
    """Who accepted which version of a document, for which organisation, and when."""

    kind: DocumentKind
    version: str
    sha256: str
    subject: str
    party: str
    at: datetime


class AcceptancesTold(Told):
    """What the caller itself accepted, in order."""

    acceptances: list[AcceptanceTold]


class TaskTold(Told):
    """A provider is asked about a version of the general terms; `answer` null: it has not answered, which is no consent."""

    version: str
    party: str
    effective_at: datetime
    opened: datetime
    answer: Answer | None
    answered: datetime | None


class TasksTold(Told):
    """What the caller's organisation was asked, or every provider, oldest first."""

    tasks: list[TaskTold]


class AnswerAsked(Asked):
    """What a provider answers."""

    party: Name
    answer: Answer


class AnsweredTold(Told):
    """What was answered, and the agreements that go on under the version: key → the number of their content."""

    party: str
    version: str
    answer: Answer
    agreements: dict[str, int]


def tell(terms: Terms) -> DocumentTold:
    """A version of a document."""
    issue = terms.issue
    effect = {"effective_at": issue.effective_at, "needs_renewal": issue.needs_renewal, "contains": sorted(issue.contains)}
    known = {"version": issue.version, "sha256": terms.sha256, "summary": terms.summary, "published": terms.published}
    return DocumentTold(kind=terms.kind, **known, **effect)  # type: ignore[arg-type]


def tell_acceptance(kept: Acceptance) -> AcceptanceTold:
    """An acceptance."""
    read = {"kind": kept.kind, "version": kept.version, "sha256": kept.sha256}
    return AcceptanceTold(**read, subject=kept.subject, party=kept.party, at=kept.at)  # type: ignore[arg-type]


def tell_task(task: Task) -> TaskTold:
    """A task."""
    asked = {"version": task.version, "party": task.party, "effective_at": task.effective_at, "opened": task.opened}
    return TaskTold(**asked, answer=task.answer, answered=task.answered)  # type: ignore[arg-type]
