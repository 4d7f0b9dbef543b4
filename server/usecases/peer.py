"""Other repositories that this one asks: adding them, with the files that prove who asks, and taking them away."""

import re
from urllib.parse import urlsplit

from adapters.peers import read_proof
from adapters.sql import peer as peers
from adapters.sql.ledger import About, record
from adapters.sql.peer import PeerRow
from consent.entries import PeerAdded, PeerRemoved
from mappings.failures import Conflict, Invalid
from mappings.peers.exchange import KINDS
from server.usecases.naming import check_new, check_words, require
from server.usecases.runtime import Runtime

MOST_PEERS = 50
"""All of them are asked at once."""
MOST_URL = 500
_URL = re.compile(r"[!-~]+")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def add_peer(
    runtime: Runtime,
    actor: str,
    name: str,
    *,
    kind: str,
    url: str,
    secret_file: str | None = None,
    client_file: str | None = None,
) -> None:
    """Let a repository be asked: at its base URL (accord, fhir), or at the very URL that Focus would call (eucaim).

    `secret_file` holds the whole Authorization header, `client_file` a client's key for a FHIR server; both are read anew for
    each question. Raises Invalid or Conflict.
    """
    check_words([kind], KINDS, "kind")
    at = read_url(url)
    if client_file is not None and (kind != "fhir" or secret_file is not None):
        raise Invalid("client-not-asked", "A client file is for a FHIR server, instead of a secret.", "client")
    read_proof(secret_file, client_file)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        check_new(peers.find(connection, name), "peer", name)
        if peers.find_at(connection, at) is not None:
            raise Conflict("peer-twice", "There is a peer at this URL already: what it has would be counted twice.", "url")
        if peers.count(connection) >= MOST_PEERS:
            raise Conflict("peers-full", f"There are {MOST_PEERS} peers, which is the most.", "peer")
        peers.add(connection, now, name=name, kind=kind, url=at, secret_file=secret_file, client_file=client_file)
        record(connection, PeerAdded(peer=name, peer_kind=kind, url=at), now, actor, About())


def read_url(text: str) -> str:
    """Where a repository is, without a slash at the end. Raises Invalid: by https, unless it is on this machine."""
    try:
        parts = urlsplit(text)
        local = parts.hostname in _LOOPBACK
        good = parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and local)) and parts.port != 0
    except ValueError:
        good = False
    if not good or len(text) > MOST_URL or not _URL.fullmatch(text) or "@" in parts.netloc or "?" in text or "#" in text:
        raise Invalid("peer-url", "Where a peer is, is written https://HOST/PATH (http on this machine alone).", "url")
    return text.rstrip("/")


def remove_peer(runtime: Runtime, actor: str, name: str) -> None:
    """Ask a repository no more."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        peers.remove(connection, require(peers.find(connection, name), "peer", name))
        record(connection, PeerRemoved(peer=name), now, actor, About())


def find_troubles(runtime: Runtime) -> list[str]:
    """Peers whose files can't be read now, in sentences for the operator."""
    return [f"Peer {row.name}: {why}" for row in list_peers(runtime) if (why := _trouble(row))]


def _trouble(row: PeerRow) -> str | None:
    try:
        read_proof(row.secret_file, row.client_file)
    except Invalid as failure:
        return failure.sentence
    return None


def list_peers(runtime: Runtime) -> tuple[PeerRow, ...]:
    """Every repository that may be asked."""
    with runtime.store.read() as connection:
        return peers.read_all(connection)
