"""The oracle: the same question to the whole store and to one that holds only what the caller may see; and whether they agree."""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from werkzeug.test import TestResponse

from adapters.export_files import chunks
from adapters.sql import exports
from adapters.sql import tables as t
from adapters.sql.store import stamp
from server.usecases import export
from server.worker.jobs import KINDS, work_off
from tests.differential.world import Sight
from tests.house import House

EXEMPT = {
    "cursor": "it is sealed, and binds a row's number that differs; each store's own is followed instead",
    "entry": "a Provenance's id, leaf and place in the tree, and its ETag of these: the ledger is one for all, and public",
    "event": "an AuditEvent's id, the ids that an event of AuditEvents names, and its ETag of these: the record is one for all",
    "request": "X-Request-Id and the moment of the answer are each request's own",
    "stopped": "410 where the second store says 404: who might see something but for its stop is told of that",
    "listed": "403 where the second store says 404: who may discover a dataset is told why its objects are not for him",
}
"""What may differ, and why. Nothing else does."""
HEADERS = (
    "Content-Type",
    "Warning",
    "ETag",
    "Last-Modified",
    "Content-Location",
    "WWW-Authenticate",
    "Allow",
    "Vary",
    "Location",
)
_OWN = re.compile(r"(_cursor=|urn:accord:request:)[^&\"]+")
"""What each answer has of its own, wherever it stands."""
BY_NUMBER = ("Provenance", "AuditEvent")
"""Types whose ids are numbers of their store's rows."""
_NUMBERED = re.compile(r"(_id(?::not)?=|(?:Provenance|AuditEvent)(?:/|%2F))[^&,]*")


@dataclass(frozen=True)
class Question:
    """One request; `dataset` holds the object that it names, `entry` is the ledger entry, whose id is another in each store."""

    path: str
    method: str = "GET"
    more: dict[str, Any] = field(default_factory=dict, hash=False)
    dataset: str = ""
    entry: str = ""


@dataclass(frozen=True)
class Answer:
    """What can be told apart of an answer: status, headers and body, without what is exempt."""

    status: int
    headers: dict[str, str]
    body: object
    following: str = field(compare=False)


@dataclass
class View:
    """One caller's view of the whole store beside the store that is nothing but that view."""

    whole: House
    alone: House
    sight: Sight
    proof: dict[str, str] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    asked: int = 0

    def differences(self, questions: Iterator[Question]) -> Iterator[tuple[Question, Answer, Answer]]:
        """The questions that the two stores answer differently, page by page, with both answers."""
        who = self.sight.who
        bearer = f"Bearer {self.whole.token(who)}" if who.client else who.header  # one token, which both stores believe
        self.proof = {"Authorization": bearer} if bearer else {}
        self._match()
        for question in questions:
            while question.path:
                mine, theirs = self._ask(question)
                if not self._agree(question, mine, theirs):
                    yield question, mine, theirs
                    break
                question = Question(mine.following, entry=theirs.following)  # noqa: PLW2901 - its next page
        if who.client:
            exported = Question("/fhir/R4/$export", more={"headers": {"Prefer": "respond-async"}})
            mine, theirs = self._exported(self.whole, exported), self._exported(self.alone, exported)
            if mine != theirs:
                yield exported, mine, theirs

    def _ask(self, question: Question) -> tuple[Answer, Answer]:
        self.asked += 1
        other = self._other(question)
        return self._answer(self.whole, question, question.path), self._answer(self.alone, question, other)

    def _answer(self, house: House, question: Question, path: str) -> Answer:
        return _told(f"{path}{question.more}", self._send(house, path, question.method, **question.more))

    def _exported(self, house: House, question: Question) -> Answer:
        """What an export of everything comes to, by type; read from the disk, since to be given it is a use."""
        self.asked += 1
        begun = self._send(house, question.path, **question.more)
        work_off(house.runtime, export.KIND, KINDS[export.KIND], Event())
        key, lines = begun.headers.get("Content-Location", "").rpartition("/")[2], dict[str, list[object]]()
        with house.runtime.store.read() as connection:
            row = exports.find(connection, key)
            files = exports.files(connection, row) if row else []
        for file in files:
            with export.files_of(house.runtime).open(key, file.number) as source:
                whole = b"".join(chunks(source, unpacked=True)).splitlines()
            lines.setdefault(file.type, []).extend(_without_number(json.loads(line)) for line in whole)
        return Answer(begun.status_code, {}, lines or begun.get_json(silent=True), "")

    def _send(self, house: House, path: str, method: str = "GET", **more: Any) -> TestResponse:
        if "AuditEvent" in f"{path}{more}":
            _forget(house)
        headers = self.proof | more.pop("headers", {})
        return house.ask(method, path, replace(self.sight.who, client=None, header=None), headers=headers, **more)

    def _other(self, question: Question) -> str:
        """The path as the second store knows it: by its own cursor, its own entry or event, or a number that nothing has."""
        if question.entry.startswith("/"):
            return question.entry
        kind = question.entry.partition("/")[0]
        return question.path.removesuffix(question.entry) + self.entries.get(question.entry, f"{kind}/999999" * bool(kind))

    def _agree(self, question: Question, mine: Answer, theirs: Answer) -> bool:
        listed = question.dataset in self.sight.discovered - self.sight.queried
        stopped = any(name in f"{question.path} {question.dataset}" for name in self.sight.told)
        exempt = {(403, 404): listed, (410, 404): stopped}
        return mine == theirs or exempt.get((mine.status, theirs.status), False)

    def _match(self) -> None:
        """Which entry and event of one store is which of the other: both list the same, in the same order."""
        for kind in BY_NUMBER:
            listed = [self._send(house, f"/fhir/R4/{kind}?_count=1000").json for house in (self.whole, self.alone)]
            ids = [[f"{kind}/{entry['resource']['id']}" for entry in bundle.get("entry", ())] for bundle in listed]
            self.entries |= dict(zip(*ids, strict=False))


