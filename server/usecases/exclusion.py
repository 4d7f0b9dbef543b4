"""Blocking an organisation or a client: from the next request on, and the next object of what is under way."""

from adapters.sql import client as clients
from adapters.sql import exclusion
from adapters.sql import party as parties
from adapters.sql.exclusion import ExclusionRow
from adapters.sql.ledger import About, record
from consent.agreement import Side
from consent.entries import ExclusionMoved
from consent.exclusion import Excluded
from consent.person import Act, Actor
from consent.stop import uncited
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.naming import check_reason, check_words, require, require_act
from server.usecases.runtime import Runtime

MOST_KEY = 80


def exclude(
    runtime: Runtime, actor: Actor, kind: str, key: str, *, circumstance: str | None = None, reason: str | None = None
) -> None:
    """Block somebody. One person does, always; the circumstance is one of the closed list."""
    who, why = _named(kind, key), check_reason(reason)
    require_act(actor, Act.BLOCK)
    if wrong := uncited(Side.REPOSITORY, circumstance):
        raise Invalid("circumstance", wrong, "circumstance")
    if key in (actor.id, actor.party):
        raise Conflict("exclusion-own", "Nobody blocks themselves.", "key")
    now = runtime.clock()
    with runtime.governance_act() as connection:
        find = parties.find_id if who is Excluded.PARTY else clients.find
        require(find(connection, key), str(who), key)
        if exclusion.stands(connection, who, key):
            raise Conflict("exclusion-exists", f"{key} is blocked already.", "key")
        exclusion.add(connection, ExclusionRow(who, key, str(circumstance), actor.id, now))
        record(connection, _entry("add", who, key, circumstance, why), now, actor.id, About())


def lift_exclusion(runtime: Runtime, actor: Actor, kind: str, key: str, *, reason: str | None = None) -> None:
    """Let somebody in again. Raises NotFound where nobody so called is blocked."""
    who, why = _named(kind, key), check_reason(reason)
    require_act(actor, Act.BLOCK)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        if not exclusion.lift(connection, who, key, now):
            raise NotFound("exclusion-unknown", "Nobody who is called so is blocked.", "key")
        record(connection, _entry("lift", who, key, None, why), now, actor.id, About())


def _named(kind: str, key: str) -> Excluded:
    check_words([kind], [*map(str, Excluded)], "kind")
    if not 1 <= len(key) <= MOST_KEY or not key.isprintable():
        raise Invalid("key", f"A key or id is one line of at most {MOST_KEY} characters.", "key")
    return Excluded(kind)


def _entry(verb: str, who: Excluded, key: str, circumstance: str | None, reason: str | None) -> ExclusionMoved:
    party, client = (key, None) if who is Excluded.PARTY else (None, key)
    return ExclusionMoved(verb=verb, party=party, client=client, circumstance=circumstance, reason=reason)


def list_exclusions(runtime: Runtime, actor: Actor) -> list[ExclusionRow]:
    """All that stand, oldest first, to who may block."""
    require_act(actor, Act.BLOCK)
    return all_exclusions(runtime)


def all_exclusions(runtime: Runtime) -> list[ExclusionRow]:
    """The same, for whoever owns the data directory."""
    with runtime.store.read() as connection:
        return exclusion.read_all(connection)
