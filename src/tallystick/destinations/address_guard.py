"""The guard of outgoing connections. A name is resolved once; the connection goes to the address that was checked."""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tallystick.errors import TallystickError

_NAT64 = ip_network("64:ff9b::/96")
Address = IPv4Address | IPv6Address


class TargetError(TallystickError):
    """Sending to a target, or reading from it, failed.

    The text may be shown to whoever configured the target: it has no secret, and no address that they did not enter.
    """

    status, code, title = 502, "target_failed", "The target failed"


class TargetNotAllowed(TargetError):
    """The target is on a private address that the operator did not allow."""

    code = "target_refused"


@dataclass(frozen=True, slots=True)
class Guard:
    """Allows connections to public addresses, and to the hosts and networks of TALLYSTICK_ALLOWED_TARGETS."""

    allowed: tuple[IPv4Network | IPv6Network | str, ...] = ()

    def addresses(self, host: str, port: int) -> list[str]:
        """The allowed addresses of a host. Raises TargetNotAllowed for none, TargetError for an unknown host."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise TargetError(f"{host} cannot be found in DNS.") from None
        resolved = list(dict.fromkeys(str(one[4][0]) for one in found))
        allowed = resolved if self._is_named(host) else [one for one in resolved if self._is_allowed(one)]
        if not allowed:
            raise TargetNotAllowed(
                f"{host} is on a private address. The operator can allow it with TALLYSTICK_ALLOWED_TARGETS."
            )
        return allowed

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connects to the first allowed address that answers within `timeout` seconds.

        Raises TargetNotAllowed, TargetError.
        """
        problem = "OSError"
        for address in self.addresses(host, port):
            try:
                return socket.create_connection((address, port), timeout)
            except OSError as error:
                problem = error.strerror or type(error).__name__
        raise TargetError(f"{host} cannot be reached: {problem}.")

    def allows(self, host: str) -> bool:
        """Whether the operator named this host, or the network of this address; only those may be used without TLS."""
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            return self._is_named(host)
        return any(_in(address, network) for network in self.allowed)

    def _is_named(self, host: str) -> bool:
        return host.lower().rstrip(".") in self.allowed

    def _is_allowed(self, text: str) -> bool:
        address = ip_address(text.partition("%")[0])
        real = _embedded(address) or address
        return _is_public(real) or any(_in(one, network) for one in (address, real) for network in self.allowed)


def _in(address: Address, network: IPv4Network | IPv6Network | str) -> bool:
    return not isinstance(network, str) and address.version == network.version and address in network


def _is_public(address: Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address inside an IPv6 address (mapped, 6to4, NAT64, compatible), which would bypass the check."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address in _NAT64 or 1 < int(address) < 1 << 32:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
