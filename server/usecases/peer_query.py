"""Questions to other repositories that an approved user or an operator waits for: begun, looked at, followed, cancelled.

They are asked by a thread of the process that took them; what comes is kept in rows for an hour, so that any process tells it.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from adapters.sql import peer_queries
from adapters.sql.peer_queries import PeerQueryRow
from consent.access import Interaction
from consent.conditions import Action
from consent.policy import SENTENCES, asking_refusal
from mappings.failures import Busy, Forbidden, NotFound, Throttled
from mappings.peers.answer import PeerAnswer, State
from mappings.peers.question import Question
from server.usecases.access import note_access
from server.usecases.ask import Asking, ask_recorded, record_asking, unanswered
from server.usecases.runtime import Caller, Runtime

log = logging.getLogger("accord.peers")
MOST_OPEN = 2
"""Questions of one subject that are under way."""
MOST_KEPT = 60
"""Of one subject in an hour: peers count them all as this repository's."""
KEPT = timedelta(hours=1)
LATE = timedelta(seconds=5)
"""After a peer's time, until what has not come does not come: its process is gone."""
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Looked:
    """A question and what is there of its answers, in the peers' order; once it has `ended` none is waited for."""

    row: PeerQueryRow
    answers: tuple[PeerAnswer, ...]
    ended: bool


def begin(runtime: Runtime, caller: Caller, question: Question, names: Sequence[str] = ()) -> Looked:
    """Record a question, and have these peers asked (all, where none is named).

    Raises Forbidden, NotFound, Conflict, Throttled for a subject that asks much, and Busy.
    """
    _check(caller)
    if not runtime.asking.acquire(blocking=False):
        raise Busy("asking", "As many questions as may be are under way. Ask again in some seconds.")
    try:
        asking, row = _kept(runtime, caller, question, names)
        threading.Thread(target=_run, args=(runtime, asking, row.id), name="asking", daemon=True).start()
    except BaseException:
        runtime.asking.release()
        raise
    return Looked(row, _answers(row, {}, ended=False), ended=False)


def _kept(runtime: Runtime, caller: Caller, question: Question, names: Sequence[str]) -> tuple[Asking, PeerQueryRow]:
    now, who = runtime.clock(), caller.subject.id
    until = now + timedelta(seconds=runtime.settings.peer_seconds) + LATE
    with runtime.store.write() as connection:
        kept, open_ = peer_queries.counted(connection, who, now)
        if open_ >= MOST_OPEN:
            raise Throttled("queries-open", f"{MOST_OPEN} of your questions are under way. Wait for one, or cancel it.", 10)
        if kept >= MOST_KEPT:
            raise Throttled("queries-often", f"You have asked {MOST_KEPT} questions within an hour.", 600)
        asking = record_asking(runtime, connection, who, question, names)
        peers = {peer.name: peer.kind for peer in asking.peers}
        known = {"key": asking.key, "subject": who, "question": question.text, "peers": peers, "at": now, "until": until}
        row = PeerQueryRow(peer_queries.add(connection, **known), **known, cancelled=False)  # type: ignore[arg-type]
    note_access(runtime, caller, Action.DISCOVER, f"peers {question.text}", 201, len(peers), interaction=Interaction.SEARCH)
    return asking, row


def _run(runtime: Runtime, asking: Asking, query: int) -> None:
    def told(answer: PeerAnswer) -> None:
        with runtime.store.write(durable=False) as connection:
            peer_queries.answer(connection, query, answer.peer, msgspec.json.encode(answer).decode())

    def stopped() -> bool:
        with runtime.store.read() as connection:
            return not peer_queries.is_open(connection, query)

    try:
        ask_recorded(runtime, asking, told, stopped)
        with runtime.store.write(durable=False) as connection:
            peer_queries.end(connection, query, runtime.clock())
    except Exception:
        log.exception("asking failed", extra={"query": asking.key})  # who waits is told when its time is over
    finally:
        runtime.asking.release()


def look(runtime: Runtime, caller: Caller, key: str) -> Looked:
    """One's own question, and what has come so far. Raises Forbidden or NotFound."""
    looked = _look(runtime, caller, key)
    counted = sum(answer.state is not State.WAITING for answer in looked.answers)
    note_access(runtime, caller, Action.DISCOVER, f"peers/{key}", 200, counted)
    return looked


def _look(runtime: Runtime, caller: Caller, key: str) -> Looked:
    _check(caller)
    with runtime.store.read() as connection:
        row = peer_queries.find(connection, key, caller.subject.id)
        if row is None:
            raise NotFound("query-unknown", "There is no such question of yours; questions are kept for an hour.")
        kept = peer_queries.answers(connection, row.id)
    ended = len(kept) == len(row.peers) or runtime.clock() >= row.until
    return Looked(row, _answers(row, kept, ended=ended), ended)


def _answers(row: PeerQueryRow, kept: dict[str, str], *, ended: bool) -> tuple[PeerAnswer, ...]:
    def of(name: str, kind: str) -> PeerAnswer:
        if name in kept:
            return msgspec.json.decode(kept[name], type=PeerAnswer)
        return unanswered(name, kind, cancelled=row.cancelled) if ended else PeerAnswer(name, kind, State.WAITING)

    return tuple(of(name, kind) for name, kind in row.peers.items())


def follow(runtime: Runtime, caller: Caller, key: str) -> Iterator[tuple[PeerAnswer, ...] | Looked]:
    """The answers as they come, those together that came since the last; and when none comes any more, all of it."""
    looked, seen = look(runtime, caller, key), set[str]()
    while True:
        new = tuple(answer for answer in looked.answers if answer.state is not State.WAITING and answer.peer not in seen)
        if new:
            yield new
        seen |= {answer.peer for answer in new}
        if looked.ended:
            yield looked
            return
        time.sleep(LOOK_SECONDS)
        looked = _look(runtime, caller, key)


def cancel(runtime: Runtime, caller: Caller, key: str) -> None:
    """Wait for no more answers to one's own question: connections to peers are closed. Raises Forbidden or NotFound."""
    row = _look(runtime, caller, key).row
    with runtime.store.write() as connection:
        peer_queries.cancel(connection, row.id, runtime.clock())
    note_access(runtime, caller, Action.DISCOVER, f"peers/{key}", 204, 0)


def forget_old(runtime: Runtime) -> int:
    """Forget questions and answers of more than an hour ago; how many questions."""
    with runtime.store.write(durable=False) as connection:
        return peer_queries.forget(connection, runtime.clock() - KEPT)


def _check(caller: Caller) -> None:
    if rule := asking_refusal(caller.subject):
        raise Forbidden(rule, SENTENCES[rule])
