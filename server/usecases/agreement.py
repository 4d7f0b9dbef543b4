"""Agreements: the acts of either side, and reading back what a citation names."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from adapters.sql import agreement as agreements
from adapters.sql import custody, descriptions, signatures
from adapters.sql import dataset as datasets
from adapters.sql import party as parties
from adapters.sql.agreement import AgreementRow
from adapters.sql.ledger import About, record
from consent.agreement import (
    ENFORCING,
    IN_FORCE,
    OF_VERSIONS,
    SIGNATURES,
    AgreementAct,
    AgreementState,
    AgreementVersion,
    Application,
    Side,
    Standing,
    done,
    move,
    read_citation,
    refusal,
    uncited,
)
from consent.entries import AgreementMoved
from consent.person import Act, Actor, sees
from consent.signature import Signature, version_hash
from consent.subject import Role
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.draft import Content, keep_version, read_conditions
from server.usecases.naming import check_new, check_reason, require, require_act
from server.usecases.runtime import Runtime

_ACTS = {
    "propose": (Act.PROPOSE, Act.PROPOSE),
    "activate": (Act.COUNTERSIGN, Act.COUNTERSIGN),
    "refuse": (Act.SIGN, Act.COUNTERSIGN),
    "suspend": (Act.STOP, Act.STOP),
    "resume": (Act.RESUME, Act.RESUME),
    "terminate": (Act.END, Act.END),
}
"""Verb → what a provider's, and what the repository's people need a role for; signatures are `server.usecases.signing`'s."""


def add_agreement(runtime: Runtime, actor: str, key: str, *, provider: str, **content: Any) -> None:
    """Draft an agreement between a provider and the repository, by what `Content` says; nothing moves until it is active."""
    said = Content(**content)
    conditions = read_conditions(said)
    with runtime.governance_act() as connection:
        row = new_agreement(runtime, connection, key, provider, AgreementState.DRAFT)
        keep_version(runtime, connection, actor, row, said, conditions)


def new_agreement(runtime: Runtime, connection: Connection, key: str, provider: str, state: AgreementState) -> AgreementRow:
    """A new agreement of a provider, without content. Raises Invalid, NotFound and Conflict."""
    check_new(agreements.find(connection, key), "agreement", key)
    party = require(parties.find_id(connection, provider), "party", provider)
    if (role := next(each.role for each in parties.read_all(connection) if each.key == provider)) != Role.PROVIDER:
        raise Conflict("party-no-provider", f"{provider} takes part as {role}; an agreement is a provider's.", "provider")
    added = agreements.add(connection, runtime.clock(), key=key, party=party, state=state)
    return AgreementRow(added, key, party, provider, 0, Standing(state))


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
    runtime: Runtime,
    actor: str,
    key: str,
    verb: str,
    side: Side = Side.REPOSITORY,
    reason: str | None = None,
    circumstance: str | None = None,
) -> AgreementState:
    """Propose, activate, refuse, suspend, resume or terminate for one side, without a signature; where it stands then.

    Legal moves only; a stop is lifted by who set it, and the repository's cites a circumstance of the agreement's list.
    """
    why = check_reason(reason)
    if verb in SIGNATURES:
        raise Conflict("signature-needed", f"An agreement is {done(verb)} by a person's signature, and in no other way.", "verb")
    with runtime.governance_act() as connection:
        return _move(runtime, connection, actor, _movable(connection, key, verb, side), verb, side, why, circumstance)


def act_on_agreement(
    runtime: Runtime, actor: Actor, key: str, verb: str, reason: str | None = None, circumstance: str | None = None
) -> AgreementState:
    """The same by a person, for the side that it acts for. Raises Forbidden where its roles do not reach that."""
    why = check_reason(reason)
    if verb not in _ACTS:
        raise Invalid("verb-unknown", f"What may be done is one of: {', '.join(_ACTS)}.", "verb")
    with runtime.governance_act() as connection:
        row = require(agreements.find(connection, key), "agreement", key)
        side = side_of(actor, row.provider)
        require_act(actor, _ACTS[verb][side is Side.REPOSITORY], row.provider)
        row = _movable(connection, key, verb, side)
        return _move(runtime, connection, actor.id, row, verb, side, why, circumstance)


