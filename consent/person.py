"""People: the roles they have in organisations, and which act each role may do, for its own organisation or for all.

A person acts in one role table for every door: pages, API and command line. What is not in the table is nobody's act. To stop
something, one person is always enough.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from consent.agreement import Side
from consent.subject import Role


class PersonRole(StrEnum):
    """What a person is in an organisation; one person may be several."""

    DATA_MANAGER = "data-manager"
    SIGNATORY = "signatory"
    DATA_PROTECTION_OFFICER = "data-protection-officer"
    RESEARCHER = "researcher"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class Act(StrEnum):
    """What people do here, besides using data."""

    APPLY = "apply for an agreement"
    DRAFT = "draft or change an agreement"
    PROPOSE = "propose an agreement"
    SIGN = "sign for the provider"
    COUNTERSIGN = "sign for the repository"
    STOP = "stop what is shared"
    RESUME = "lift one's own stop"
    END = "end an agreement"
    ANSWER_TERMS = "accept or decline terms for an organisation"
    ACCEPT_TERMS = "accept user terms for oneself"
    MOVE_DATASET = "move a dataset to another agreement"
    EXAMINE = "look at quarantine"
    REFUSE = "refuse what waits in quarantine"
    RELEASE = "release what waits in quarantine"
    WITHDRAW = "withdraw a study, pseudonym or dataset"
    PURGE = "purge before its grace ends"
    PUBLISH = "publish a document"
    ADMIT_EXTERNAL = "admit an external organisation"
    ROTATE_KEYS = "rotate keys"
    INVITE = "invite a person"
    ASSIGN = "give or take a role"
    BLOCK = "block a person or organisation"
    ANNOUNCE = "send a notice"
    TELL_OF_WORK = "tell of published work"
    READ_RECORD = "read the record"


class Span(StrEnum):
    """How far a role's act goes."""

    OWN = "own organisation"
    ALL = "all"


_R, _A = PersonRole, Act
_EVERYONE = {_A.ACCEPT_TERMS: Span.OWN}
ACTS: dict[PersonRole, dict[Act, Span]] = {
    _R.DATA_MANAGER: _EVERYONE
    | dict.fromkeys(
        (*(_A.APPLY, _A.DRAFT, _A.PROPOSE, _A.STOP, _A.RESUME, _A.EXAMINE, _A.REFUSE, _A.WITHDRAW), _A.TELL_OF_WORK), Span.OWN
    ),
    _R.SIGNATORY: _EVERYONE
    | dict.fromkeys(
        (
            *(_A.APPLY, _A.PROPOSE, _A.SIGN, _A.STOP, _A.RESUME, _A.END, _A.ANSWER_TERMS, _A.MOVE_DATASET),
            *(_A.INVITE, _A.ASSIGN, _A.TELL_OF_WORK),
        ),
        Span.OWN,
    ),
    _R.DATA_PROTECTION_OFFICER: _EVERYONE | dict.fromkeys((_A.STOP, _A.RESUME, _A.WITHDRAW, _A.READ_RECORD), Span.OWN),
    _R.RESEARCHER: _EVERYONE,
    _R.OPERATOR: _EVERYONE
    | dict.fromkeys(
        (
            *(_A.DRAFT, _A.PROPOSE, _A.COUNTERSIGN, _A.STOP, _A.RESUME, _A.END, _A.MOVE_DATASET),
            *(_A.EXAMINE, _A.REFUSE, _A.RELEASE, _A.WITHDRAW, _A.PURGE, _A.TELL_OF_WORK),
            *(_A.PUBLISH, _A.ADMIT_EXTERNAL, _A.ROTATE_KEYS, _A.INVITE, _A.ASSIGN, _A.BLOCK, _A.ANNOUNCE, _A.READ_RECORD),
        ),
        Span.ALL,
    ),
    _R.AUDITOR: _EVERYONE | {_A.READ_RECORD: Span.ALL},
}
"""Who may do what (roles × acts). A role or act without a cell reaches nothing."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does a governance act, as the record names it: `person:KEY`, a client's id, or `local:USER` for the command line.

    `party`: the organisation acted for, None for the repository itself. `roles`: the person's roles there; the local command
    line, which owns the data directory, has an operator's and signs nothing.
    """

    id: str
    party: str | None = None
    roles: frozenset[PersonRole] = field(default_factory=frozenset)
    is_local: bool = False

    @property
    def side(self) -> Side:
        """Whom this actor acts for."""
        return Side.REPOSITORY if self.party is None else Side.PROVIDER


PERSON = "person:"


def person_id(key: str) -> str:
    """How the record, tokens and acceptances name the person called so."""
    return f"{PERSON}{key}"


NOBODY = Actor("anonymous")
"""Who is not known: no role, so no act."""


def may(actor: Actor, act: Act, party: str | None = None) -> bool:
    """Whether this actor's roles let it do this, to what is `party`'s (None: the repository's own)."""
    spans = {ACTS[role][act] for role in actor.roles if act in ACTS[role]}
    return Span.ALL in spans or (Span.OWN in spans and party is not None and party == actor.party)


def sees(actor: Actor, party: str) -> bool:
    """Whether what is kept of an organisation's dealings is shown to this actor: its own, and all to who acts for all."""
    for_all = any(Span.ALL in ACTS[role].values() for role in actor.roles)
    return for_all or (bool(actor.roles) and actor.party == party)


_IN_PROVIDERS = frozenset({PersonRole.DATA_MANAGER, PersonRole.DATA_PROTECTION_OFFICER})
_IN_REPOSITORY = frozenset({PersonRole.OPERATOR, PersonRole.AUDITOR})


def may_be(role: PersonRole, party_role: str | None) -> bool:
    """Whether a person may have this role in an organisation that takes part as `party_role` (None: in the repository)."""
    if party_role is None or role in _IN_REPOSITORY:
        return party_role is None and role in _IN_REPOSITORY
    return role not in _IN_PROVIDERS or party_role == Role.PROVIDER


def role_of(role: PersonRole) -> Role:
    """As which caller a person uses data by this role: who has none of that asks as anybody may."""
    return _CALLERS.get(role, Role.ANONYMOUS)


_CALLERS = {
    PersonRole.RESEARCHER: Role.USER,
    PersonRole.OPERATOR: Role.OPERATOR,
    PersonRole.DATA_MANAGER: Role.PROVIDER,
}
