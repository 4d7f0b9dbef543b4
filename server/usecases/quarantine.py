"""Quarantine as people see it: what waits of their organisation, which they may refuse; the operator releases."""

from adapters.sql import batches
from consent.person import Act, Actor, may
from mappings.failures import NotFound
from server.usecases.naming import require_act
from server.usecases.release import Decided, Waiting, read_waiting, refuse, release
from server.usecases.runtime import Runtime


def examine_waiting(runtime: Runtime, actor: Actor, key: str) -> Waiting:
    """What waits in a batch of the actor's organisation, or of any to the operator. Raises NotFound, and Conflict for nothing."""
    _require(runtime, actor, Act.EXAMINE, key)
    return read_waiting(runtime, key)


def refuse_waiting(
    runtime: Runtime, actor: Actor, key: str, sop_uids: frozenset[str] = frozenset(), reason: str | None = None
) -> Decided:
    """Refuse what waits in a batch, or the named objects of it: their bytes go, and the same content does not come again."""
    _require(runtime, actor, Act.REFUSE, key)
    return refuse(runtime, actor.id, key, sop_uids, reason)


def release_waiting(
    runtime: Runtime, actor: Actor, key: str, sop_uids: frozenset[str] = frozenset(), reason: str | None = None
) -> Decided:
    """Release what waits in a batch, or the named objects of it, for the repository. Raises Forbidden for what two decide on."""
    _require(runtime, actor, Act.RELEASE, key)
    return release(runtime, actor.id, key, sop_uids, reason)


def _require(runtime: Runtime, actor: Actor, act: Act, key: str) -> None:
    """Another's batch and none look alike."""
    with runtime.store.read() as connection:
        row = batches.by_key(connection, key)
    if row is None or not (may(actor, act, row.provider) or row.provider == actor.party):
        raise NotFound("batch-unknown", "There is no batch with this key, or none of yours.", "batch")
    require_act(actor, act, row.provider)
