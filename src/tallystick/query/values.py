"""Addresses in a query: all as IPv6 numbers, IPv4 in its mapped place ::ffff:0:0/96."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

_MAPPED = 0xFFFF << 32


@lru_cache(maxsize=65_536)
def number(address: str) -> int:
    """The 128 bits of an address in any spelling; a zone such as `%eth0` counts for nothing."""
    parsed = ip_address(address)
    return int(parsed) if parsed.version == 6 else _MAPPED | int(parsed)


def span(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    """The first and the last 128 bits in the network."""
    first, last = int(network.network_address), int(network.broadcast_address)
    return (first, last) if network.version == 6 else (_MAPPED | first, _MAPPED | last)


def text(bits: int) -> str:
    """128 bits as an IPv6 address."""
    return str(IPv6Address(bits))
