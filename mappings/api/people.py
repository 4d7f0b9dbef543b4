"""People and sessions as `/api/…` takes and tells of them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, field

from consent.conditions import Purpose
from consent.person import PersonRole
from mappings.api.shapes import Asked, Line, Name, Told

Email = Annotated[str, Meta(max_length=254, description="For mail only; it proves nobody.")]


class RoleAsked(Asked):
    """A role in an organisation; without `party`, in the repository itself. A researcher has purposes."""

    role: PersonRole
    party: Name | None = None
    purposes: list[Purpose] = field(default_factory=list)


class PersonAsked(RoleAsked, kw_only=True):
    """Somebody to be invited, with a first role."""

    key: Name
    name: Line
    email: Email = ""


class InvitedTold(Told):
    """An invitation: its link is told this once, is good once, and until then."""

    person: str
    url: str
    expires: datetime


class RoleTold(Told):
    """What a person is, and where; `party` is null for the repository itself."""

    role: PersonRole
    party: str | None
    purposes: list[Purpose]


class PersonTold(Told):
    """A person; `signs_in_by` names local accounts and the issuers of providers."""

    key: str
    name: str
    blocked: bool
    signs_in_by: list[str]
    roles: list[RoleTold]


class PeopleTold(Told):
    """The people whom the caller may see, in the order they were added."""

    people: list[PersonTold]


class SessionTold(Told):
    """Where a person is signed in."""

    key: str
    kind: str
    agent: str
    at: datetime
    used: datetime
    expires: datetime


class SessionsTold(Told):
    """The caller's own sessions, this one by its key."""

    this: str
    sessions: list[SessionTold]
