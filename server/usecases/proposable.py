"""The acts that two persons decide on, each as it is done in the transaction of who confirms it.

A further one is a row here: the act of the table of roles, what its arguments are called, and what does it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from adapters.sql import jobs
from consent.person import Act, Actor
from server.usecases import purge, release, rotate_keys
from server.usecases.runtime import Runtime

Arguments = Mapping[str, str]
Run = Callable[[Runtime, Connection, Actor, Arguments, str], str]
"""Does it, for a reason, in the caller's transaction, and says what was done; raises what it can't be."""


@dataclass(frozen=True, slots=True)
class Proposable:
    """An act: who may propose and confirm it, its arguments by name (texts), and what does it."""

    act: Act
    arguments: tuple[str, ...]
    run: Run


def _purge(runtime: Runtime, connection: Connection, actor: Actor, arguments: Arguments, reason: str) -> str:
    return f"{purge.hasten(runtime, connection, actor.id, arguments['study'], reason)} objects go now"


def _release(runtime: Runtime, connection: Connection, actor: Actor, arguments: Arguments, _reason: str) -> str:
    """Nodes are met by a job: none is while a transaction is open."""
    release.read_waiting(runtime, arguments["batch"])
    jobs.enqueue(connection, release.KIND, f"{arguments['batch']} {actor.id}"[:128], runtime.clock())
    return f"batch {arguments['batch']} is being released"


def _rotate(runtime: Runtime, connection: Connection, actor: Actor, _arguments: Arguments, _reason: str) -> str:
    return f"{rotate_keys.rotate(runtime, connection, actor.id)} signs from now on"


PROPOSABLE: Mapping[str, Proposable] = {
    "purge": Proposable(Act.PURGE, ("study",), _purge),
    "release": Proposable(Act.RELEASE, ("batch",), _release),
    "rotate-keys": Proposable(Act.ROTATE_KEYS, (), _rotate),
}
"""Name → the act."""
