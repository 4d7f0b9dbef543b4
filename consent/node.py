"""A node: where pixels rest, and whether anything may go in or out of it now."""

from enum import StrEnum


class NodeState(StrEnum):
    """Only `linked` lets anything in or out; the operator moves a node freely between the three."""

    LINKED = "linked"
    SUSPENDED = "suspended"
    UNLINKED = "unlinked"


class Hosting(StrEnum):
    """Where a provider chose its images to rest."""

    FEDERATED = "federated"
    CENTRAL = "central"


MOVES = {"link": NodeState.LINKED, "suspend": NodeState.SUSPENDED, "unlink": NodeState.UNLINKED}
"""Verb → the state it leads to, from any other."""
