"""The documents of use: published once and for ever, after showing whom that affects, and read by anybody."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from adapters.sql import acceptance, renewal
from adapters.sql import client as clients
from adapters.sql import party as parties
from adapters.sql import person as people
from adapters.sql import terms as versions
from adapters.sql.issue import read_issues
from adapters.sql.ledger import About, record
from adapters.sql.renewal import Pinned
from consent.conditions import Action
from consent.dataset import Facts
from consent.entries import TermsPublished
from consent.notice import NoticeKind
from consent.person import Act, Actor, PersonRole, person_id
from consent.policy import decide
from consent.subject import Role, Subject
from consent.terms import TITLES, DocumentKind, Issue, Terms, changes, cite, in_force, is_version, order, terms_hash
from mappings.failures import Conflict, Invalid, NotFound, TooLarge
from server.usecases.identify import person_subject, subject
from server.usecases.naming import check_text, require, require_act
from server.usecases.notice import tell
from server.usecases.runtime import Runtime
from server.usecases.second_person import require_only_operator

MOST_TEXT, MOST_SUMMARY = 256 << 10, 4_000
"""Bytes of a document, and of its summary."""
MOST_TOLD = 8_000
"""Characters of what a notice says of a version."""
_USES = (Action.QUERY, Action.PREVIEW, Action.VIEW, Action.PROCESS, Action.EXPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A version to be published; `effective_at` None: at once. `contains`: earlier versions that who accepts it has accepted."""

    version: str
    text: bytes
    kind: DocumentKind = DocumentKind.GENERAL
    summary: str = ""
    effective_at: datetime | None = None
    needs_renewal: bool = False
    contains: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """Whom a version affects: the providers that are asked, the users of what these share, and those of them who lose access.

    Who loses it is external, and does from `effective_at` until the provider accepts.
    """

    effective_at: datetime
    providers: tuple[str, ...]
    users: tuple[str, ...]
    losing: tuple[str, ...]


def publish_terms(runtime: Runtime, actor: str, version: str, text: bytes) -> str:
    """Publish a version of the general terms by the command line's operator, as `general` makes it; returns its SHA-256."""
    operator = Actor(actor, None, frozenset({PersonRole.OPERATOR}), is_local=True)
    return publish(runtime, operator, general(runtime, version, text)).sha256


def general(runtime: Runtime, version: str, text: bytes) -> Draft:
    """A version of the general terms that needs no renewal, in effect at once.

    It contains the earlier ones of its MAJOR: a greater MAJOR needs a new yes of users.
    """
    major = version.partition(".")[0]
    contains = [each.version for each in list_terms(runtime) if each.version.partition(".")[0] == major]
    return Draft(version=version, text=text, contains=contains)


def foresee(runtime: Runtime, actor: Actor, draft: Draft) -> Effect:
    """Whom publishing this would affect; nothing is published. Raises what publishing would raise."""
    require_act(actor, Act.PUBLISH)
    with runtime.store.read() as connection:
        return _effect(runtime, connection, _checked(runtime, connection, draft))


def publish(runtime: Runtime, actor: Actor, draft: Draft) -> Terms:
    """Publish a version of a document, by the only operator there is. Raises Forbidden where two persons decide on that."""
    with runtime.governance_act() as connection:
        require_only_operator(connection, actor.id)
        return publish_within(runtime, connection, actor, draft)


def publish_within(runtime: Runtime, connection: Connection, actor: Actor, draft: Draft) -> Terms:
    """Publish a version of a document, immutable; where it needs renewal, each provider under an earlier one is asked.

    Every party is told, and the providers what they are asked.
    """
    require_act(actor, Act.PUBLISH)
    terms = _checked(runtime, connection, draft)
    key, issue = versions.add(connection, terms), terms.issue
    pinned = renewal.read_pinned(connection, key) if issue.needs_renewal else ()
    asked = {each.party: each.provider for each in pinned}
    for party in sorted(asked):
        renewal.ask(connection, terms.published, terms=key, party=party)
    said = {"effective_at": issue.effective_at, "renewal": issue.needs_renewal, "contains": issue.contains}
    entry = TermsPublished(terms=cite(terms.kind, terms.version), sha256=terms.sha256, **said, asked=len(asked))  # type: ignore[arg-type]
    record(connection, entry, terms.published, actor.id, About())
    _tell(runtime, connection, actor, terms, set(asked.values()))
    return terms


def _tell(runtime: Runtime, connection: Connection, actor: Actor, terms: Terms, asked: Collection[str]) -> None:
    """Tell those who are asked, and the others, of a version that is published beside an earlier one."""
    day = f"{terms.issue.effective_at:%Y-%m-%d}"
    title, more = f"{TITLES[terms.kind]} {terms.version}, in effect from {day}", f"{terms.summary}\n\n{terms.changes}"[:MOST_TOLD]
    wish = f"Accept or decline it: until you accept, external users are denied on your data from {day} on.\n\n"
    known = [each.key for each in parties.read_all(connection)]
    for to, text in ((sorted(asked), wish + more), ([key for key in known if key not in asked], more)):
        if to:
            effective = terms.issue.effective_at
            tell(runtime, connection, actor.id, NoticeKind.CHANGE, title, text, to, effective=effective)


