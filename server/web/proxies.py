"""Where a request came from, when proxies stand before this server."""

from mappings.network import Address, read_address, read_network


class TrustedProxies:
    """The proxies whose `X-Forwarded-For` is believed: CIDRs, by blanks or commas. ValueError where one is none."""

    def __init__(self, cidrs: str = "") -> None:
        self._networks = tuple(read_network(cidr) for cidr in cidrs.replace(",", " ").split())

    def trusts(self, address: str) -> bool:
        """Whether a trusted proxy has this address."""
        peer = read_address(address)
        return peer is not None and self._has(peer)

    def _has(self, peer: Address) -> bool:
        return any(peer in network for network in self._networks)

    def address(self, remote: str, forwarded: str | None) -> str:
        """The address a request came from: of `X-Forwarded-For`, the rightmost hop that no trusted proxy is.

        Without a trusted proxy as `remote` the header is not looked at; IPv4 addresses mapped into IPv6 are IPv4.
        """
        address = read_address(remote)
        for hop in reversed((forwarded or "").split(",")):
            if address is None or not self._has(address):
                break
            if (before := read_address(hop)) is None:
                break
            address = before
        return remote if address is None else str(address)
