"""Who asks: from a bearer token and the peer's address to a caller, as the client is registered at this moment.

A token proves a client for five minutes at most; whether that client is still enabled, approved and bound to a linked node is
read anew for every request, so that governance binds at once although tokens are not revoked.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from adapters.identity import Claims, Keys
from adapters.sql import client as clients
from adapters.sql.client import ClientRow
from consent.conditions import Purpose
from consent.node import NodeState
from consent.subject import Role, Subject
from mappings.failures import Unauthenticated
from server.usecases.hall import Caller, Hall, Known

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ROLES = {"provider": Role.PROVIDER, "operator": Role.OPERATOR, "user": Role.USER, "repository": Role.USER}
"""The role of a client whose organisation has this one, outside of any node's compute network."""


class Identity:
    """What one process knows of callers. `trusted_proxies`: CIDRs, by blanks or commas; ValueError where one is none."""

    def __init__(self, keys: Keys, trusted_proxies: str = "") -> None:
        self._keys = keys
        self._proxies = tuple(_network(cidr) for cidr in trusted_proxies.replace(",", " ").split())
        self._clients: tuple[int, dict[str, ClientRow]] = (-1, {})

    def caller(self, hall: Hall, token: str, address: str, request_id: str) -> Caller:
        """The caller that this token proves, calling from `address`. Raises Unauthenticated."""
        claims = self._keys.read(token, hall.settings.base_url, hall.clock())
        with hall.store.read() as connection:
            known = hall.governance(connection)
            kept = self._kept(known)
            row = enabled(kept.get(claims["client_id"]) or clients.find(connection, claims["client_id"]))
        kept[row.client_id] = row
        inside = row.node is not None and _linked(known, row.node) and lies_in(address, row.networks)
        return Caller(subject(row, inside=inside), claims.get("purpose"), tuple(claims["scope"].split()), request_id, known)

    def _kept(self, known: Known) -> dict[str, ClientRow]:
        """Client rows read since governance last changed: a row is read after the counter, so it is never older than that."""
        if self._clients[0] != known.counter:
            self._clients = (known.counter, {})
        return self._clients[1]

    def peer(self, remote: str, forwarded: str | None) -> str:
        """The address a request came from: of `X-Forwarded-For`, the rightmost hop that no trusted proxy is.

        Without a trusted proxy as `remote` the header is not looked at; IPv4 addresses mapped into IPv6 are IPv4.
        """
        found = _address(remote)
        for hop in reversed((forwarded or "").split(",")):
            if found is None or not any(found in p for p in self._proxies) or (before := _address(hop)) is None:
                break
            found = before
        return remote if found is None else str(found)


def active(hall: Hall, keys: Keys, token: str) -> Claims | None:
    """The claims of a token that would be let in now (RFC 7662's *active*), or None."""
    try:
        claims = keys.read(token, hall.settings.base_url, hall.clock())
        with hall.store.read() as connection:
            enabled(clients.find(connection, claims["client_id"]))
    except Unauthenticated:
        return None
    return claims


def enabled(row: ClientRow | None) -> ClientRow:
    """The client, or Unauthenticated where it is not registered or was disabled."""
    if row is None:
        raise Unauthenticated("client-unknown", "No client is registered under this client_id.")
    if not row.enabled:
        raise Unauthenticated("client-disabled", "This client has been disabled. Ask the repository.")
    return row


def subject(row: ClientRow, *, inside: bool) -> Subject:
    """The subject a client is; `inside` makes a user of it that may process at its node."""
    role = Role.INSIDE if inside and ROLES[row.role] is Role.USER else ROLES[row.role]
    return Subject(row.client_id, role, row.party, row.approved, row.terms, frozenset(map(Purpose, row.purposes)))


def lies_in(address: str, networks: Iterable[str]) -> bool:
    """Whether this address lies in one of these CIDRs; what is no address lies nowhere."""
    found = _address(address)
    return found is not None and any(found in _network(n) for n in networks)


def _linked(known: Known, name: str) -> bool:
    return any(n.name == name and n.state is NodeState.LINKED for n in known.nodes.values())


def _address(text: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=1024)
def _network(cidr: str) -> _Network:
    return ipaddress.ip_network(cidr, strict=False)
