"""Notices: put into the outbox in the transaction that causes them, mailed by jobs, read and acknowledged by whom they tell."""

import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from adapters import mail
from adapters.mail import MailFolder, MailServer
from adapters.sql import announcement, jobs, notice
from adapters.sql import party as parties
from adapters.sql import person as people
from adapters.sql.ledger import About, record
from adapters.sql.notice import Addressee
from consent.announcement import Announcement, wrong
from consent.entries import NoticeMoved
from consent.notice import DeliveryState, NoticeDelivery, NoticeKind, is_mine
from consent.person import PERSON, Act, Actor, may, person_id
from mappings.failures import Conflict, Invalid, NotFound, Unavailable
from server.usecases.job import Work
from server.usecases.naming import require, require_act
from server.usecases.runtime import Runtime

KIND = "mail"
ATTEMPTS = 20
"""Over some ten hours: what can't be sent by then is read here."""
MOST_TITLE, MOST_TEXT, MOST = 200, 10_000, 200
MOST_PARTIES = 1000


def announce(
    runtime: Runtime,
    actor: Actor,
    kind: str,
    title: str,
    text: str,
    party: str | None,
    effective: datetime | None = None,
    *,
    address: str | None = None,
    until: datetime | None = None,
) -> str:
    """Tell one party, or (None) every one, of a change or discontinuity; the notice's key.

    What is announced of an `address` goes to everybody, and its answers say so until then; a change takes it back.
    """
    require_act(actor, Act.ANNOUNCE)
    if kind not in (NoticeKind.CHANGE, NoticeKind.DISCONTINUITY):
        raise Invalid("kind", f"What is announced is a {NoticeKind.CHANGE} or a {NoticeKind.DISCONTINUITY}.", "kind")
    now = runtime.clock()
    if kind == NoticeKind.DISCONTINUITY and (effective is None or effective <= now):
        raise Invalid("effective", "A discontinuity is announced before it is effective: say from when on.", "effective")
    announced = _announced(NoticeKind(kind), party, Announcement(address or "", now, effective, until))
    with runtime.governance_act() as connection:
        known = [each.key for each in parties.read_all(connection)]
        named = known[:MOST_PARTIES] if party is None else [require(party if party in known else None, "party", party)]
        key = tell(runtime, connection, actor.id, NoticeKind(kind), title, text, named, effective=effective)
        if announced is not None:
            announcement.add(connection, key, announced)
        return key


def _announced(kind: NoticeKind, party: str | None, announced: Announcement) -> Announcement | None:
    """What the answers of an address are to say; None where it is of none. Raises Invalid."""
    if not announced.address and announced.until is None:
        return None
    why = wrong(announced, kind) if party is None else "What is announced of an address goes to every organisation."
    if why:
        raise Invalid("address", why, "address")
    return announced


def tell(
    runtime: Runtime,
    connection: Connection,
    actor: str,
    kind: NoticeKind,
    title: str,
    text: str,
    to: Iterable[str | None],
    *,
    about: str = "",
    effective: datetime | None = None,
) -> str:
    """Put a notice to these parties (None: the operators) into the outbox of the caller's transaction, and record it; its key."""
    named = list(to)
    key, deliveries = _put(runtime, connection, kind, title, text, named, about, effective)
    only = named[0] if len(named) == 1 else None
    entry = NoticeMoved(verb="send", notice=key, notice_kind=str(kind), party=only, deliveries=deliveries)
    record(connection, entry, runtime.clock(), actor, About())
    return key


def _put(
    runtime: Runtime,
    connection: Connection,
    kind: NoticeKind,
    title: str,
    text: str,
    to: Iterable[str | None],
    about: str,
    effective: datetime | None = None,
) -> tuple[str, int]:
    """(key of a notice that is in the outbox now, its deliveries). Raises Invalid for what is long."""
    if not title.isprintable() or not 0 < len(title) <= MOST_TITLE or len(text) > MOST_TEXT:
        raise Invalid("notice", f"A notice has a title of {MOST_TITLE} characters in one line, and {MOST_TEXT} of text.", "title")
    key = secrets.token_hex(16)
    addressees = [each for party in to for each in _addressees(runtime, connection, party)]
    waiting = notice.add(connection, key, kind, title, text, about or key, runtime.clock(), addressees, effective=effective)
    _mail(runtime, connection, waiting)
    return key, len(addressees)


def tell_operators(runtime: Runtime, connection: Connection, kind: NoticeKind, title: str, text: str, about: str) -> None:
    """Put a notice to every operator into the outbox; the act that it tells of is recorded by itself."""
    _put(runtime, connection, kind, title, text, [None], about)


