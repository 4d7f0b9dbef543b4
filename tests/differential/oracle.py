"""The oracle: the same question to the whole store and to one that holds only what the caller may see; and whether they agree."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import TestResponse

from adapters.export_files import chunks
from adapters.sql import exports
from server.usecases import export
from server.worker.jobs import KINDS, work_off
from tests.differential.world import Sight
from tests.house import House

EXEMPT = {
    "cursor": "it is sealed, and binds a row's number that differs; each store's own is followed instead",
    "entry": "a Provenance's id, leaf and place in the tree, and its ETag of these: the ledger is one for all, and public",
    "request": "X-Request-Id and the moment of the answer are each request's own",
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
        self._match_entries()
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
        return _told(path, self._send(house, path, question.method, **question.more))

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
            lines.setdefault(file.type, []).extend(_without_entry(json.loads(line)) for line in whole)
        return Answer(begun.status_code, {}, lines or begun.get_json(silent=True), "")

    def _send(self, house: House, path: str, method: str = "GET", **more: Any) -> TestResponse:
        headers = self.proof | more.pop("headers", {})
        return house.ask(method, path, replace(self.sight.who, client=None, header=None), headers=headers, **more)

    def _other(self, question: Question) -> str:
        """The path as the second store knows it: by its own cursor, its own entry, or a number that nothing has."""
        if question.entry.startswith("/"):
            return question.entry
        return question.path.removesuffix(question.entry) + self.entries.get(question.entry, "999999" * bool(question.entry))

    def _agree(self, question: Question, mine: Answer, theirs: Answer) -> bool:
        listed = question.dataset in self.sight.discovered - self.sight.queried
        return mine == theirs or ((mine.status, theirs.status) == (403, 404) and listed)

    def _match_entries(self) -> None:
        """Which entry of one store is which of the other: both list the same, in the same order."""
        listed = [self._send(house, "/fhir/R4/Provenance?_count=1000").json for house in (self.whole, self.alone)]
        ids = [[entry["resource"]["id"] for entry in bundle.get("entry", ())] for bundle in listed]
        self.entries = dict(zip(*ids, strict=False))


def _told(path: str, response: TestResponse) -> Answer:
    body = _body(response)
    links = body.get("link", ()) if isinstance(body, dict) else ()
    following = [urlsplit(link["url"]) for link in links if isinstance(link, dict) and link.get("relation") == "next"]
    headers = {name: value for name, value in response.headers.items() if name in HEADERS}
    if "Provenance" in path:
        headers.pop("ETag", None)
        body = _without_entry(body)
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


def _without_entry(body: object) -> object:
    """A Provenance, or a Bundle of them, without ids, leaf and index; a self link names an entry it was asked for."""

    def told(value: object) -> object:
        if not isinstance(value, dict):
            return re.sub(r"(_id(:not)?=)[^&]*", r"\1…", value) if isinstance(value, str) else value
        left = {k: v for k, v in value.items() if k not in ("fullUrl", "extension")}
        if left.get("resourceType") == "Provenance":
            entities = [e for e in left.get("entity", ()) if e["what"].get("display") != "Ledger leaf"]
            left |= {"id": "…", "entity": entities}
        return left

    return _mapped(body, told)


def _mapped(value: object, change: Callable[[object], object]) -> object:
    changed = change(value)
    if isinstance(changed, dict):
        return {k: _mapped(v, change) for k, v in changed.items()}
    return [_mapped(v, change) for v in changed] if isinstance(changed, list) else changed
