"""What binds a peer on the DICOM network: where it calls from, what it shows, where it listens, and how much it may hold."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.sql.entity import EntityRow
from adapters.sql.sender import SenderRow
from mappings.certificate import read_names
from mappings.failures import Invalid, Unavailable
from server.usecases.naming import read_scp
from server.usecases.node import read_network
from server.usecases.runtime import Runtime

MOST_ASSOCIATIONS = 1000


@dataclass(frozen=True, slots=True)
class Peering:
    """As an operator says it: fingerprints of the certificates of which it shows one, or a subject under an authority's.

    `tls` is whether its SCP is called by TLS, `associations` how many it may have at once (None: what all share).
    """

    certificates: Sequence[str] = ()
    subject: str | None = None
    authority: str | None = None
    tls: bool = False
    associations: int | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """The same, read: canonical CIDRs, names of certificates, an address and a port."""

    networks: tuple[str, ...]
    certificates: tuple[str, ...]
    scp: tuple[str, int] | None
    tls: bool
    associations: int | None
    told: Mapping[str, Any]
    """What the record says of it beside its networks."""


ANYBODY = Peering()
"""Who calls from its networks, whatever it shows."""


def read_peering(networks: Sequence[str], scp: str | None, said: Peering) -> Bound:
    """Read what binds a peer: CIDRs, its SCP (address:port), and the rest.

    Raises Invalid where nothing does, or where bytes would go to whoever answers by TLS.
    """
    cidrs = tuple(dict.fromkeys(map(read_network, networks)))
    certificates = read_names(said.certificates, said.subject, said.authority)
    listens = None if scp is None else read_scp(scp)
    if not cidrs and not certificates:
        raise Invalid("network-missing", "Say from which network it calls, or which certificate it shows.", "from")
    if said.tls and not (listens and certificates):
        raise Invalid("tls-unbound", "Who is called by TLS has an SCP, and a certificate by which it is known.", "tls")
    if said.associations is not None and not 1 <= said.associations <= MOST_ASSOCIATIONS:
        raise Invalid("associations", f"A peer may have 1 to {MOST_ASSOCIATIONS} associations at once.", "associations")
    limits = {"tls": said.tls, "associations": said.associations}
    told = {"scp": scp, "certificates": "\n".join(certificates) or None, **limits}
    return Bound(cidrs, certificates, listens, **limits, told=told)  # type: ignore[arg-type]


def called_by(runtime: Runtime, peer: SenderRow | EntityRow) -> ssl.SSLContext | None:
    """The TLS by which this peer's SCP is called, and must show its certificate; None: without. Raises Unavailable."""
    if not peer.tls:
        return None
    if runtime.tls is None or runtime.tls.authorities is None:
        raise Unavailable("tls-off", "It is called by TLS, for which this Accord has no certificate or no authorities.")
    try:
        return runtime.tls.asking(peer.certificates)
    except Invalid as failure:  # a file of ours: to be mended, and tried again then
        raise Unavailable(failure.code, failure.sentence) from None
