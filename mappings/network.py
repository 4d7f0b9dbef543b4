"""IP addresses and networks as they are written; an IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2) is that IPv4 one."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=1024)
def read_address(text: str) -> Address | None:
    """The address; None where the text is none, such as a socket's path."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def canonical(address: str) -> str:
    """The one way in which this address is written (RFC 5952); what is no address stays as it is."""
    return str(read_address(address) or address)


@lru_cache(maxsize=1024)
def read_network(cidr: str) -> Network:
    """The network of a CIDR, whatever its host bits. Raises ValueError."""
    return ipaddress.ip_network(cidr, strict=False)


def lies_in(address: str, networks: Iterable[str]) -> bool:
    """Whether this address lies in one of these CIDRs; what is no address lies nowhere."""
    peer = read_address(address)
    return peer is not None and any(peer in read_network(cidr) for cidr in networks)


def counted(address: str) -> str:
    """What an address is counted under where each has a share: itself, for IPv6 its /64 (one household's, RFC 6177)."""
    peer = read_address(address)
    if isinstance(peer, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((peer, 64), strict=False))
    return canonical(address)
