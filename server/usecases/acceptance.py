"""A person or client accepts a version of a document: by its bytes, for its organisation, once and for ever."""

from hmac import compare_digest

from sqlalchemy import Connection

from adapters.sql import acceptance
from adapters.sql import party as parties
from adapters.sql import terms as versions
from adapters.sql.issue import read_issues
from adapters.sql.ledger import About, record
from consent.dataset import Facts
from consent.entries import TermsAccepted
from consent.person import Act, Actor
from consent.policy import stopped
from consent.subject import Subject
from consent.terms import TITLES, Acceptance, DocumentKind, cite
from mappings.failures import Conflict, Forbidden
from server.usecases.naming import require, require_act
from server.usecases.runtime import Runtime


def accept(runtime: Runtime, actor: Actor, kind: DocumentKind, version: str, sha256: str) -> Acceptance:
    """Accept what was read: `sha256` (hex) is that of its bytes. Accepted again, it stays as it was.

    Raises Forbidden for who acts for no organisation, Conflict where the bytes are not those that were published.
    """
    if actor.party is None:
        raise Forbidden("no-organisation", "Who accepts terms does so for an organisation; you act for none.")
    require_act(actor, Act.ACCEPT_TERMS, actor.party)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        terms = require(versions.find(connection, kind, version), "terms", version)
        if not compare_digest(terms.sha256, sha256.lower()):
            raise Conflict("terms-hash", "What you read is not this version as it was published. Read it again.", "sha256")
        key, party = versions.find_id(connection, version, kind), parties.find_id(connection, actor.party)
        named = {"terms": require(key, "terms", version), "party": require(party, "party", actor.party)}
        if acceptance.add(connection, now, **named, subject=actor.id, actor=actor.id):
            entry = TermsAccepted(terms=cite(kind, version), sha256=terms.sha256, subject=actor.id, party=actor.party)
            record(connection, entry, now, actor.id, About(named["party"]))
        return next(a for a in acceptance.read_of(connection, actor.id) if (a.kind, a.version) == (kind, version))


def list_accepted(runtime: Runtime, actor: Actor) -> tuple[Acceptance, ...]:
    """What the actor itself accepted, in order."""
    with runtime.store.read() as connection:
        return acceptance.read_of(connection, actor.id)


def to_accept(runtime: Runtime, connection: Connection, asker: Subject) -> list[str]:
    """Four lines for who is behind: what it lacks, which version to accept, where to read that, and how to accept it."""
    facts = runtime.governance.current(connection).facts
    version, base, contact = _wanted(runtime, connection, facts), runtime.settings.base_url, runtime.settings.contact
    accepted = ", ".join(sorted(asker.terms)) or "none"
    if version is None:
        return [f"You have not accepted the terms of use. None are published yet. Ask {contact}."]
    return [
        f"You have not accepted terms of use that data here is shared under. Accepted: {accepted}.",
        f"To accept: {TITLES[DocumentKind.GENERAL]} {version}.",
        f"Read it at {base}/terms/{version} and what changed at {base}/terms/{version}/changes.",
        f"Accept it signed in here, or tell {contact}, who keeps it for {asker.id}.",
    ]


def _wanted(runtime: Runtime, connection: Connection, facts: tuple[Facts, ...]) -> str | None:
    """The newest version that opens anything; where nothing is open, the newest."""
    now, issues = runtime.clock(), read_issues(connection)
    open_to = {version for each in facts if not stopped(each, now) for version in each.covered_by}
    wanted = [each.version for each in issues if not open_to or each.version in open_to]
    return wanted[-1] if wanted else None
