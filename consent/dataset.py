"""A dataset under its agreement: the facts a decision needs of it, and how its endpoint shows it."""

from dataclasses import dataclass
from datetime import datetime

from consent.agreement import AgreementState
from consent.conditions import Conditions
from consent.node import NodeState
from consent.permit import Permit


@dataclass(frozen=True, slots=True)
class Facts:
    """One dataset as governance stands now: what `policy.decide` needs, and what its answer cites.

    `version` is that of the agreement's content in force; `starts` and `ends` bound its period (aware datetimes, end exclusive,
    None for open).
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


@dataclass(frozen=True, slots=True)
class DatasetEndpoint:
    """Where one dataset is reached; `is_open` while its agreement and node let something in or out."""

    alias: str
    title: str
    is_open: bool
    updated: datetime