def _checked(runtime: Runtime, connection: Connection, draft: Draft) -> Terms:
    """The version as it would be published now. Raises Invalid, NotFound and Conflict."""
    if not is_version(draft.version):
        raise Invalid("terms-version", "A terms version is MAJOR.MINOR.PATCH.", "version")
    if len(draft.text) > MOST_TEXT:
        raise TooLarge("document-too-large", f"A document has at most {MOST_TEXT} bytes.")
    before, now = versions.read_all(connection, draft.kind), runtime.clock()
    _check_order(draft, before)
    last = versions.find(connection, draft.kind, before[-1].version) if before else None
    return Terms(
        kind=draft.kind,
        issue=Issue(draft.version, _effective(draft, now), draft.needs_renewal, _contained(draft, before)),
        sha256=terms_hash(draft.text),
        text=draft.text,
        published=now,
        summary=check_text(draft.summary, MOST_SUMMARY, "summary"),
        changes=changes((last.version, last.text), (draft.version, draft.text)) if last else "",
    )


def _check_order(draft: Draft, before: Sequence[Terms]) -> None:
    if any(each.version == draft.version for each in before):
        raise Conflict("terms-immutable", f"Terms {draft.version} are published; publish changes under a new version.", "version")
    if before and order(draft.version) < order(before[-1].version):
        raise Conflict("terms-order", f"{before[-1].version} is published; a new version has a greater number.", "version")


def _effective(draft: Draft, now: datetime) -> datetime:
    if draft.needs_renewal and draft.kind is not DocumentKind.GENERAL:
        raise Invalid("renewal", "Agreements are under the general terms: only these can need renewal.", "renewal")
    if draft.effective_at is not None and draft.effective_at < now:
        raise Invalid("effective-past", "A version can't take effect before it is published.", "effective_at")
    return draft.effective_at or now


def _contained(draft: Draft, before: Sequence[Terms]) -> frozenset[str]:
    for version in draft.contains:
        require(next((each for each in before if each.version == version), None), "terms", version)
    return frozenset(draft.contains)


# --- whom it affects


def _effect(runtime: Runtime, connection: Connection, terms: Terms) -> Effect:
    issue, pinned = terms.issue, renewal.read_pinned(connection) if terms.issue.needs_renewal else ()
    facts = runtime.governance.current(connection).facts
    asked = [each for each in _users(connection) if each.role in (Role.USER, Role.INSIDE)]
    before, after = _affected(facts, pinned, issue)
    reached = [who for who in asked if _reaches(who, before, issue.effective_at)]
    losing = [who for who in reached if who.external and not _keeps(who, before, after, issue.effective_at)]
    providers = dict.fromkeys(each.provider for each in pinned)
    return Effect(issue.effective_at, tuple(providers), tuple(w.id for w in reached), tuple(w.id for w in losing))


def _users(connection: Connection) -> Iterator[Subject]:
    """Every client and person, as its next request would find it."""
    yield from (subject(row, inside=row.node is not None) for row in clients.read_all(connection) if row.enabled)
    accepted = acceptance.read_versions(connection)
    for person in people.read_all(connection):
        terms = accepted.get(person_id(person.key), frozenset())
        yield from (person_subject(person.key, role, terms) for role in person.roles if not person.blocked)


def _affected(facts: Iterable[Facts], pinned: Iterable[Pinned], issue: Issue) -> tuple[list[Facts], list[Facts]]:
    """The datasets under these agreements as they are, and as they were after the version took effect with no answer."""
    keys = {each.key for each in pinned}
    before = [each for each in facts if each.agreement in keys]
    due = issue.effective_at
    return before, [replace(each, renewal=min(each.renewal or due, due)) for each in before]


def _reaches(who: Subject, facts: Iterable[Facts], at: datetime) -> bool:
    return any(_may_use(who, each, at) for each in facts)


def _keeps(who: Subject, before: Sequence[Facts], after: Sequence[Facts], at: datetime) -> bool:
    """Whether a user uses every dataset after that it uses before."""
    return all(_may_use(who, new, at) for old, new in zip(before, after, strict=True) if _may_use(who, old, at))


def _may_use(who: Subject, facts: Facts, at: datetime) -> bool:
    return any(decide(who, action, purpose, facts, at).allowed for action in _USES for purpose in who.purposes)


# --- reading


def read_terms(runtime: Runtime, version: str | None = None, kind: DocumentKind = DocumentKind.GENERAL) -> Terms:
    """The named version of a document, or the one in force (before any is, the first to come). Raises NotFound."""
    with runtime.store.read() as connection:
        if version is None:
            issues = read_issues(connection, kind)
            current = in_force(issues, runtime.clock()) or next(iter(issues), None)
            version = current.version if current else ""
        found = versions.find(connection, kind, version)
    if found is None:
        raise NotFound("terms-unknown", "There is no such version of the terms.", "version")
    return found


def list_terms(runtime: Runtime, kind: DocumentKind = DocumentKind.GENERAL) -> tuple[Terms, ...]:
    """Every published version of a document without its text, oldest first."""
    with runtime.store.read() as connection:
        return versions.read_all(connection, kind)


def list_documents(runtime: Runtime) -> tuple[Terms, ...]:
    """Every version of every document without its text, by kind, oldest first."""
    return tuple(terms for kind in DocumentKind for terms in list_terms(runtime, kind))
