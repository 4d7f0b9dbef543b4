"""Proposing what two persons decide on, confirming it exactly as proposed, refusing it, or doing it alone and telling all."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from adapters.sql import proposal as proposals
from adapters.sql.ledger import About, record
from consent.commitment import canonical
from consent.entries import ProposalMoved
from consent.notice import NoticeKind
from consent.person import Actor, may
from consent.proposal import LIFETIME, Proposal, ProposalState, refusal
from mappings.failures import Conflict, Forbidden, Invalid
from server.usecases.naming import check_reason, check_words, require, require_act
from server.usecases.notice import tell_operators
from server.usecases.proposable import PROPOSABLE, Proposable
from server.usecases.runtime import Runtime
from server.usecases.second_person import is_only_operator

MOST_SHOWN = 128
"""Characters of an argument in what is told of a proposal: a longer one is told by its length and digest."""


def propose(runtime: Runtime, actor: Actor, act: str, arguments: Mapping[str, str], reason: str) -> Proposal:
    """Propose an act for a second person; whoever is the only operator does it now instead, and the record says so."""
    _allowed(actor, act, arguments)
    made = _made(runtime, actor, act, arguments, reason)
    with runtime.governance_act() as connection:
        if is_only_operator(connection, actor.id):
            done = _do_alone(runtime, connection, actor, made)
            return replace(made, state=ProposalState.CONFIRMED, decider=actor.id, decided=made.at, done=done)
        proposals.add(connection, made)
        _record(connection, "make", made, actor, made.reason, made.at)
        tell_operators(runtime, connection, NoticeKind.PROPOSAL, f"A second person is asked for: {act}", _told(made), made.key)
    return made


def act_alone(runtime: Runtime, actor: Actor, act: str, arguments: Mapping[str, str], reason: str) -> str:
    """Do what two decide on alone and at once, for a reason that stands in the ledger and goes to every operator."""
    _allowed(actor, act, arguments)
    made = _made(runtime, actor, act, arguments, reason)
    with runtime.governance_act() as connection:
        return _do_alone(runtime, connection, actor, made)


def confirm(runtime: Runtime, actor: Actor, key: str) -> str:
    """Do what another person proposed, exactly, in this transaction; returns what was done. Raises Forbidden, Conflict."""
    with runtime.governance_act() as connection:
        made = require(proposals.find(connection, key), "proposal", key)
        known = _known(made.act)
        require_act(actor, known.act)
        arguments = json.loads(made.arguments)
        if why := refusal(made, actor, _digest(made.act, arguments), runtime.clock()):
            raise (Forbidden if made.state is ProposalState.OPEN else Conflict)("proposal-refused", why, "proposal")
        proposals.decide(connection, key, ProposalState.CONFIRMED, actor.id, runtime.clock())
        done = known.run(runtime, connection, actor, arguments, made.reason)
        _record(connection, "confirm", made, actor, made.reason, runtime.clock())
    return done


def refuse(runtime: Runtime, actor: Actor, key: str, reason: str) -> None:
    """Say no to what was proposed; its proposer takes it back so."""
    why = _reason(reason)
    with runtime.governance_act() as connection:
        made = require(proposals.find(connection, key), "proposal", key)
        require_act(actor, _known(made.act).act)
        if not proposals.decide(connection, key, ProposalState.DECLINED, actor.id, runtime.clock()):
            raise Conflict("proposal-refused", f"This was {made.state} already.", "proposal")
        _record(connection, "refuse", made, actor, why, runtime.clock())


def list_proposals(runtime: Runtime, actor: Actor) -> list[Proposal]:
    """What waits for a second person, of the acts that this actor may do."""
    return [each for each in all_proposals(runtime) if each.act in PROPOSABLE and may(actor, PROPOSABLE[each.act].act)]


def all_proposals(runtime: Runtime) -> list[Proposal]:
    """The same of every act, for whoever owns the data directory."""
    with runtime.store.read() as connection:
        return proposals.read_open(connection, runtime.clock())


def _allowed(actor: Actor, act: str, arguments: Mapping[str, str]) -> None:
    known = _known(act)
    require_act(actor, known.act)
    lacking, unknown = known.arguments.keys() - known.optional - arguments.keys(), arguments.keys() - known.arguments.keys()
    if lacking or unknown or not all(0 < len(value) <= known.arguments[name] for name, value in arguments.items()):
        names = ", ".join(f"{name} (at most {most} characters)" for name, most in known.arguments.items()) or "none"
        raise Invalid("arguments", f"Its arguments are: {names}.", "arguments")


def _known(act: str) -> Proposable:
    check_words([act], list(PROPOSABLE), "act")
    return PROPOSABLE[act]


def _reason(reason: str) -> str:
    why = check_reason(reason)
    if why is None:
        raise Invalid("reason", "Say why.", "reason")
    return why


def _made(runtime: Runtime, actor: Actor, act: str, arguments: Mapping[str, str], reason: str) -> Proposal:
    now, said = runtime.clock(), canonical(dict(arguments)).decode()
    named = (secrets.token_hex(16), act, said, _digest(act, arguments), _reason(reason), actor.id, now)
    return Proposal(*named, now + LIFETIME, ProposalState.OPEN)


def _digest(act: str, arguments: Mapping[str, str]) -> str:
    return sha256(canonical({"act": act, "arguments": dict(arguments)})).hexdigest()


def _do_alone(runtime: Runtime, connection: Connection, actor: Actor, made: Proposal) -> str:
    done = PROPOSABLE[made.act].run(runtime, connection, actor, json.loads(made.arguments), made.reason)
    _record(connection, "alone", made, actor, made.reason, made.at)
    tell_operators(runtime, connection, NoticeKind.ALONE, f"Done by one person alone: {made.act}", _told(made), made.key)
    return done


def shown(made: Proposal) -> str:
    """The arguments of a proposal in a line."""
    said = json.loads(made.arguments)
    return " ".join(f"{name}={value if len(value) <= MOST_SHOWN else _outline(value)}" for name, value in said.items())


def _outline(value: str) -> str:
    return f"<{len(value)} characters, SHA-256 {sha256(value.encode()).hexdigest()}>"


def _told(made: Proposal) -> str:
    return f"{made.proposer}: {made.act} {shown(made)}\nReason: {made.reason}\n"


def _record(connection: Connection, verb: str, made: Proposal, actor: Actor, reason: str, now: datetime) -> None:
    entry = ProposalMoved(verb=verb, proposal=made.key, act=made.act, digest=made.digest, reason=reason)
    record(connection, entry, now, actor.id, About())
