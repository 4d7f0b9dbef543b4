"""Stops, proposals, notices and exclusions as `/api/…` asks and tells of them."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from consent.agreement import CIRCUMSTANCES
from consent.exclusion import Excluded
from consent.notice import NoticeDelivery, NoticeKind
from consent.proposal import Proposal
from consent.stop import Cause, Stop
from mappings.api.shapes import Asked, Line, Name, Told

Circumstance = Annotated[str, Meta(pattern=f"^({'|'.join(CIRCUMSTANCES)})$", description="Why the repository stops something.")]
Who = Annotated[str, Meta(min_length=1, max_length=80, description="An organisation's key, or a person's or client's id.")]
Argument = Annotated[str, Meta(min_length=1, max_length=256 << 10)]


class StopTold(Told):
    """Since when something is stopped or withdrawn, and by whom."""

    at: datetime
    cause: Cause


class WithdrawAsked(Asked):
    """Why; the repository cites a circumstance, a provider none."""

    reason: Line | None = None
    circumstance: Circumstance | None = None


class WithdrawnTold(Told):
    """A dataset that is withdrawn, and when its bytes begin to go."""

    dataset: str
    until: datetime


class ReasonAsked(Asked):
    """Why, or nothing."""

    reason: Line | None = None


class DatasetTold(Told):
    """A dataset that was restored."""

    dataset: str


class RestoredTold(Told):
    """How many objects of a study come back."""

    study: str
    objects: int


class ReceiptTold(Told):
    """What the record keeps of a purge: the files by SHA-256 (hex), some of who had taken it, and how many these are."""

    at: datetime
    dataset: str
    files: list[str]
    takers: list[str]
    taken: int


class ReceiptsTold(Told):
    """The receipts of a study, oldest first."""

    study: str
    receipts: list[ReceiptTold]


class ExcludeAsked(Asked):
    """Who is blocked, in which circumstance."""

    kind: Excluded
    key: Who
    circumstance: Circumstance
    reason: Line | None = None


class LiftAsked(Asked):
    """Who is let in again."""

    kind: Excluded
    key: Who
    reason: Line | None = None


class ExclusionTold(Told):
    """Who is blocked, since when and by whom; `circumstance` and the last two are None of one that was lifted."""

    kind: str
    key: str
    circumstance: str | None = None
    at: datetime | None = None
    by: str | None = None


class ExclusionsTold(Told):
    """All that stand, oldest first."""

    exclusions: list[ExclusionTold]


class ProposeAsked(Asked):
    """An act that two persons decide on, its arguments by name, and why."""

    act: Name
    reason: Line
    arguments: dict[str, Argument] = msgspec.field(default_factory=dict)


class DeclineAsked(Asked):
    """Why not."""

    reason: Line


class ProposalTold(Told):
    """A proposal: `digest` is the SHA-256 (hex) of act and arguments, which are done as they stand or not at all.

    `done`: what was done at once, where who proposed it is the only operator there is.
    """

    key: str
    act: str
    arguments: str
    digest: str
    reason: str
    proposer: str
    at: datetime
    expires: datetime
    state: str
    done: str | None = None


class ProposalsTold(Told):
    """What waits for a second person, oldest first."""

    proposals: list[ProposalTold]


class DoneTold(Told):
    """What became of a proposal, in a sentence."""

    key: str
    done: str


class AnnounceAsked(Asked):
    """A notice to one organisation, or to every one; a discontinuity says from when on.

    The answers of an `address` (a path; `/` is all) say so until then: what ends by Deprecation and Sunset, what is away `until`
    a moment by Retry-After. A change of the same address takes that back.
    """

    kind: NoticeKind
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Annotated[str, Meta(max_length=10_000)] = ""
    party: Name | None = None
    effective: Annotated[datetime, Meta(tz=True)] | None = None
    address: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None


class AnnouncedTold(Told):
    """The key of a notice that was sent."""

    notice: str


class NoticeTold(Told):
    """One delivery of a notice."""

    id: int
    notice: str
    kind: str
    title: str
    text: str
    party: str | None
    effective: datetime | None
    at: datetime
    acknowledged: datetime | None


class NoticesTold(Told):
    """The newest first."""

    notices: list[NoticeTold]


class AcknowledgedTold(Told):
    """A delivery that was acknowledged."""

    id: int


def tell_stop(stop: Stop) -> StopTold:
    """A stop."""
    return StopTold(at=stop.at, cause=stop.cause)


def tell_proposal(one: Proposal) -> ProposalTold:
    """A proposal."""
    said = {"key": one.key, "act": one.act, "arguments": one.arguments, "digest": one.digest, "reason": one.reason}
    return ProposalTold(**said, proposer=one.proposer, at=one.at, expires=one.expires, state=str(one.state), done=one.done)


def tell_notice(one: NoticeDelivery) -> NoticeTold:
    """A delivery."""
    said = {"title": one.title, "text": one.text, "party": one.party, "effective": one.effective, "at": one.at}
    return NoticeTold(id=one.id, notice=one.notice, kind=str(one.kind), acknowledged=one.acknowledged, **said)  # type: ignore[arg-type]
