"""The acts that two persons decide on, each as it is done in the transaction of who confirms it.

A further one is a row here: the act of the table of roles, what its arguments are called, and what does it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from adapters.sql import jobs
from consent.person import Act, Actor
from consent.terms import DocumentKind
from mappings.failures import Invalid
from server.usecases import purge, release, rotate_keys
from server.usecases.naming import check_words
from server.usecases.party import admit_within, make_beneficiary_within
from server.usecases.runtime import Runtime
from server.usecases.terms import MOST_SUMMARY, MOST_TEXT, Draft, publish_within

Arguments = Mapping[str, str]
Run = Callable[[Runtime, Connection, Actor, Arguments, str], str]
"""Does it, for a reason, in the caller's transaction, and says what was done; raises what it can't be."""


@dataclass(frozen=True, slots=True)
class Proposable:
    """An act: who may propose and confirm it, what does it, and its arguments: name → characters it has at most.

    Each has one at least; the `optional` ones may be left out.
    """

    act: Act
    run: Run
    arguments: Mapping[str, int]
    optional: frozenset[str] = frozenset()


def _purge(runtime: Runtime, connection: Connection, actor: Actor, arguments: Arguments, reason: str) -> str:
    return f"{purge.hasten(runtime, connection, actor.id, arguments['study'], reason)} objects go now"


def _release(runtime: Runtime, connection: Connection, actor: Actor, arguments: Arguments, _reason: str) -> str:
    """Nodes are met by a job: none is while a transaction is open."""
    release.read_waiting(runtime, arguments["batch"])
    jobs.enqueue(connection, release.KIND, f"{arguments['batch']} {actor.id}"[:128], runtime.clock())
    return f"batch {arguments['batch']} is being released"


def _rotate(runtime: Runtime, connection: Connection, actor: Actor, _arguments: Arguments, _reason: str) -> str:
    return f"{rotate_keys.rotate(runtime, connection, actor.id)} signs from now on"


def _publish(runtime: Runtime, connection: Connection, actor: Actor, arguments: Arguments, _reason: str) -> str:
    terms = publish_within(runtime, connection, actor, _draft(arguments))
    return f"{terms.kind} {terms.version} sha256:{terms.sha256}"


def _admit(runtime: Runtime, connection: Connection, actor: Actor, arguments: Arguments, _reason: str) -> str:
    admit_within(runtime, connection, actor, arguments["party"])
    return f"{arguments['party']}: admitted"


def _make_beneficiary(runtime: Runtime, connection: Connection, actor: Actor, arguments: Arguments, _reason: str) -> str:
    make_beneficiary_within(runtime, connection, actor, arguments["party"])
    return f"{arguments['party']}: beneficiary"


_DOCUMENT = {
    "kind": 32,
    "version": 32,
    "text": MOST_TEXT,
    "summary": MOST_SUMMARY,
    "effective": 40,
    "renewal": 3,
    "contains": 4_000,
}
"""Of a document: `effective` is an RFC 3339 moment, `renewal` is yes where it is needed, `contains` versions by blanks."""


def publishing(draft: Draft) -> dict[str, str]:
    """A draft as the arguments of `publish`. Raises Invalid for a text that is not UTF-8: a second person has to read it."""
    try:
        text = draft.text.decode()
    except UnicodeDecodeError:
        raise Invalid("document-text", "A document is text in UTF-8.", "text") from None
    effective = "" if draft.effective_at is None else draft.effective_at.isoformat()
    renewal, contains = "yes" if draft.needs_renewal else "", " ".join(draft.contains)
    said = {"kind": str(draft.kind), "version": draft.version, "text": text, "summary": draft.summary}
    said |= {"effective": effective, "renewal": renewal, "contains": contains}
    return {name: value for name, value in said.items() if value}


def _draft(arguments: Arguments) -> Draft:
    check_words([arguments["kind"]], [*map(str, DocumentKind)], "kind")
    check_words([arguments.get("renewal", "no")], ["yes", "no"], "renewal")
    return Draft(
        version=arguments["version"],
        text=arguments["text"].encode(),
        kind=DocumentKind(arguments["kind"]),
        summary=arguments.get("summary", ""),
        effective_at=_moment(arguments["effective"]) if "effective" in arguments else None,
        needs_renewal=arguments.get("renewal") == "yes",
        contains=arguments.get("contains", "").split(),
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - refused below
    if moment.tzinfo is None:
        raise Invalid("effective", "A moment is written as 2027-03-01T00:00:00+00:00.", "effective")
    return moment


PROPOSABLE: Mapping[str, Proposable] = {
    "purge": Proposable(Act.PURGE, _purge, {"study": 64}),
    "release": Proposable(Act.RELEASE, _release, {"batch": 32}),
    "rotate-keys": Proposable(Act.ROTATE_KEYS, _rotate, {}),
    "publish": Proposable(Act.PUBLISH, _publish, _DOCUMENT, frozenset(_DOCUMENT) - {"kind", "version", "text"}),
    "admit-external": Proposable(Act.ADMIT_EXTERNAL, _admit, {"party": 64}),
    "make-beneficiary": Proposable(Act.ADMIT_EXTERNAL, _make_beneficiary, {"party": 64}),
}
"""Name → the act."""
