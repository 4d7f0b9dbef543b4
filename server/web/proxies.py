"""Where a request came from, when proxies stand before this server."""

from mappings.network import read_address, read_network


class TrustedProxies:
    """The proxies whose `X-Forwarded-For` is believed: CIDRs, by blanks or commas. ValueError where one is none."""

    def __init__(self, cidrs: str = "") -> None:
        self._networks = tuple(read_network(cidr) for cidr in cidrs.replace(",", " ").split())

    def address(self, remote: str, forwarded: str | None) -> str:
        """The address a request came from: of `X-Forwarded-For`, the rightmost hop that no trusted proxy is.

        Without a trusted proxy as `remote` the header is not looked at; IPv4 addresses mapped into IPv6 are IPv4.
        """
        address = read_address(remote)
        for hop in reversed((forwarded or "").split(",")):
            if address is None or not any(address in network for network in self._networks):
                break
            if (before := read_address(hop)) is None:
                break
            address = before
        return remote if address is None else str(address)
