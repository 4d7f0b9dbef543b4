"""Publications: either side tells of published work on a dataset and takes that back; a DOI is told when both say the same."""

import secrets
from dataclasses import replace

from sqlalchemy import Connection

from adapters.sql import dataset as datasets
from adapters.sql import descriptions
from adapters.sql import publication as publications
from adapters.sql.dataset import DatasetRow
from adapters.sql.ledger import About, record
from consent.agreement import Side
from consent.conditions import Action
from consent.entries import PublicationMoved
from consent.notice import NoticeKind
from consent.person import Act, Actor, may
from consent.publication import MOST, Publication, wrong_doi, wrong_text
from mappings.failures import Conflict, Invalid
from server.usecases.access import note_access
from server.usecases.dataset import require_own
from server.usecases.listed import listed
from server.usecases.naming import require
from server.usecases.notice import tell
from server.usecases.runtime import Caller, Runtime


def add_publication(runtime: Runtime, actor: Actor, alias: str, title: str, summary: str, doi: str | None = None) -> Publication:
    """Tell of published work on a dataset. The other side has a notice of it, and says whether the DOI is told too."""
    with runtime.governance_act() as connection:
        row, side = _own(connection, actor, alias)
        _refuse(wrong_text(title, summary) or (wrong_doi(doi) if doi else None))
        if len(publications.read(connection, row.id)) >= MOST:
            raise Conflict("too-many-publications", f"{alias} has {MOST} publications. Remove one that matters less.", "dataset")
        made = _wanting(Publication(secrets.token_hex(16), title.strip(), summary.strip(), runtime.clock()), side, doi)
        publications.add(connection, row.id, made)
        _record(runtime, connection, actor, "add", row, made)
        other = row.provider if side is Side.REPOSITORY else None
        tell(runtime, connection, actor.id, NoticeKind.CHANGE, f"Published work is told of on {alias}", _text(made, doi), [other])
    return made


def want_doi(runtime: Runtime, actor: Actor, alias: str, key: str, doi: str | None) -> Publication:
    """Say for the actor's side which DOI of a work is told (None: none); how it stands then."""
    with runtime.governance_act() as connection:
        row, side = _own(connection, actor, alias)
        _refuse(wrong_doi(doi) if doi else None)
        made = _wanting(_find(connection, row, key), side, doi)
        publications.set_doi(connection, key, side, doi)
        _record(runtime, connection, actor, "doi", row, made)
    return made


def remove_publication(runtime: Runtime, actor: Actor, alias: str, key: str) -> None:
    """Tell of a work no more: one side is enough."""
    with runtime.governance_act() as connection:
        row, _ = _own(connection, actor, alias)
        made = _find(connection, row, key)
        publications.remove(connection, key, runtime.clock())
        _record(runtime, connection, actor, "remove", row, made)


def list_publications(runtime: Runtime, caller: Caller, alias: str) -> list[Publication]:
    """Those of a dataset that the caller may know of; which DOI only one side wants told, to who acts for a side.

    Raises NotFound, Gone.
    """
    with runtime.store.read() as connection:
        facts = listed(runtime, connection, caller, alias)
        found = publications.read(connection, facts.dataset)
    note_access(runtime, caller, Action.DISCOVER, f"datasets/{alias}/publications", 200, len(found))
    is_side = may(caller.actor, Act.TELL_OF_WORK, facts.provider)
    return found if is_side else [replace(one, doi_of_provider=one.doi, doi_of_repository=one.doi) for one in found]


def all_publications(runtime: Runtime) -> list[tuple[str, Publication]]:
    """Those of every dataset, for whoever owns the data directory."""
    with runtime.store.read() as connection:
        rows = datasets.read_all(connection)
        return [(row.alias, one) for row in rows for one in publications.read(connection, row.id)]


def _refuse(why: str | None) -> None:
    if why:
        raise Invalid("publication", why, "publication")


def _own(connection: Connection, actor: Actor, alias: str) -> tuple[DatasetRow, Side]:
    row, _ = require_own(connection, actor, alias, Act.TELL_OF_WORK)
    return row, actor.side


def _find(connection: Connection, row: DatasetRow, key: str) -> Publication:
    return require(next((one for one in publications.read(connection, row.id) if one.key == key), None), "publication", key)


def _wanting(made: Publication, side: Side, doi: str | None) -> Publication:
    return replace(made, doi_of_provider=doi) if side is Side.PROVIDER else replace(made, doi_of_repository=doi)


def _text(made: Publication, doi: str | None) -> str:
    asked = f"DOI: {doi}, told when your side says so too.\n" if doi else ""
    return f"{made.title}\n\n{made.summary}\n{asked}"


def _record(runtime: Runtime, connection: Connection, actor: Actor, verb: str, row: DatasetRow, made: Publication) -> None:
    now, said = runtime.clock(), {"title": made.title, "summary": made.summary}
    descriptions.ask(connection, row.alias, now)
    entry = PublicationMoved(verb=verb, dataset=row.alias, publication=made.key, doi=made.doi, **said)
    record(connection, entry, now, actor.id, About(row.party, row.id))
