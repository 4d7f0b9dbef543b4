"""Asks other repositories how much they have of something: the record of the question first, then all of them at once.

A peer is asked as this repository, never as its user, and makes its own counts safe. No answer is recorded.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection

from adapters.peers import Call, Outcome, ask_all
from adapters.sql import peer as peers
from adapters.sql.ledger import About, record
from adapters.sql.peer import PeerRow
from consent.entries import PeersAsked
from mappings.failures import Conflict
from mappings.peers.answer import PeerAnswer, State
from mappings.peers.exchange import Sent, compiled, read_answer
from mappings.peers.question import Question
from server.usecases.naming import require
from server.usecases.runtime import Runtime

log = logging.getLogger("accord.peers")
Told = Callable[[PeerAnswer], object]
CANCELLED = "The question was cancelled before it answered."


@dataclass(frozen=True, slots=True)
class Asking:
    """A question that is recorded, and so may go out: what it is called, and to whom it goes."""

    key: str
    question: Question
    peers: tuple[PeerRow, ...]


def record_asking(runtime: Runtime, connection: Connection, actor: str, question: Question, names: Sequence[str] = ()) -> Asking:
    """Record in this transaction that a question goes to these peers; to all where none is named.

    Raises NotFound, and Conflict where there is none to ask.
    """
    known = {row.name: row for row in peers.read_all(connection)}
    chosen = tuple(require(known.get(name), "peer", name) for name in dict.fromkeys(names or known))
    if not chosen:
        raise Conflict("no-peers", "There is no peer to ask. The operator adds one: accord admin peer add.")
    key, text = secrets.token_hex(16), question.text
    asked = PeersAsked(query=key, sha256=sha256(text.encode()).hexdigest(), question=text, peers=tuple(p.name for p in chosen))
    record(connection, asked, runtime.clock(), actor, About())
    return Asking(key, question, chosen)


def ask(runtime: Runtime, actor: str, question: Question, names: Sequence[str], told: Told) -> tuple[PeerRow, ...]:
    """Ask and wait; each answer is told when it comes. Returns who was asked. Raises NotFound, or Conflict without peers."""
    with runtime.store.write() as connection:
        asking = record_asking(runtime, connection, actor, question, names)
    ask_recorded(runtime, asking, told)
    return asking.peers


def ask_recorded(runtime: Runtime, asking: Asking, told: Told, stopped: Callable[[], bool] = lambda: False) -> None:
    """Ask what was recorded; each answer is told once, in no order. Once `stopped`, nothing more is told."""
    made = {row.name: compiled(row.name, row.kind, row.url, asking.question.where, asking.key) for row in asking.peers}
    for answer in made.values():
        if isinstance(answer, PeerAnswer):
            told(answer)
    sent = {name: request for name, request in made.items() if isinstance(request, Sent)}
    rows = {row.name: row for row in asking.peers if row.name in sent}

    def came(name: str, outcome: Outcome) -> None:
        told(_answer(rows[name], sent[name], outcome))

    ask_all([_call(rows[name], request) for name, request in sent.items()], runtime.settings.peer_seconds, came, stopped)


def _call(row: PeerRow, sent: Sent) -> Call:
    return Call(row.name, sent.method, sent.url, sent.headers, sent.body, row.secret_file, row.client_file, sent.probe)


def _answer(row: PeerRow, sent: Sent, outcome: Outcome) -> PeerAnswer:
    if outcome.status:
        answer = read_answer(row.name, row.kind, sent, outcome.status, outcome.body, outcome.seconds, outcome.probed)
    else:
        answer = PeerAnswer(row.name, row.kind, State.NO_ANSWER, outcome.seconds, said=outcome.said)
    log.info("peer asked", extra={"peer": row.name, "state": str(answer.state), "seconds": answer.seconds, "said": answer.said})
    return answer


def unanswered(name: str, kind: str, *, cancelled: bool) -> PeerAnswer:
    """What is told of a peer of which nothing came, when nothing more comes."""
    return PeerAnswer(name, kind, State.NO_ANSWER, said=CANCELLED if cancelled else "It did not answer in time.")
