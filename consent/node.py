"""A node: where pixels rest, and whether anything may go in or out of it now."""

from enum import StrEnum


class NodeState(StrEnum):
    """Only `linked` lets anything in or out; the operator moves a node freely between the first three.

    A removed one holds nothing, is listed nowhere, and begins anew when a node of its name is added.
    """

    LINKED = "linked"
    SUSPENDED = "suspended"
    UNLINKED = "unlinked"
    REMOVED = "removed"


class Hosting(StrEnum):
    """Where a provider chose its images to rest."""

    FEDERATED = "federated"
    CENTRAL = "central"


MOVES = {"link": NodeState.LINKED, "suspend": NodeState.SUSPENDED, "unlink": NodeState.UNLINKED}
"""Verb → the state it leads to, from any other."""
