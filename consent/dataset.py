"""A dataset under its agreement: the facts a decision needs of it, and how the directory shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from consent.agreement import AgreementState
from consent.conditions import Conditions
from consent.node import NodeState
from consent.permit import Permit
from consent.stop import Stop


@dataclass(frozen=True, slots=True)
class Grace:
    """Until newer terms that a provider accepted take effect, users go on under those before: who accepted one of these."""

    ends: datetime
    covered_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """One dataset as governance stands now: what `policy.decide` needs, and what its answer cites.

    `version` is that of the agreement's content in force; `starts` and `ends` bound its period (aware datetimes, end exclusive,
    None for open). `covered_by` are the versions of the terms of which a user accepted one, and `renewal` is when external users
    begin to wait for the provider's yes to newer terms (None: there are none). `withdrawn` is since when the whole dataset is,
    `stops` all that keeps it from those who had it, oldest first.
    """

    dataset: int
    alias: str
    provider: str
    agreement: str
    version: int
    state: AgreementState
    starts: datetime
    ends: datetime | None
    node: str
    node_state: NodeState
    terms: str
    conditions: Conditions
    permits: tuple[Permit, ...] = ()
    covered_by: frozenset[str] = frozenset()
    renewal: datetime | None = None
    grace: Grace | None = None
    withdrawn: datetime | None = None
    stops: tuple[Stop, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetEndpoint:
    """Where one dataset is reached; `is_open` while its agreement and node let something in or out."""

    alias: str
    title: str
    is_open: bool
    updated: datetime


class Sharing(StrEnum):
    """How the sharing of a dataset stands, by its agreement and node; only `open` lets anything in or out."""

    IN_REVIEW = "in-review"
    AGREED = "agreed"  # and not begun
    OPEN = "open"
    STOPPED = "stopped"  # and may go on
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SharedDataset:
    """One dataset as its provider shares it, under `terms` (a version).

    `details` are the operator's words, by key of `mappings.dcat.details`; `is_described`: the catalogue has a page for it;
    `is_queried`: this reader may ask which patients it has.
    """

    alias: str
    provider: str
    title: str
    description: str
    terms: str
    sharing: Sharing
    is_described: bool
    is_queried: bool
    details: Mapping[str, str]
    updated: datetime


@dataclass(frozen=True, slots=True)
class PatientsOfDataset:
    """How many patients a dataset has, and which, by their public ids; none of them where there are more than are told."""

    alias: str
    provider: str
    title: str
    quantity: int
    patients: tuple[str, ...]
    updated: datetime
