"""The client's address behind proxies."""

from ipaddress import ip_network

import pytest

from tallystick.access.client_address import client_address, is_shared_proxy

PROXIES = tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8")))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param("203.0.113.5", "", "203.0.113.5", id="no proxy"),
        pytest.param("203.0.113.5", "1.2.3.4", "203.0.113.5", id="a stranger's header is not believed"),
        pytest.param("10.0.0.1", "", "10.0.0.1", id="a proxy that says nothing"),
        pytest.param("10.0.0.1", "198.51.100.7", "198.51.100.7", id="one proxy"),
        pytest.param("10.0.0.1", "198.51.100.7, 10.9.9.9", "198.51.100.7", id="two proxies"),
        pytest.param("10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7", id="the client's own header is not believed"),
        pytest.param("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3", id="proxies alone: the farthest"),
        pytest.param("10.0.0.1", "198.51.100.7:51234", "198.51.100.7", id="with a port"),
        pytest.param("10.0.0.1", "[2001:db8::7]:51234", "2001:db8::7", id="IPv6 with a port"),
        pytest.param("10.0.0.1", '"[2001:DB8:0::7]"', "2001:db8::7", id="quoted, in its usual form"),
        pytest.param("10.0.0.1", "unknown", "10.0.0.1", id="no address"),
        pytest.param("10.0.0.1", "6.6.6.6, unknown", "10.0.0.1", id="nothing beyond what cannot be read"),
        pytest.param("10.0.0.1", "6.6.6.6,", "10.0.0.1", id="nothing beyond an empty hop"),
        pytest.param("::ffff:10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7", id="IPv4 within IPv6"),
        pytest.param("fd00::1%eth0", "2001:db8::7", "2001:db8::7", id="with a zone"),
    ],
)
def test_the_client_is_the_first_hop_from_the_right_that_is_no_trusted_proxy(peer, forwarded, client):
    assert client_address(peer, forwarded, PROXIES)[0] == client


def test_both_addresses_are_given():
    assert client_address("10.0.0.1", "198.51.100.7", PROXIES) == ("198.51.100.7", "10.0.0.1")


def test_without_trusted_proxies_the_header_is_never_read():
    assert client_address("10.0.0.1", "198.51.100.7", ()) == ("10.0.0.1", "10.0.0.1")


def test_a_peer_without_address_has_none_whatever_the_header_says():
    assert client_address("", "198.51.100.7", PROXIES) == ("", "")


def test_a_header_of_a_hundred_thousand_hops_is_read_in_no_time():
    assert client_address("10.0.0.1", "10.0.0.2," * 100_000 + "10.0.0.3", PROXIES)[0] == "10.0.0.2"


@pytest.mark.parametrize(
    ("peer", "forwarded", "shared"),
    [
        pytest.param("198.18.0.7", "203.0.113.9", True, id="a proxy inside that nobody named"),
        pytest.param("::1", "203.0.113.9", True, id="on the same machine"),
        pytest.param("10.0.0.1", "203.0.113.9", False, id="a trusted one"),
        pytest.param("127.0.0.1", "", False, id="no proxy"),
        pytest.param("93.184.215.14", "203.0.113.9", False, id="a stranger who writes the header"),
        pytest.param("2606:2800::1", "203.0.113.9", False, id="over IPv6"),
        pytest.param("", "203.0.113.9", False, id="no address"),
    ],
)
def test_no_stranger_becomes_a_proxy_that_is_never_locked_by_writing_a_header(peer, forwarded, shared):
    assert is_shared_proxy(peer, forwarded, PROXIES) is shared
