"""Reminding both sides, once each: of an agreement that ends soon, and of a document named at its signing that is due."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256

from sqlalchemy import Connection

from adapters.sql import notice
from consent.notice import NoticeKind
from server.usecases.declared import DueDocument, find_due
from server.usecases.notice import tell
from server.usecases.runtime import Runtime

WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Reminder:
    """What a provider and the operators are told; `about` names it, so that it is told once."""

    about: str
    provider: str
    title: str
    text: str
    effective: datetime | None


def remind(runtime: Runtime) -> int:
    """Tell both sides of what ends, or has ended, and that they were not told of yet; how many that was."""
    return sum(_tell_once(runtime, each) for each in (*_ending(runtime), *map(_of_document, find_due(runtime))))


def _ending(runtime: Runtime) -> Iterator[Reminder]:
    now = runtime.clock()
    before = now + timedelta(days=runtime.settings.notice_days)
    with runtime.store.read() as connection:
        ending = notice.ending_agreements(connection, now, before)
    for key, provider, version, ends in ending:
        title = f"Agreement {key} ends on {ends:%Y-%m-%d}"
        text = f"From then on nothing under {key}@{version} goes in or out. Agree on a new version to go on.\n"
        yield Reminder(f"{key}@{version}", provider, title, text, ends)


def _of_document(due: DueDocument) -> Reminder:
    """Once when it is due and once when it has expired; its name and owner are the provider's own, and in no notice."""
    one, expires = due.document, due.document.expires
    named = sha256(f"{one.kind}\n{one.name}\n{expires}".encode()).hexdigest()[:16]
    about = f"{due.agreement}@{due.version} {named} {'expired' if due.has_expired else 'due'}"
    text = f"{due.sentence}\nIts successor is named when a version of {due.agreement} is signed.\n"
    after = None if expires is None else datetime.combine(expires, time(), UTC) + timedelta(days=1)
    return Reminder(about, due.provider, due.title, text, after)


def _tell_once(runtime: Runtime, each: Reminder) -> bool:
    with runtime.store.read() as connection:
        if _is_told(connection, each):
            return False
    with runtime.governance_act() as connection:
        if _is_told(connection, each):  # by another worker, meanwhile
            return False
        to = [each.provider, None]
        said = (each.title, each.text, to)
        tell(runtime, connection, WORKER, NoticeKind.EXPIRY, *said, about=each.about, effective=each.effective)
    return True


def _is_told(connection: Connection, each: Reminder) -> bool:
    return notice.is_told(connection, NoticeKind.EXPIRY, each.about)
