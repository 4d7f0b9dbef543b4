"""Who asks: a client, a registered sender, the federation or nobody, with the organisation it acts for."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from consent.conditions import Purpose


class Role(StrEnum):
    """The rows of the matrix. `inside` is a user's client at a node's compute network; elsewhere it is a plain user."""

    ANONYMOUS = "anonymous"
    USER = "user"
    INSIDE = "inside"
    PROVIDER = "provider"
    SENDER = "sender"
    OPERATOR = "operator"
    FEDERATION = "federation"


@dataclass(frozen=True, slots=True)
class Subject:
    """One caller as this request found it: identity, organisation, role, and what it is registered for.

    `terms`: every version of the general terms that it accepted. It is `external` unless its organisation is a beneficiary.
    """

    id: str
    role: Role
    party: str | None = None
    approved: bool = False
    terms: frozenset[str] = frozenset()
    purposes: frozenset[Purpose] = field(default_factory=frozenset)
    viewer: bool = False  # registered as a program in which people look at images
    external: bool = True


def inside(subject: Subject) -> Subject:
    """The subject as it asks from a node's compute network; only a user is another there."""
    return replace(subject, role=Role.INSIDE) if subject.role is Role.USER else subject


ANONYMOUS = Subject("anonymous", Role.ANONYMOUS)


def federation(name: str) -> Subject:
    """A caller of the federated search, by the name its secret has here."""
    return Subject(f"federation:{name}", Role.FEDERATION)


FEDERATION = federation("eucaim")
