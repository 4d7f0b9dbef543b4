"""Agreements as `/api/agreements` tells of them."""

from datetime import datetime

from consent.agreement import AgreementAct, AgreementState, AgreementVersion, Side, Standing
from consent.conditions import AccessClass, Action, Purpose, Visibility
from mappings.api.shapes import Told


class AgreementActTold(Told):
    """What a side did on an agreement, and when."""

    verb: str
    side: Side
    actor: str
    version: int
    at: datetime


class AgreementTold(Told):
    """An agreement with the content in force: `version` is that content's; `stopped_by` the sides whose stop stands."""

    key: str
    provider: str
    state: AgreementState
    stopped_by: list[Side]
    version: int
    terms: str
    node: str
    starts: datetime
    ends: datetime | None
    access_class: AccessClass
    listed: bool
    actions: list[Action]
    visibility: Visibility
    purposes: list[Purpose]
    acts: list[AgreementActTold]


class AgreementsTold(Told):
    """The agreements that the caller may see, in the order they were drafted."""

    agreements: list[AgreementTold]


def tell(key: str, provider: str, standing: Standing, content: AgreementVersion, acts: tuple[AgreementAct, ...]) -> AgreementTold:
    """An agreement as it stands, with one version of its content."""
    conditions = content.conditions
    return AgreementTold(
        key=key,
        provider=provider,
        state=standing.state,
        stopped_by=sorted(standing.stops),
        version=content.version,
        terms=content.terms,
        node=content.node,
        starts=content.starts,
        ends=content.ends,
        access_class=conditions.access_class,
        listed=conditions.listed,
        actions=sorted(conditions.actions),
        visibility=conditions.visibility,
        purposes=sorted(conditions.purposes),
        acts=[AgreementActTold(verb=a.verb, side=a.side, actor=a.actor, version=a.version, at=a.at) for a in acts],
    )
