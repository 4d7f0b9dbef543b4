"""Renewed consent: what providers are asked when new terms need it, and what they answer. Silence is never consent."""

from dataclasses import dataclass

from sqlalchemy import Connection

from adapters.sql import party as parties
from adapters.sql import renewal
from adapters.sql import terms as versions
from adapters.sql.ledger import About, record
from consent.entries import TermsAnswered
from consent.person import Act, Actor, PersonRole, may
from consent.terms import Answer, DocumentKind, Task, Terms
from mappings.failures import Conflict, Forbidden
from server.usecases.naming import require
from server.usecases.runtime import Runtime

MOST_AGREEMENTS = 500
"""Agreements that one answer brings under new terms: an entry of a tiled log has at most 65,535 bytes."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a provider answered, and its agreements that go on under the version from now: key → the number of its content."""

    party: str
    version: str
    said: Answer
    agreements: dict[str, int]


def list_tasks(runtime: Runtime, actor: Actor) -> tuple[Task, ...]:
    """What providers were asked: all of it for who reads the record of all, else one's own organisation's."""
    with runtime.store.read() as connection:
        if may(actor, Act.READ_RECORD):
            return renewal.read_tasks(connection)
        return renewal.read_tasks(connection, actor.party) if actor.party and actor.roles else ()


def answer(runtime: Runtime, actor: Actor, party: str, version: str, said: Answer) -> Answered:
    """Accept or decline a version of the general terms for a provider.

    Accepting brings what was concluded with it under that version, of the same content otherwise; declining changes nothing: its
    data stays with beneficiaries under the terms before. Raises Conflict where nothing of it is under earlier terms.
    """
    on_paper = _may_answer(actor, party)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        provider = require(parties.find_id(connection, party), "party", party)
        terms = require(versions.find(connection, DocumentKind.GENERAL, version), "terms", version)
        key = require(versions.find_id(connection, version), "terms", version)
        pinned = _pinned(connection, key, party, terms)
        renewal.answer(connection, now, terms=key, party=provider, said=said, actor=actor.id)
        brought = {
            each.key: renewal.bring_under(connection, each, key, actor.id, now) for each in pinned if said is Answer.ACCEPT
        }
        named = {"terms": version, "sha256": terms.sha256, "party": party, "agreements": brought}
        record(connection, TermsAnswered(verb=str(said), **named, on_paper=on_paper), now, actor.id, About(provider))  # type: ignore[arg-type]
    return Answered(party, version, said, brought)


def _may_answer(actor: Actor, party: str) -> bool:
    """Whether it is kept from paper: the command line of the machine keeps what a provider sent, and is no signatory."""
    if may(actor, Act.ANSWER_TERMS, party):
        return False
    if actor.is_local and PersonRole.OPERATOR in actor.roles:
        return True
    raise Forbidden("act-not-yours", f"Your roles do not let you {Act.ANSWER_TERMS} here.")


def _pinned(connection: Connection, key: int, party: str, terms: Terms) -> tuple[renewal.Pinned, ...]:
    pinned = renewal.read_pinned(connection, key, party)
    if not pinned:
        raise Conflict("nothing-to-renew", f"{party} has no agreement in force under terms before {terms.version}.", "party")
    if len(pinned) > MOST_AGREEMENTS:
        raise Conflict("too-many-agreements", f"{party} has more than {MOST_AGREEMENTS} agreements to bring under it.", "party")
    return pinned
