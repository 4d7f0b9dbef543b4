"""An organisation that takes part: a provider, an approved user, another repository, or the operator's own."""

from dataclasses import dataclass
from datetime import datetime

ROLES = ("provider", "user", "repository", "operator")
REPOSITORY = "repository"
"""The key that stands for this repository itself; no party may be called so."""


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation: key, name, role. The repository is a setting: its `updated` is None, its e-mail address is `contact`.

    It is a beneficiary, or `external`: its users see what is shared with external users.
    """

    key: str
    name: str
    role: str
    updated: datetime | None
    approved: bool = True
    contact: str = ""
    external: bool = False


@dataclass(frozen=True, slots=True)
class PartyAct:
    """What an organisation was from a moment on: its role, whether approved, whether external."""

    role: str
    approved: bool
    external: bool
    at: datetime