def send_secret(runtime: Runtime, connection: Connection, person: str, title: str, secret: str) -> None:
    """Put what only one person may read into the outbox: it is in no listing, and forgotten once it was sent.

    Raises Unavailable where nothing is mailed, Conflict for a person (by its id in the record) who has no address here.
    """
    server_of(runtime)
    known = people.find(connection, person.removeprefix(PERSON))
    if known is None or not mail.is_address(known.email):
        raise Conflict("no-address", "There is no e-mail address of yours here to send this to. Ask an operator to add it.")
    key, to = secrets.token_hex(16), [Addressee(None, person, known.email)]
    waiting = notice.add(connection, key, NoticeKind.SECRET, title, "", key, runtime.clock(), to, secret=secret)
    _mail(runtime, connection, waiting)


def _addressees(runtime: Runtime, connection: Connection, party: str | None) -> Iterator[Addressee]:
    """The party, where it is read here; and each of its people that has an address, by mail."""
    yield Addressee(party)
    if not (runtime.settings.mail_folder or runtime.settings.mail_host):
        return
    known = people.addresses(connection, party)
    if party is None and not known and mail.is_address(runtime.settings.contact):
        yield Addressee(None, None, runtime.settings.contact)
    yield from (Addressee(party, person_id(key), address) for key, address in known if mail.is_address(address))


def _mail(runtime: Runtime, connection: Connection, waiting: Iterable[int]) -> None:
    for delivery in waiting:
        jobs.enqueue(connection, KIND, str(delivery), runtime.clock())


# --- mailing


def server_of(runtime: Runtime) -> MailServer | MailFolder:
    """What takes mail, as it is configured. Raises Unavailable where nothing does."""
    s = runtime.settings
    sender = s.mail_sender or s.contact
    if s.mail_folder:
        return MailFolder(Path(s.mail_folder), sender)
    if not s.mail_host:
        raise Unavailable("no-mail", "This repository mails nothing: ACCORD_MAIL_HOST is not set.")
    return MailServer(s.mail_host, s.mail_port, s.mail_tls, sender, s.mail_user, s.mail_secret)


def deliver(runtime: Runtime, work: Work) -> str:
    """Mail one delivery. Raises Unavailable where the server does not take it, until it has been tried often enough."""
    with runtime.store.read() as connection:
        out = notice.find_outgoing(connection, int(work.subject))
    if out is None:
        return "Nothing waits."
    try:
        mail.send(server_of(runtime), out.address, out.title, f"{out.text}\n{out.secret or ''}".strip() + "\n")
    except (Invalid, Unavailable) as why:
        if isinstance(why, Unavailable) and work.job.attempts < ATTEMPTS:
            raise
        _end(runtime, out.id, DeliveryState.FAILED)
        return "It could not be mailed, and is read here."
    _end(runtime, out.id, DeliveryState.SENT)
    return "Mailed."


def _end(runtime: Runtime, delivery: int, state: DeliveryState) -> None:
    with runtime.store.write() as connection:
        notice.end(connection, delivery, state, runtime.clock())


def try_mail(runtime: Runtime, address: str) -> None:
    """Send a word to an address now, for an operator who sets mail up. Raises Invalid, Unavailable."""
    mail.send(server_of(runtime), address, f"{runtime.settings.repository}: mail works", "This was sent to try the settings.\n")


# --- reading


def list_notices(runtime: Runtime, actor: Actor) -> list[NoticeDelivery]:
    """The newest notices to the actor's party, or to the operators."""
    if actor.party is None:
        require_act(actor, Act.ANNOUNCE)
    with runtime.store.read() as connection:
        return notice.read_all(connection, actor.party, actor.id, MOST)


def all_notices(runtime: Runtime) -> list[NoticeDelivery]:
    """The newest to anybody, for whoever owns the data directory; never a secret."""
    with runtime.store.read() as connection:
        return notice.read_all(connection, None, "", MOST, every=True)


def acknowledge(runtime: Runtime, actor: Actor, delivery: int) -> None:
    """Say that one's party has read a notice. Raises NotFound for another's, Conflict where that was said before."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        found = notice.find(connection, delivery)
        mine = found is not None and is_mine(found, actor.id, actor.party)
        if found is None or not mine or (actor.party is None and not may(actor, Act.ANNOUNCE)):
            raise NotFound("notice-unknown", "There is no such notice, or none for you.", "notice")
        if not notice.acknowledge(connection, delivery, actor.id, now):
            raise Conflict("notice-acknowledged", "This was acknowledged already.", "notice")
        kind = str(found.kind)
        entry = NoticeMoved(verb="acknowledge", notice=found.notice, notice_kind=kind, party=found.party, deliveries=1)
        record(connection, entry, now, actor.id, About())
