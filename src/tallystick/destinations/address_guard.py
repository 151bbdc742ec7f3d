"""The guard of outgoing connections. A name is resolved once; the connection goes to the address that was checked.

Allowed is global unicast and nothing else. The networks stand here and do not come from `ipaddress`, whose tables
differ between versions of Python.
"""

import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from tallystick.destinations.name_lookup import MAX_ADDRESSES, look_up
from tallystick.errors import TallystickError
from tallystick.setting_values import Network

LOOK_UP_SECONDS = 5.0

Address = IPv4Address | IPv6Address

# The special-purpose registry of IANA for IPv4, multicast, and what clouds route to services of their own.
_SPECIAL_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # Azure: DNS, DHCP and the platform's agent
        "161.26.0.0/16", "166.8.0.0/14",  # IBM Cloud: its service network
    )
)  # fmt: skip
# All global unicast addresses of IPv6 are in one network. These parts of it are special: protocol assignments with
# Teredo, documentation, 6to4, and the servers of AS112.
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_MAPPED, _NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")
# The upper half of an ISATAP interface identifier (RFC 5214), whose first two flags may differ.
_ISATAP, _ISATAP_MASK = 0x00005EFE, 0xFCFFFFFF


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

    allowed: tuple[Network | str, ...] = ()

    def addresses(self, host: str, port: int, seconds: float = LOOK_UP_SECONDS) -> list[str]:
        """The allowed addresses of a host. Raises TargetNotAllowed for none, TargetError for an unknown host."""
        try:
            resolved = look_up(host, port, seconds)
        except TimeoutError:
            raise TargetError(f"DNS did not answer for {host} in time.") from None
        except OSError:
            raise TargetError(f"{host} cannot be found in DNS.") from None
        allowed = resolved if self._is_named(host) else [one for one in resolved if self._is_allowed(one)]
        if not allowed:
            raise TargetNotAllowed(
                f"{host} is on a private address. The operator can allow it with TALLYSTICK_ALLOWED_TARGETS."
            )
        return allowed

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connects to the first allowed address that answers, all within `timeout` seconds.

        Raises TargetNotAllowed, TargetError.
        """
        ends_at = time.monotonic() + timeout
        problem = "OSError"
        for address in self.addresses(host, port, timeout)[:MAX_ADDRESSES]:
            try:
                return socket.create_connection((address, port), max(0.1, ends_at - time.monotonic()))
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
        # An address may come with the zone that it is valid in.
        address = ip_address(text.partition("%")[0])
        return is_public(address) or any(
            _in(one, network) for one in (address, _translated(address)) if one for network in self.allowed
        )


def is_public(address: Address) -> bool:
    """Whether the address, and an IPv4 address that it stands for, is global unicast and belongs to no cloud itself."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    translated = _translated(address)
    if translated is not None:
        return is_public(translated)
    if address not in _GLOBAL_V6 or any(address in network for network in _SPECIAL_V6):
        return False
    is_isatap = int(address) >> 32 & _ISATAP_MASK == _ISATAP
    return not is_isatap or is_public(IPv4Address(int(address) & 0xFFFFFFFF))


def _in(address: Address, network: Network | str) -> bool:
    return not isinstance(network, str) and address.version == network.version and address in network


def _translated(address: Address) -> IPv4Address | None:
    """The IPv4 address that packets to a mapped or NAT64 address reach."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
