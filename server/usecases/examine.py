"""The doctor's checklist: what an Accord stands on, how each is now, and what to do where it is not well. Nothing is changed."""

import ipaddress
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from adapters.cursors import Cursors
from adapters.doors import ask_http, ask_port, ask_search
from adapters.identity import Keys, load_or_make_secret
from adapters.sql import custody, workers
from adapters.sql import ledger as rows
from adapters.sql.node import NodeRow
from adapters.tls import TlsFiles
from consent.node import NodeState
from mappings.eucaim import PATH
from mappings.failures import Failure, NotFound
from server.settings import Settings
from server.usecases import backup, compare, declared, describe, federate, health, job, peer, reindex, vet_node, worker
from server.usecases.node import list_nodes
from server.usecases.runtime import Runtime

SAMPLE = 5
"""Objects of each node that are asked for."""
UNROOTED = timedelta(minutes=5)
"""A root is made every ten seconds while anything happens."""
BACKED_UP = timedelta(days=7)
"""Who has made one backup is told where none came after it for so long."""
AHEAD = timedelta(minutes=1)
ENDING = timedelta(days=14)
"""Before its end a certificate should have been renewed."""
KEYS: dict[str, Callable[[Path], object]] = {
    "keys.json": Keys.load_or_make,
    "noise.key": load_or_make_secret,
    "cursors.key": Cursors.load_or_make,
}
"""File → who reads it, and would make it where it is missing."""


class Mark(StrEnum):
    """How what was looked at is: well, wrong, or worth knowing."""

    WELL = "well"
    WRONG = "wrong"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at: a sentence on how it is, and on what to do where it is wrong."""

    check: str
    mark: Mark
    sentence: str
    remedy: str = ""


def examine_keys(settings: Settings) -> list[Checked]:
    """The key files: there, whole, and the owner's alone. They are looked at before anything that would make them."""
    return [_key(settings.data_dir.absolute() / name) for name in KEYS]


def _key(path: Path) -> Checked:
    name = f"key {path.name}"
    if not path.exists():
        if path.name == "keys.json":
            return Checked(name, Mark.NOTE, "It is made when HTTP is served for the first time.")
        return Checked(name, Mark.WRONG, f"{path} is missing.", "Put it back from a backup; `accord serve` would make another.")
    try:
        KEYS[path.name](path)
    except Failure as failure:
        owned = os.access(path, os.R_OK) or path.stat().st_uid != os.getuid()
        return Checked(name, Mark.WRONG, failure.sentence, "" if owned else f"chmod 600 {path}")
    if path.stat().st_mode & 0o077:
        return Checked(name, Mark.WRONG, f"Others on this machine can read {path}.", f"chmod 600 {path}")
    return Checked(name, Mark.WELL, "It is there, whole, and its owner's alone.")


def examine(runtime: Runtime) -> Iterator[Checked]:
    """Everything else; of a database that does not answer, or is another release's, only that."""
    if hindrance := health.find_hindrance(runtime):
        yield Checked("database", Mark.WRONG, hindrance, "Start it, then ask again; or `accord migrate`.")
        return
    yield _told("database", health.check_writing(runtime), "It answers, has this release's schema, and can be written.")
    yield _told("disk", health.check_disk(runtime), "The data directory's disk has room.", "Make room on it.")
    for row in list_nodes(runtime):
        yield from _node(runtime, row)
    yield from _doors(runtime.settings)
    if runtime.tls is not None:
        yield _certificate(runtime, runtime.tls)
    yield _clock(runtime)
    yield _ledger(runtime)
    yield _told("worker", worker.find_troubles(runtime), "One is at work.", "Start `accord serve`, or `accord worker`.")
    yield _told("jobs", job.find_troubles(runtime), "None failed or is overdue.", "`accord admin job list` says more.")
    yield _told("objects", compare.find_damage(runtime), "None is known to be lost or changed.")
    if peer.list_peers(runtime):
        yield _told(
            "peers", peer.find_troubles(runtime), "The files that prove us to them can be read.", "accord admin peer list"
        )
    yield _backup(runtime)
    if runtime.settings.contact == Settings().contact:
        said = f"Refusals send people to {runtime.settings.contact}: set ACCORD_CONTACT to an address that is read."
        yield Checked("contact", Mark.NOTE, said)
    yield from (Checked("declarations", Mark.NOTE, due.sentence) for due in declared.find_due(runtime))
    yield from (Checked("index", Mark.NOTE, said) for said in reindex.find_old(runtime))
    yield from (Checked("catalogue", Mark.NOTE, gap) for gap in describe.find_gaps(runtime))
    yield from (Checked("federation", Mark.NOTE, said) for said in [*federate.budget(runtime), *federate.unknown(runtime)])


def _told(check: str, troubles: list[str], well: str, remedy: str = "") -> Checked:
    if not troubles:
        return Checked(check, Mark.WELL, well)
    return Checked(check, Mark.WRONG, " ".join(troubles), remedy)


def _node(runtime: Runtime, row: NodeRow) -> Iterator[Checked]:
    name = f"node {row.name}"
    if row.state is not NodeState.LINKED:
        yield Checked(name, Mark.NOTE, f"It is {row.state}: nothing goes in or out until `accord admin node link {row.name}`.")
        return
    told, trouble = health.ask(runtime, row)
    if trouble:
        yield Checked(name, Mark.WRONG, trouble, "Start it, or mount it; until then it neither serves nor takes anything.")
        return
    try:
        troubles = [*vet_node.find_refusals(runtime, row), *_missing(runtime, row)]
    except Failure as failure:  # it has just ceased to answer
        troubles = [failure.sentence]
    yield _told(name, troubles, told.sentence, f"`accord admin node compare {row.name}` looks at all of it.")
    if warning := vet_node.find_warning(row, told.version):
        yield Checked(name, Mark.NOTE, warning)


