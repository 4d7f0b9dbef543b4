"""Exclusions: organisations, clients and persons whom the repository has blocked; they get nothing any more.

What is theirs stays: an excluded provider's data is stopped by its agreement, not by this.
"""

from enum import StrEnum
from typing import NamedTuple

from consent.subject import Subject


class Excluded(StrEnum):
    """Who is blocked by an exclusion: an organisation by its key, or a client by its id. A person's account is blocked."""

    PARTY = "party"
    CLIENT = "client"


class Exclusions(NamedTuple):
    """All that stand: organisations by their keys, and callers by the ids that the record has (a client's, `person:KEY`)."""

    parties: frozenset[str]
    callers: frozenset[str]


NONE = Exclusions(frozenset(), frozenset())


def is_excluded(subject: Subject, exclusions: Exclusions) -> bool:
    """Whether a subject, or the organisation it acts for, is excluded."""
    return subject.id in exclusions.callers or subject.party in exclusions.parties
