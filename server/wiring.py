"""The one place that picks implementations and puts an Accord together from its settings."""

import os
import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from adapters.cursors import Cursors
from adapters.identity import load_or_make_secret
from adapters.key_sets import KeySets
from adapters.nodes.breaker import BreakerNode
from adapters.nodes.credentials import read_credentials
from adapters.nodes.dicomweb import DicomwebNode
from adapters.nodes.folder import FolderNode
from adapters.nodes.orthanc import OrthancNode
from adapters.nodes.port import Node
from adapters.openid_provider import OpenIdProvider
from adapters.pictures.pool import Pool
from adapters.sql import migrate
from adapters.sql.access import Accesses
from adapters.sql.node import NodeRow
from adapters.sql.store import LOCK_SECONDS, Store, is_missing, wait_for
from adapters.tls import TlsFiles
from mappings.failures import NotFound, Unavailable
from server.settings import Settings
from server.usecases import sights
from server.usecases.admission import MEGABYTE
from server.usecases.node import adopt_nodes
from server.usecases.runtime import Runtime


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def runtime(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = now,
    make: bool = False,
    upgrade: bool = True,
    read_seconds: float | None = None,
    lock_seconds: int = LOCK_SECONDS,
) -> Runtime:
    """The Accord of the settings' database and data directory (0700), its schema brought up to date.

    Raises NotFound where there is none, unless it is to `make` one. `read_seconds` bounds every reading of the database, for a
    process in which strangers ask; `lock_seconds`, how long a write waits for another.
    """
    data = settings.data_dir.absolute()
    if not make:
        require(settings)
    _keep_private(data)
    store = Store(settings.sqlalchemy_url, read_seconds=read_seconds, lock_seconds=lock_seconds)
    wait_for(store)
    if not make and migrate.current(store) is None:
        store.close()
        raise _none_in(data)
    if upgrade:
        migrate.upgrade(store)
    opened = Runtime(
        settings=settings,
        store=store,
        node_of=Nodes(data, settings.node_seconds, settings.max_object_mb * MEGABYTE),
        noise_key=load_or_make_secret(data / "noise.key"),
        quarantine=FolderNode("quarantine", data / "quarantine"),
        pictures=Pool(settings.pictures),
        accesses=Accesses(store),
        cursors=Cursors.load_or_make(data / "cursors.key"),
        key_sets=KeySets(settings.jwks_hosts.split()),
        clock=clock,
        holder=f"{host()}:{os.getpid()}:{secrets.token_hex(4)}",
        placeholders=placeholders(),
        openid=_openid(settings),
        tls=_tls(settings),
        governed=sights.renew_governed,
    )
    if upgrade:
        adopt_nodes(opened)
    return opened


def require(settings: Settings) -> None:
    """Raises NotFound where there is no Accord, before anything is opened that would make one."""
    data = settings.data_dir.absolute()
    if not _is_there(data, settings.sqlalchemy_url):
        raise _none_in(data)


def _is_there(data: Path, url: str) -> bool:
    """Whether a data directory holds an Accord's files, and the database is not a SQLite file that opening would make."""
    return any((data / name).exists() for name in _MARKS) and not is_missing(url)


_MARKS = ("accord.db", "noise.key", "keys.json")


def _none_in(data: Path) -> NotFound:
    return NotFound("no-accord", f"There is no Accord in {data}. Name its directory with --data, or make one: accord migrate.")


def host() -> str:
    """What this machine is called in leases and heartbeats."""
    return socket.gethostname()[:32]


def _keep_private(data: Path) -> None:
    """Make the data directory for its owner alone, also one that is there. Raises Unavailable where that can't be."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not data.stat().st_mode & 0o077:
        return
    try:
        data.chmod(0o700)
    except OSError as error:
        raise Unavailable("data-dir-open", f"Others can read {data}, and its mode can't be changed: {error.strerror}.") from error


def _openid(settings: Settings) -> OpenIdProvider | None:
    known = settings.openid
    return None if known is None else OpenIdProvider(*known, f"{settings.base_url}/sign-in/openid/return")


def _tls(settings: Settings) -> TlsFiles | None:
    if not settings.tls:
        return None
    certificate, authorities = Path(settings.dimse_tls_certificate), settings.dimse_tls_authorities
    return TlsFiles(certificate, Path(settings.dimse_tls_key or certificate), Path(authorities) if authorities else None)


class Nodes:
    """Opens nodes by their rows and keeps them, each behind its breaker.

    An embedded folder with a relative URL lies in the data directory. `patience` is in seconds, as `OrthancNode` has it;
    `largest`, the bytes of the largest object that is taken.
    """

    def __init__(self, data: Path, patience: float, largest: int) -> None:
        self._data, self._patience, self._largest = data, patience, largest
        self._opened: dict[tuple[str, str, str, str | None, frozenset[str], str], Node] = {}

    def __call__(self, row: NodeRow) -> Node:
        """The node this row describes."""
        key = (row.kind, row.name, row.url, row.secret_file, row.allow, row.marker)
        node = self._opened.get(key)
        if node is None:  # opened without a lock: a folder whose disk hangs must not keep who wants another node waiting
            node = self._opened.setdefault(key, BreakerNode(self._open(row)))
        return node

    def _open(self, row: NodeRow) -> Node:
        if row.kind == "folder":
            return FolderNode(row.name, self._data / row.url, row.marker)
        if row.kind == "dicomweb":
            shown = read_credentials(row.secret_file)
            return DicomwebNode(row.name, row.url, shown, row.allow, patience=self._patience, largest=self._largest)
        user, _, password = Path(row.secret_file or os.devnull).read_text().strip().partition(":")
        return OrthancNode(row.name, row.url, user, password, allow=row.allow, patience=self._patience)


def placeholders() -> frozenset[str]:
    """The words that make a person's name a placeholder, lower case."""
    text = (files("mappings.dicom") / "placeholders.txt").read_text()
    return frozenset(line.strip().lower() for line in text.splitlines() if line.strip() and not line.startswith("#"))
