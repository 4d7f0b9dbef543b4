"""The kept versions of a Consent: what its agreement was at each change, as far as its reader was told of it."""

from adapters.sql.agreement_history import read_past
from adapters.sql.store import stamp
from consent.access import Interaction
from consent.agreement import Agreement
from mappings.failures import NotFound
from mappings.fhir import history
from mappings.fhir.consent import consent
from mappings.fhir.history import Asked, Entry, Position
from mappings.fhir.resources import RESOURCES
from mappings.fhir.search import Arguments
from mappings.query import AllOf, Page
from server.usecases.access import note_access, shown
from server.usecases.follow import read_history
from server.usecases.runtime import Caller, Runtime
from server.usecases.sources import Asking, reader, source_of

CONSENT = "Consent"


def read_versions(runtime: Runtime, caller: Caller, arguments: Arguments, identity: str) -> bytes:
    """A history Bundle's JSON with every kept version, oldest first; of what is out of sight, what its reader saw of it."""
    asked = history.read(f"{CONSENT}/{identity}", arguments, reader(runtime, caller))
    past = _past(runtime, caller, identity)
    if not past:
        return read_history(runtime, caller, arguments, CONSENT, identity)
    after = asked.after
    found = [each for each in past if stamp(each.updated) >= after.stamp and each.changes > after.row]
    page = found[: asked.count]
    entries = [Entry(CONSENT, identity, consent(each, runtime.settings.base_url), each.updated) for each in page]
    seen = shown((CONSENT, entry.document, None) for entry in entries if entry.document)
    action = source_of(CONSENT).action
    note_access(runtime, caller, action, asked.link, 200, len(page), interaction=Interaction.HISTORY, seen=seen)
    links = [("self", asked.link), *_next(asked, page, more=len(found) > len(page))]
    return history.bundle(entries, runtime.settings.base_url, links, runtime.clock())


def _next(asked: Asked, page: list[Agreement], *, more: bool) -> list[tuple[str, str]]:
    return [("next", asked.link_after(Position(asked.after.stamp, row=page[-1].changes)))] if more else []


def read_version(runtime: Runtime, caller: Caller, identity: str, version: str) -> bytes:
    """One kept version's JSON. Raises NotFound, for what was never told to this reader as for what never was."""
    target, action = f"{CONSENT}/{identity[:64]}/_history/{version[:16]}", source_of(CONSENT).action
    one = next((each for each in _past(runtime, caller, identity) if str(each.changes) == version), None)
    if one is None:
        note_access(runtime, caller, action, target, 404, 0)
        raise NotFound("not-found", "There is no such version of it here, or none that you may see.")
    document = consent(one, runtime.settings.base_url)
    note_access(runtime, caller, action, target, 200, 1, seen=shown([(CONSENT, document, None)]))
    return document


def _past(runtime: Runtime, caller: Caller, identity: str) -> list[Agreement]:
    """The versions of what this reader sees now; none of what it does not."""
    row, source = RESOURCES[CONSENT], source_of(CONSENT)
    where = AllOf((row.identity(identity), reader(runtime, caller).granted(CONSENT, "r")))
    with runtime.store.read() as connection:
        found = source.page(Asking(runtime, connection, caller), where, Page(1))
        return read_past(connection, found[0][1]) if found else []
