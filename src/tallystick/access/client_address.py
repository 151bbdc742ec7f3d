"""The client's IP address, also behind proxies that the operator trusts."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from tallystick.setting_values import Network

_MOST_HOPS = 50


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address in `text`, which may carry a port, brackets, quotes or a zone; None if there is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def within(address: IPv4Address | IPv6Address, networks: Iterable[Network]) -> bool:
    """Whether the address lies in one of the networks."""
    return any(address in network for network in networks)


def client_network(address: str) -> str:
    """The network that counts as one client: an IPv6 customer has a whole /64."""
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address


def client_address(peer: str, forwarded_for: str, trusted_proxies: Iterable[Network]) -> tuple[str, str]:
    """(client, peer), each an IP address in its usual form or "".

    `peer` holds the connection; `forwarded_for` is the X-Forwarded-For header, lines joined by commas. It is read from
    the right, as long as each hop was written by a trusted proxy: what a client writes into the header itself stands
    further left and is not believed.
    """
    hop = read_address(peer)
    if hop is None:
        return "", ""
    peer = str(hop)
    trusted = tuple(trusted_proxies)
    for written in reversed(forwarded_for.split(",")[-_MOST_HOPS:]):
        if not within(hop, trusted):
            break
        before = read_address(written)
        if before is None:
            break
        hop = before
    return str(hop), peer


def is_unknown_proxy(peer: str, forwarded_for: str, trusted_proxies: Iterable[Network]) -> bool:
    """Whether the connection comes from a proxy that the operator did not name, with many clients behind it.

    Any client can write X-Forwarded-For and seem to be one: this must not open anything.
    """
    hop = read_address(peer)
    return bool(forwarded_for) and hop is not None and not within(hop, trusted_proxies)


def is_shared_proxy(peer: str, forwarded_for: str, trusted_proxies: Iterable[Network]) -> bool:
    """Whether to take the peer for an unknown proxy through which many people sign in.

    Not a peer from the internet: whoever guesses passwords there could write the header too, to be slowed down instead
    of locked out. A proxy that stands there is known by the accounts that sign in through it.
    """
    hop = read_address(peer)
    return hop is not None and not hop.is_global and is_unknown_proxy(peer, forwarded_for, trusted_proxies)
