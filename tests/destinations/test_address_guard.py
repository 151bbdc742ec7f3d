"""Outgoing requests reach public addresses, and what the operator allows; nothing else."""

import socket
from ipaddress import ip_network

import pytest

from tallystick.destinations.address_guard import Guard, TargetError, TargetNotAllowed

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::a00:1", "2002:7f00:1::", "::7f00:1", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused_however_it_is_written(address: str) -> None:
    with pytest.raises(TargetNotAllowed) as refused:
        Guard().addresses(address, 443)
    assert "TALLYSTICK_ALLOWED_TARGETS" in refused.value.detail


@pytest.mark.parametrize("text", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
def test_other_spellings_of_the_own_machine_are_refused(text: str) -> None:
    with pytest.raises(TargetError):
        Guard().addresses(text, 443)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_a_public_address_needs_no_permission(address: str) -> None:
    assert Guard().addresses(address, 443)


def test_the_operator_allows_networks_and_hosts_and_nothing_beside() -> None:
    assert Guard((ip_network("10.1.0.0/16"),)).addresses("10.1.2.3", 443) == ["10.1.2.3"]
    assert Guard((ip_network("10.1.0.0/16"),)).addresses("::ffff:10.1.2.3", 443)
    assert Guard(("localhost",)).addresses("LocalHost", 443)
    with pytest.raises(TargetNotAllowed):
        Guard((ip_network("10.1.0.0/16"), "localhost")).addresses("10.2.0.1", 443)


def test_a_name_is_resolved_once_and_what_was_judged_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers the second question differently gains nothing."""
    asked: list[object] = []
    real = socket.getaddrinfo

    def changing(host: str, *rest: object, **more: object) -> object:
        asked.append(host)
        return real("8.8.8.8" if len(asked) > 1 else "127.0.0.1", *rest, **more)  # type: ignore[arg-type]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(socket, "getaddrinfo", changing)
        guard = Guard((ip_network("127.0.0.0/8"),))
        with pytest.raises(TargetError):
            # `create_connection` is given the address: nothing is looked up by the name again.
            monkeypatch.setattr(socket, "create_connection", _only_addresses)
            guard.connect("rebind.example", listener.getsockname()[1], 5)
    assert asked == ["rebind.example"]


def _only_addresses(address: tuple[str, int], timeout: float) -> socket.socket:
    assert address[0] == "127.0.0.1"
    raise OSError("seen")


def test_nobody_who_listens_is_said_without_an_address(free_port: int) -> None:
    with pytest.raises(TargetError) as failed:
        Guard(("localhost",)).connect("localhost", free_port, 5)
    assert failed.value.detail == "localhost cannot be reached: Connection refused."
