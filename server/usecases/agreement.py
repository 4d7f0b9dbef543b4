"""Agreements: drafting their content, the acts of either side, and reading back what a citation names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from adapters.sql import agreement as agreements
from adapters.sql import custody
from adapters.sql import node as nodes
from adapters.sql import party as parties
from adapters.sql import terms as terms_rows
from adapters.sql.agreement import AgreementRow
from adapters.sql.ledger import About, record
from consent.agreement import AgreementAct, AgreementState, AgreementVersion, Side, Standing, move, read_citation, refusal
from consent.conditions import GRANTABLE, AccessClass, Action, Conditions, Purpose, Visibility
from consent.entries import AgreementDrafted, AgreementMoved
from consent.person import Actor, sees
from consent.policy import SENTENCES
from consent.subject import Role
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.naming import check_new, check_reason, check_words, require
from server.usecases.runtime import Runtime

EVERY_PURPOSE = tuple(str(p) for p in Purpose)
_DRAFT = Standing(AgreementState.DRAFT)


def add_agreement(
    runtime: Runtime,
    actor: str,
    key: str,
    *,
    provider: str,
    node: str,
    terms: str,
    starts: datetime | None = None,
    ends: datetime | None = None,
    access_class: str = "default",
    listed: bool = True,
    actions: Sequence[str] = ("query",),
    visibility: str = "none",
    purposes: Sequence[str] = EVERY_PURPOSE,
) -> None:
    """Draft an agreement between a provider and the repository; nothing moves under it until it is active."""
    now = runtime.clock()
    conditions = _conditions(access_class, listed, actions, visibility, purposes)
    content = AgreementVersion(1, terms, node, starts or now, ends, conditions)
    if content.ends is not None and content.ends <= content.starts:
        raise Invalid("period-empty", "The agreement's period ends before it starts.", "ends")
    with runtime.governance_act() as connection:
        check_new(agreements.find(connection, key), "agreement", key)
        party = require(parties.find_id(connection, provider), "party", provider)
        if (role := next(each.role for each in parties.read_all(connection) if each.key == provider)) != Role.PROVIDER:
            raise Conflict("party-no-provider", f"{provider} takes part as {role}; an agreement is a provider's.", "provider")
        hosting = require(nodes.find(connection, node), "node", node)
        accepted = require(terms_rows.find_id(connection, terms), "terms", terms)
        row = AgreementRow(agreements.add(connection, now, key=key, party=party), key, party, provider, 0, _DRAFT)
        agreements.add_version(connection, row, now, content, node=hosting.id, terms=accepted)
        record(connection, _drafted(row, content), now, actor, About(party))


def _conditions(access_class: str, listed: bool, actions: Sequence[str], visibility: str, purposes: Sequence[str]) -> Conditions:
    check_words([access_class], [str(c) for c in AccessClass], "class")
    check_words(actions, [str(a) for a in sorted(GRANTABLE)], "action")
    check_words([visibility], [str(v) for v in Visibility], "visibility")
    check_words(purposes, EVERY_PURPOSE, "purpose")
    words = frozenset(map(Action, actions)), Visibility(visibility), frozenset(map(Purpose, purposes))
    conditions = Conditions(AccessClass(access_class), listed, *words)
    if conditions.granted != conditions.actions:
        raise Invalid("export-unconditional", f"{SENTENCES['export-unconditional']} Make its class conditional.", "actions")
    return conditions


def _drafted(row: AgreementRow, content: AgreementVersion) -> AgreementDrafted:
    conditions = content.conditions
    return AgreementDrafted(
        agreement=row.key,
        version=content.version,
        state=str(row.standing.state),
        provider=row.provider,
        node=content.node,
        terms=content.terms,
        starts=content.starts,
        ends=content.ends,
        access_class=conditions.access_class,
        listed=conditions.listed,
        actions=conditions.actions,
        visibility=conditions.visibility,
        purposes=conditions.purposes,
    )


@dataclass(frozen=True, slots=True)
class Covered:
    """What stands under an agreement: its datasets by their aliases, the studies and objects of them in care."""

    aliases: tuple[str, ...]
    studies: int
    objects: int


def read_covered(runtime: Runtime, key: str, verb: str, side: Side = Side.REPOSITORY) -> Covered:
    """What a move would be about. Raises what the move would raise."""
    with runtime.store.read() as connection:
        _movable(connection, key, verb, side)
        datasets = {f.dataset: f.alias for f in runtime.governance.current(connection).facts if f.agreement == key}
        return Covered(tuple(datasets.values()), *custody.count_of_datasets(connection, datasets))


def _movable(connection: Connection, key: str, verb: str, side: Side) -> AgreementRow:
    row = require(agreements.find(connection, key), "agreement", key)
    if why := refusal(row.standing, verb, side):
        raise Conflict("agreement-move", f"An agreement {why}.", "agreement")
    return row


def move_agreement(
    runtime: Runtime, actor: str, key: str, verb: str, side: Side = Side.REPOSITORY, reason: str | None = None
) -> AgreementState:
    """Propose, activate, suspend, resume or terminate for one side: legal moves only, and a stop is lifted by who set it."""
    now, why = runtime.clock(), check_reason(reason)
    with runtime.governance_act() as connection:
        row = _movable(connection, key, verb, side)
        standing = move(row.standing, verb, side)
        agreements.record_act(connection, row, AgreementAct(verb, side, actor, row.version, now), standing)
        state, named = str(standing.state), {"agreement": key, "provider": row.provider}
        moved = AgreementMoved(verb=verb, **named, version=row.version, state=state, side=side, reason=why)
        record(connection, moved, now, actor, About(row.party))
    return standing.state


@dataclass(frozen=True, slots=True)
class CitedAgreement:
    """What `key@version` names: the agreement as it stands, the content of that version, and every act on the agreement."""

    key: str
    provider: str
    standing: Standing
    content: AgreementVersion
    acts: tuple[AgreementAct, ...]


def read_agreement(runtime: Runtime, citation: str) -> CitedAgreement:
    """An agreement by its key, with the content in force, or by `key@version` as ledger entries and decisions cite it."""
    key, version = read_citation(citation) or (citation, None)
    with runtime.store.read() as connection:
        row = require(agreements.find(connection, key), "agreement", key)
        return CitedAgreement(
            key, row.provider, row.standing, _content(connection, row, version), agreements.read_acts(connection, row)
        )


def _content(connection: Connection, row: AgreementRow, version: int | None) -> AgreementVersion:
    content = agreements.find_version(connection, row, row.version if version is None else version)
    if content is None:
        raise NotFound("version-unknown", f"Agreement {row.key} has no version {version}.", "version")
    return content


def list_agreements(runtime: Runtime) -> tuple[CitedAgreement, ...]:
    """Every agreement with the content in force, in the order they were drafted."""
    with runtime.store.read() as connection:
        keys = [row.key for row in agreements.read_all(connection)]
    return tuple(read_agreement(runtime, key) for key in keys)


def agreements_of(runtime: Runtime, actor: Actor) -> tuple[CitedAgreement, ...]:
    """The agreements that this actor may see: its organisation's, or all."""
    return tuple(one for one in list_agreements(runtime) if sees(actor, one.provider))


def agreement_of(runtime: Runtime, actor: Actor, citation: str) -> CitedAgreement:
    """An agreement by its key or as `key@version`. Raises NotFound, also for another's."""
    one = read_agreement(runtime, citation)
    if not sees(actor, one.provider):
        raise NotFound("agreement-unknown", f"There is no agreement called {citation}.", "agreement")
    return one