def _forget(house: House) -> None:
    """What is asked is in no script: of the record, leave what was played, or pages of one event would never end."""
    house.runtime.accesses.flush()
    asked = select(t.access.c.id).where(t.access.c.at >= stamp(house.runtime.clock()))
    with house.runtime.store.write() as connection:
        connection.execute(delete(t.access_seen).where(t.access_seen.c.access.in_(asked)))
        connection.execute(delete(t.access).where(t.access.c.id.in_(asked)))


def _told(asked: str, response: TestResponse) -> Answer:
    body = _body(response)
    links = body.get("link", ()) if isinstance(body, dict) else ()
    following = [urlsplit(link["url"]) for link in links if isinstance(link, dict) and link.get("relation") == "next"]
    headers = {name: value for name, value in response.headers.items() if name in HEADERS}
    if any(kind in asked for kind in BY_NUMBER):
        headers.pop("ETag", None)
        body = _without_number(body)
    return Answer(
        response.status_code, headers, _without_own(body), f"{following[0].path}?{following[0].query}" if following else ""
    )


def _body(response: TestResponse) -> Any:
    try:
        return json.loads(response.data)
    except ValueError:
        return response.data


def _without_own(body: object) -> object:
    return _mapped(body, lambda value: _OWN.sub(r"\1…", value) if isinstance(value, str) else value)


def _without_number(body: object) -> object:
    """A Provenance or AuditEvent, or a Bundle of them, without ids, leaf and index; a self link names what it was asked for."""

    def told(value: object) -> object:
        if not isinstance(value, dict):
            return _NUMBERED.sub(r"\1…", value) if isinstance(value, str) else value
        left = {k: v for k, v in value.items() if k not in ("fullUrl", "extension")}
        if left.get("resourceType") in BY_NUMBER:
            entities = [e for e in left.get("entity", ()) if e.get("what", {}).get("display") != "Ledger leaf"]
            left |= {"id": "…", "entity": [_without_request(e) for e in entities]}
        return left

    return _mapped(body, told)


def _without_request(entity: dict[str, Any]) -> dict[str, Any]:
    """An entity of an event without a request's id, and a question without its cursor and number."""
    if "query" in entity:
        return entity | {"query": _OWN.sub(r"\1…", _NUMBERED.sub(r"\1…", b64decode(entity["query"]).decode()))}
    return {"type": entity["type"]} if "XrequestId" in str(entity.get("type")) else entity


def _mapped(value: object, change: Callable[[object], object]) -> object:
    changed = change(value)
    if isinstance(changed, dict):
        return {k: _mapped(v, change) for k, v in changed.items()}
    return [_mapped(v, change) for v in changed] if isinstance(changed, list) else changed