def _missing(runtime: Runtime, row: NodeRow) -> list[str]:
    """Of some of the objects that should rest there, that they don't."""
    with runtime.store.read() as connection:
        sample = custody.sample(connection, row.id, SAMPLE)
    lost = sum(not _holds(runtime, row, *each) for each in sample)
    return [f"Of the last {len(sample)} objects {lost} are not there, or have another size."] if lost else []


def _holds(runtime: Runtime, row: NodeRow, place: str, size: int) -> bool:
    try:
        return runtime.node_of(row).size(place) in (None, size)
    except NotFound:
        return False


def _backup(runtime: Runtime) -> Checked:
    last = backup.last(runtime.settings)
    if last is None:
        return Checked("backup", Mark.NOTE, "None was made by `accord backup FOLDER`.")
    at, to = last
    said = f"The last was made at {at:%Y-%m-%d %H:%M} UTC, to {to}."
    if at < runtime.clock() - BACKED_UP:
        return Checked("backup", Mark.WRONG, said, "Make one: `accord backup FOLDER`; of the same folder it copies what is new.")
    return Checked("backup", Mark.WELL, said)


def _doors(settings: Settings) -> Iterator[Checked]:
    url = settings.base_url
    silent = ask_http(f"{url}/health/live")
    started = "Start `accord serve`; behind a proxy, see that ACCORD_PUBLIC_URL is what callers use."
    yield _told("server", [f"{url} does not answer: {silent}."] if silent else [], f"{url} answers.", started)
    if settings.federation:
        yield _search(settings, f"{url}{PATH}", is_served=not silent)
    ports = {"dicom": settings.dimse_port} | ({"dicom by tls": settings.dimse_tls_port} if settings.tls else {})
    for check, port in ports.items():
        closed, where = ask_port(settings.bind, port), f"{settings.bind}:{port}"
        yield _told(check, [f"Nobody listens at {where}: {closed}."] if closed else [], f"{where} takes connections.", started)
    yield _https(urlsplit(url))


def _search(settings: Settings, url: str, *, is_served: bool) -> Checked:
    """The federated search, asked as Focus asks it, with each secret: so a process that has not read a new one is found."""
    name, callers = "federated search", settings.federation
    if not is_served:
        return Checked(name, Mark.NOTE, "It was not asked, since the server does not answer.")
    asked = (
        (caller, number, ask_search(url, secret)) for caller, each in callers.items() for number, secret in enumerate(each, 1)
    )
    troubles = [f"{url} does not answer {who} by its secret {n}: {trouble}." for who, n, trouble in asked if trouble]
    remedy = "Give Focus this address and this secret; where a secret has changed here, begin `accord serve` again."
    changing = [caller for caller, secrets in callers.items() if len(secrets) > 1]
    also = f" Two secrets are valid of {', '.join(changing)}: take the old one out when it is no longer sent." if changing else ""
    return _told(name, troubles, f"{url} answers {', '.join(callers)} as Focus asks.{also}", remedy)


def _certificate(runtime: Runtime, files: TlsFiles) -> Checked:
    try:
        files.accepting()
        left = files.ends() - runtime.clock()
    except Failure as failure:
        return Checked("certificate", Mark.WRONG, failure.sentence, "Until then no DICOM process begins.")
    ended = "It has ended." if left < timedelta(0) else f"It ends in {left.days} days."
    renew = "Renew it, and begin the DICOM processes again: they read it when they begin."
    return _told("certificate", [ended] if left < ENDING else [], ended, renew)


def _https(url: SplitResult) -> Checked:
    if url.scheme == "https":
        return Checked("https", Mark.WELL, "Callers come by https.")
    if _is_loopback(url.hostname or ""):
        return Checked("https", Mark.WELL, "Nobody comes from outside of this machine.")
    remedy = "Put a proxy before it that ends TLS, and say its address in ACCORD_PUBLIC_URL."
    return Checked("https", Mark.WRONG, "Callers come by clear HTTP, so no tokens are given.", remedy)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _clock(runtime: Runtime) -> Checked:
    with runtime.store.read() as connection:
        stamps = [workers.last_beat(connection), rows.newest_checkpoint(connection)[3]]
    last, now = max(filter(None, stamps), default=None), runtime.clock()
    if last is not None and last > now + AHEAD:
        sentence = f"It says {now:%Y-%m-%d %H:%M:%S} UTC, and {last:%Y-%m-%d %H:%M:%S} UTC was recorded already."
        return Checked("clock", Mark.WRONG, sentence, "Set this machine's clock, or that of the machine that was ahead.")
    return Checked("clock", Mark.WELL, "It is not behind anything that was recorded.")


def _ledger(runtime: Runtime) -> Checked:
    with runtime.store.read() as connection:
        count, since = rows.unrooted(connection)
        size, at = rows.newest_checkpoint(connection)[::3]
    if since is not None and since < runtime.clock() - UNROOTED:
        sentence = f"{count} entries have no root yet, the first since {since:%Y-%m-%d %H:%M:%S} UTC."
        return Checked("ledger", Mark.WRONG, sentence, "A worker makes roots: start one. `accord ledger verify` checks the rest.")
    newest = f"The newest root is over {size} entries, of {at:%Y-%m-%d %H:%M:%S} UTC." if at else "It has no entry yet."
    return Checked("ledger", Mark.WELL, newest)
