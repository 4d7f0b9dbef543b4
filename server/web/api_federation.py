"""Questions to other repositories over HTTP: asked, looked at or followed as answers come, and cancelled."""

from collections.abc import Iterator

import msgspec
from flask import Response

from consent.conditions import Action
from mappings.api.federation import QueryAsked, QueryTold, answers_told, peer_told
from mappings.negotiation import by_name, choose
from mappings.peers.question import read_question
from server.usecases import peer_query
from server.usecases.peer_query import Looked
from server.web.api import Api
from server.web.bulkheads import Bulkhead
from server.web.context import caller, headers, respond, runtime, staying

QUERIES = "/api/federation/queries"
EVENTS, JSON = "text/event-stream", "application/json"


def door() -> Api:
    """The routes of questions."""
    routes, one, scope = Api("peers"), f"{QUERIES}/<key>", "ImagingStudy.s"
    routes.row("POST", QUERIES, QueryTold, scope=scope, action=Action.DISCOVER, body=QueryAsked, status=201)(begin)
    routes.row("GET", one, QueryTold, scope=scope, bulkhead=Bulkhead.STREAM)(look)
    routes.row("DELETE", one, None, scope=scope, action=Action.DISCOVER, status=204)(cancel)
    return routes


def begin(asked: QueryAsked) -> QueryTold:
    """Ask other repositories how much they have; the answers are read at the question's own URL, by its `query`."""
    words = {name: value for name in asked.__struct_fields__ if (value := getattr(asked, name)) and name != "peers"}
    return _told(peer_query.begin(runtime(), caller(), read_question(**words), asked.peers))


def look(key: str) -> QueryTold | Response:
    """Tell what has come so far; as text/event-stream, each answer when it comes (`answer`), and at the end all (`end`)."""
    accept = headers().get("Accept", "*/*")
    if choose(accept, by_name(JSON, EVENTS), f"Answers come as {JSON} or {EVENTS}.") == JSON:
        return _told(peer_query.look(runtime(), caller(), key))
    with staying() as leave:
        response = respond(_events(peer_query.follow(runtime(), caller(), key)), media_type=EVENTS)
        response.call_on_close(leave)
        return response


def _events(followed: Iterator[object]) -> Iterator[bytes]:
    """Server-sent events (HTML, 9.2)."""
    for each in followed:
        if isinstance(each, Looked):
            yield _event("end", _told(each))
        else:
            yield from (_event("answer", peer_told(answer)) for answer in each)  # type: ignore[attr-defined]


def _event(name: str, told: msgspec.Struct) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(told))


def cancel(key: str) -> None:
    """Wait for no more answers."""
    peer_query.cancel(runtime(), caller(), key)


def _told(looked: Looked) -> QueryTold:
    row = looked.row
    peers, datasets, least = answers_told(looked.answers)
    known = {"query": row.key, "at": row.at, "question": row.question, "ended": looked.ended, "cancelled": row.cancelled}
    return QueryTold(**known, peers=peers, datasets=datasets, at_least=least)  # type: ignore[arg-type]