def side_of(actor: Actor, provider: str) -> Side:
    """Whom an actor acts for. Raises NotFound for a third party: to whom the agreement is not there."""
    if actor.party not in (None, provider):
        raise NotFound("agreement-unknown", "There is no agreement called so.", "agreement")
    return actor.side


def _move(
    runtime: Runtime,
    connection: Connection,
    actor: str,
    row: AgreementRow,
    verb: str,
    side: Side,
    reason: str | None,
    circumstance: str | None,
) -> AgreementState:
    """Where what was moved stands then: the version being agreed on, or what is in force."""
    now, standing, version = runtime.clock(), move(row.standing, verb, side), row.acted_on(verb)
    content = agreements.find_version(connection, row, row.version)
    listed = content.circumstances if content and row.standing.state in IN_FORCE else frozenset[str]()
    if why := uncited(side, verb, listed, circumstance):
        raise Invalid("circumstance", why, "circumstance")
    agreements.record_act(connection, row, AgreementAct(verb, side, actor, version, now), standing)
    if verb in ENFORCING:
        describe_again(connection, row, now)
    moved = AgreementMoved(
        verb=verb,
        agreement=row.key,
        provider=row.provider,
        version=version,
        state=str(standing.state),
        change=standing.change and str(standing.change),
        side=side,
        reason=reason,
        circumstance=circumstance,
    )
    record(connection, moved, now, actor, About(row.party))
    return standing.stage if verb in OF_VERSIONS else standing.state


def describe_again(connection: Connection, row: AgreementRow, now: datetime) -> None:
    """Have what the catalogue says of an agreement's datasets said by the version in force."""
    for dataset in datasets.read_all(connection):
        if dataset.agreement == row.key:
            descriptions.ask(connection, dataset.alias, now)


@dataclass(frozen=True, slots=True)
class CitedAgreement:
    """What `key@version` names: the agreement as it stands, the content of that version, and every act on the agreement.

    `version` is that in force, or the last drafted before one is; `content` is None where nothing was drafted. `change` is the
    version that is to replace the one in force; `sha256` is over every part of the content, `signatures` are those under it.
    """

    key: str
    provider: str
    standing: Standing
    version: int
    change: int | None
    content: AgreementVersion | None
    acts: tuple[AgreementAct, ...]
    signatures: tuple[Signature, ...] = ()
    application: Application | None = None

    @property
    def sha256(self) -> str | None:
        """What signatures of this content bind."""
        return version_hash(self.key, self.provider, self.content) if self.content else None


def read_agreement(runtime: Runtime, citation: str) -> CitedAgreement:
    """An agreement by its key, with the content in force, or by `key@version` as ledger entries and decisions cite it."""
    key, version = read_citation(citation) or (citation, None)
    with runtime.store.read() as connection:
        return _cited(connection, require(agreements.find(connection, key), "agreement", key), version)


def _cited(connection: Connection, row: AgreementRow, version: int | None) -> CitedAgreement:
    content = agreements.find_version(connection, row, row.version if version is None else version)
    if content is None and version is not None:
        raise NotFound("version-unknown", f"Agreement {row.key} has no version {version}.", "version")
    return CitedAgreement(
        row.key,
        row.provider,
        row.standing,
        row.version,
        row.change,
        content,
        agreements.read_acts(connection, row),
        signatures.read(connection, row.id, content.version) if content else (),
        agreements.find_application(connection, row),
    )


def list_agreements(runtime: Runtime) -> tuple[CitedAgreement, ...]:
    """Every agreement with the content in force, in the order they were drafted."""
    with runtime.store.read() as connection:
        return tuple(_cited(connection, row, None) for row in agreements.read_all(connection))


def agreements_of(runtime: Runtime, actor: Actor) -> tuple[CitedAgreement, ...]:
    """The agreements that this actor may see: its organisation's, or all."""
    return tuple(one for one in list_agreements(runtime) if sees(actor, one.provider))


def agreement_of(runtime: Runtime, actor: Actor, citation: str) -> CitedAgreement:
    """An agreement by its key or as `key@version`. Raises NotFound, also for another's."""
    one = read_agreement(runtime, citation)
    if not sees(actor, one.provider):
        raise NotFound("agreement-unknown", f"There is no agreement called {citation}.", "agreement")
    return one
