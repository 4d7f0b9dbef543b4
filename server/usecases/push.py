"""A provider's own client fills a batch: it opens one for a dataset, asks what need not be sent, uploads, and closes it."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from adapters.sql import batches, custody
from consent.conditions import Action
from consent.custody import State
from consent.dataset import Facts
from consent.deposit import Code, sentence
from consent.policy import SENTENCES, Decision, decide
from consent.subject import Role
from mappings.failures import Conflict, Forbidden, NotFound
from server.usecases import receipts
from server.usecases.admission import find_stop
from server.usecases.batch import Batch, Origin, close_batch, open_batch
from server.usecases.runtime import Caller, Runtime


def origin(runtime: Runtime, caller: Caller, alias: str | None, door: str, peer: str) -> Origin:
    """Where this provider's files are bound for: the dataset called `alias`, or the only one it may fill now.

    Raises Forbidden for who is no provider, NotFound for a dataset that is not the caller's own, Conflict where it takes nothing
    now, and where no alias is given and not exactly one takes something.
    """
    if caller.subject.role is not Role.PROVIDER:
        raise Forbidden("role", SENTENCES["role"])
    with runtime.store.read() as connection:
        governance = runtime.governance.current(connection)
    facts = [f for f in governance.facts if f.provider == caller.subject.party]
    own = {f.alias: (f, decide(caller.subject, Action.DEPOSIT, None, f, runtime.clock())) for f in facts}
    chosen = _only(own) if alias is None else own.get(alias)
    if chosen is None:
        raise NotFound("dataset-unknown", "You have no dataset of this name.", "dataset")
    if not chosen[1].allowed:
        raise Conflict(chosen[1].rule, chosen[1].sentence, "dataset")
    if governance.host(chosen[0].dataset).is_read_only:
        raise Conflict(Code.NODE_READ_ONLY, sentence(Code.NODE_READ_ONLY), "dataset")
    return Origin(door, caller.subject, chosen[0].dataset, chosen[0].alias, peer, "", "", attested=False)


def _only(own: Mapping[str, tuple[Facts, Decision]]) -> tuple[Facts, Decision] | None:
    """The only dataset open for deposit; where none is, the only one there is, so that its refusal can be said."""
    candidates = {alias: chosen for alias, chosen in own.items() if chosen[1].allowed} or own
    if len(candidates) > 1:
        raise Conflict("dataset-ambiguous", f"Name the dataset; yours are: {', '.join(sorted(candidates))}.", "dataset")
    return next(iter(candidates.values()), None)


def open_push(runtime: Runtime, caller: Caller, alias: str | None, peer: str) -> Batch:
    """Open a batch for a dataset of the caller's own; failures are `origin`'s."""
    return open_batch(runtime, origin(runtime, caller, alias, "push", peer))


def ongoing(runtime: Runtime, caller: Caller, key: str, alias: str | None = None) -> Batch:
    """The caller's open push called `key`, for the dataset called `alias` where one is named.

    Raises NotFound where it is no such push of the caller's own, Conflict where it is closed.

    Only a push may be filled over HTTP: an association's batch carries what was attested for its sender, and nobody else's files.
    """
    with runtime.store.read() as connection:
        batch = _ongoing(connection, caller, key)
    if alias not in (None, batch.origin.alias):
        raise NotFound("batch-unknown", "You have no batch with this key for this dataset.", "batch")
    return batch


def _ongoing(connection: Connection, caller: Caller, key: str) -> Batch:
    row = batches.by_key(connection, key)
    if row is None or row.door != "push" or caller.subject.role is not Role.PROVIDER or row.provider != caller.subject.party:
        raise NotFound("batch-unknown", "You have no batch with this key.", "batch")
    if row.closed is not None:
        raise Conflict("batch-closed", "This batch is closed. Open another.", "batch")
    source = Origin(row.door, caller.subject, row.dataset, row.alias, row.peer, "", "", attested=False)
    return Batch(row.id, row.key, source)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The names of files that need not be sent, and of those that wait for review the batch that brought them."""

    names: frozenset[str]
    waiting: Mapping[str, str]


def acknowledge_held(runtime: Runtime, caller: Caller, key: str, files: Mapping[str, bytes]) -> Acknowledged:
    """Of these files (name → SHA-256), those that need not be sent, since the batch has a receipt for each.

    What the dataset has in care already gets its receipt here, as `known` or `waiting`; so asking again changes nothing, and a
    sender that was cut off asks, sends the rest, and every file is told of once.
    """
    with runtime.store.write() as connection:
        batch = _ongoing(connection, caller, key)
        names = batches.presented(connection, batch.id, list(files))
        if find_stop(runtime, connection, batch.origin):  # nothing is taken: each file is to be sent and told so
            return Acknowledged(frozenset(names), {})
        held = custody.by_file_digest(connection, batch.origin.dataset, list(files.values()))
        found = {name: held[digest] for name, digest in files.items() if digest in held}
        for name, row in found.items():
            if name not in names:
                receipts.write_known(runtime, connection, batch, name, row)
        quarantined = {name: row.batch for name, row in found.items() if row.state is State.REVIEW}
        keys = batches.keys(connection, quarantined.values())
    return Acknowledged(frozenset(names | found.keys()), {name: keys[brought] for name, brought in quarantined.items()})


def close_push(runtime: Runtime, caller: Caller, key: str) -> None:
    """Close a batch of the caller's own; nothing happens where it is closed already. Raises NotFound."""
    try:
        close_batch(runtime, ongoing(runtime, caller, key).id)
    except Conflict:
        return
