"""Outgoing requests reach public addresses, and what the operator allows; nothing else."""

import re
import socket
import threading
import time
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest

import tallystick
from tallystick.destinations.address_guard import Guard, TargetError, TargetNotAllowed, is_public
from tallystick.destinations.kinds.http_target import check_url
from tallystick.destinations.name_lookup import MAX_ADDRESSES
from tallystick.errors import BadRequest

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::a00:1", "2002:7f00:1::", "::7f00:1", "2001:db8::1",
]  # fmt: skip
# The registries of IANA for special purposes, first and last address of each network, in the state of 2025.
SPECIAL = [
    "0.255.255.255", "10.255.255.255", "100.127.255.255", "127.255.255.255", "169.254.255.255", "172.31.255.255",
    "192.0.0.0", "192.0.0.9", "192.0.0.170", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.31.196.1", "192.52.193.1",
    "192.88.99.0", "192.88.99.1", "192.88.99.255", "192.168.255.255", "192.175.48.1", "198.18.0.0", "198.19.255.255",
    "198.51.100.1", "203.0.113.255", "239.255.255.255", "240.0.0.0", "255.255.255.254",
    "100::1", "100:0:0:1::1", "2001::1", "2001:0:808:808::1", "2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1",
    "2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff:ffff::1", "2002:808:808::1", "2620:4f:8000::1", "3fff::",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "5f00::1", "fd00::1", "febf::1", "fec0::1", "4000::1", "1::1",
]  # fmt: skip
# Services that clouds answer from addresses of their own.
CLOUD = [
    "169.254.169.254", "169.254.170.2", "168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254",
    "fd20:ce::254", "fe80::a9fe:a9fe", "161.26.0.10", "166.8.0.1", "166.11.255.255",
]  # fmt: skip
# Private addresses of IPv4 in every form in which IPv6 has them.
EMBEDDED = [
    "::ffff:0:10.0.0.1", "::10.0.0.1", "::ffff:192.168.0.1", "::ffff:168.63.129.16", "64:ff9b::169.254.169.254",
    "64:ff9b::192.0.0.192", "64:ff9b:1::10.0.0.1", "64:ff9b:1::8.8.8.8", "2002:a9fe:a9fe::1", "2002:c0a8:101::",
    "2001:0:a00:1::f5ff:fffe", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:127.0.0.1", "2606:4700::300:5efe:169.254.169.254", "fe80::5efe:8.8.8.8",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.255", "192.88.98.1", "192.88.100.1",
    "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2001:200::1", "2a00:1450::1", "3ffe::1",
    "64:ff9b::808:808", "::ffff:8.8.8.8", "2606:4700::5efe:8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("address", [*PRIVATE, *SPECIAL, *CLOUD, *EMBEDDED])
def test_a_private_address_is_refused_however_it_is_written(address: str) -> None:
    with pytest.raises(TargetNotAllowed) as refused:
        Guard().addresses(address, 443)
    assert "TALLYSTICK_ALLOWED_TARGETS" in refused.value.detail


@pytest.mark.parametrize("address", [*PRIVATE, *SPECIAL, *CLOUD, *EMBEDDED, *PUBLIC])
def test_no_table_of_the_interpreter_decides(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (IPv4Address, IPv6Address):
        for name in ("is_global", "is_private", "is_reserved", "is_multicast", "ipv4_mapped", "sixtofour", "teredo"):
            monkeypatch.setattr(kind, name, property(lambda _: pytest.fail("asked")), raising=False)
    assert is_public(ip_address(address)) == (address in PUBLIC)


@pytest.mark.parametrize("zone", ["fe80::1%lo", "::1%lo", "ff02::1%lo", "::ffff:127.0.0.1%lo"])
def test_a_zone_makes_no_address_public(zone: str) -> None:
    with pytest.raises(TargetError):
        Guard().addresses(zone, 443)


@pytest.mark.parametrize(
    "text",
    ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "localhost.", "LOCALHOST", "127.0.0.1.", "0",
     "0x7f000001", "１２７.0.0.1", "127。0。0。1", "localhost。", "ⓛocalhost", "[::1]", "127.0.0.1:80", "x@127.0.0.1",
     "", ".", "a..b", "%6c", "a" * 300, "\ud800"],
)  # fmt: skip
def test_other_spellings_of_the_own_machine_are_refused(text: str) -> None:
    with pytest.raises(TargetError):
        Guard().addresses(text, 443)


@pytest.mark.parametrize("address", PUBLIC)
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


def test_a_name_server_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(60))
    with pytest.raises(TargetError, match=r"DNS did not answer for slow\.example in time"):
        Guard().connect("slow.example", 443, 0.2)
    ended.set()


def test_all_addresses_of_a_host_together_have_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server may answer with hundreds of addresses where nobody answers."""
    tried: list[float] = []

    def hang(_address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(timeout)
        time.sleep(timeout)
        raise TimeoutError

    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"8.8.8.{last}", 443)) for last in range(100)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    monkeypatch.setattr(socket, "create_connection", hang)
    with pytest.raises(TargetError):
        Guard().connect("many.example", 443, 0.5)
    assert len(tried) == MAX_ADDRESSES
    assert sum(tried) <= 0.5 + 0.1 * MAX_ADDRESSES


@pytest.mark.parametrize(
    "url",
    ["https://user@example.com/", "https://@example.com/", "https://user:x@example.com/", "https://a\\@example.com/",
     "https://example.com\\.internal/", "https://[::1/", "https://example.com:x/", "https:///x", "https://\u0131.example/"],
)  # fmt: skip
def test_a_url_that_programs_read_differently_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        check_url(Guard(), url)


def test_what_opens_connections_is_known() -> None:
    """Targets that an organization chooses go through the guard; the other modules have targets of the operator."""
    source = Path(tallystick.__file__).parent
    opens = re.compile(
        r"^(?:from|import) "
        r"(?:aiohttp|aiosmtplib|http\.client|httpx|minio|requests|smtplib|socket|urllib3|urllib\.request)\b"
    )
    found = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if any(opens.match(line) for line in path.read_text().splitlines())
    }
    guarded = {"destinations/address_guard.py", "destinations/http_client.py", "destinations/s3.py"}
    of_the_operator = {
        "cli/client.py", "cli/server_process.py", "cli/tail.py", "destinations/name_lookup.py", "destinations/smtp.py",
        "doctor/environment.py", "store/clients.py", "store/errors.py", "verify/live.py",
    }  # fmt: skip
    assert found == guarded | of_the_operator
