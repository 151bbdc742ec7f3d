"""The pool of clients: how it connects, and what it does after an error."""

import inspect
import socket
import threading

import pytest
from clickhouse_connect.driver.httpclient import HttpClient

from tallystick.errors import SettingsError
from tallystick.setting_values import EVENTS_OPTIONS, events_url_options
from tallystick.settings import Settings
from tallystick.store.clients import Bounds, Clients
from tallystick.store.errors import StoreError
from tallystick.store.versions import check_server_version
from tests.fixtures.network import find_free_port
from tests.fixtures.waiting import PATIENCE_SECONDS

TLS_HANDSHAKE = 0x16


class Listener:
    """Takes one connection on 127.0.0.1, keeps the first bytes, hangs up."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.heard = b""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        connection, _ = self._socket.accept()
        self._socket.close()  # a second try is refused at once
        self.heard = connection.recv(64)
        connection.close()

    def close(self) -> None:
        self._thread.join(PATIENCE_SECONDS)


@pytest.mark.parametrize(("scheme", "encrypted"), [("clickhouse", False), ("clickhouses", True)])
def test_the_scheme_decides_whether_the_server_is_spoken_to_by_tls(scheme: str, encrypted: bool) -> None:
    listener = Listener()
    clients = Clients(f"{scheme}://user:secret@127.0.0.1:{listener.port}/events", Bounds(clients=1))
    with pytest.raises(StoreError), clients.borrow():
        pass
    listener.close()
    assert (listener.heard[0] == TLS_HANDSHAKE) == encrypted


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(SettingsError, match="TALLYSTICK_EVENTS_URL"), Clients("mysql://x", Bounds()).borrow():
        pass


def test_an_unreachable_server_is_a_store_error() -> None:
    with pytest.raises(StoreError), Clients(f"clickhouse://127.0.0.1:{find_free_port()}", Bounds()).borrow():
        pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("secure=false", "unknown option secure"),
        ("conect_timeout=5", "did you mean connect_timeout"),
        ("username=", "unknown option username"),
        ("connect_timeout=soon", "option connect_timeout"),
        ("verify=maybe", "use true or false"),
        ("verify=1&verify=0", "given twice"),
    ],
)
def test_an_option_of_the_url_that_is_unknown_or_of_another_type_is_named(options: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as told:
        Settings.load({"TALLYSTICK_EVENTS_URL": f"clickhouse://host/events?{options}"}, make=False)
    assert "TALLYSTICK_EVENTS_URL" in told.value.detail


def test_a_port_that_is_no_number_and_options_of_the_embedded_store_are_named() -> None:
    for url in ("clickhouse://host:https/events", "chdb:///data?verify=1"):
        with pytest.raises(SettingsError, match="TALLYSTICK_EVENTS_URL"):
            Settings.load({"TALLYSTICK_EVENTS_URL": url}, make=False)


def test_options_of_the_url_have_their_types() -> None:
    found = events_url_options("clickhouses://host/events?connect_timeout=5&verify=false&ca_cert=/etc/ca.pem")
    assert found == {"connect_timeout": 5, "verify": False, "ca_cert": "/etc/ca.pem"}


def test_every_option_of_the_url_is_one_of_the_driver() -> None:
    assert set(EVENTS_OPTIONS) <= set(inspect.signature(HttpClient.__init__).parameters)


@pytest.mark.parametrize("version", ["24.8.4.13", "25.12.1.1", "26.8.9.9"])
def test_a_server_that_is_too_old_is_named_with_the_version_that_is_needed(version: str) -> None:
    with pytest.raises(SettingsError, match=r"26\.9 or newer"):
        check_server_version(version)


@pytest.mark.parametrize("version", ["26.9.2.1", "26.10.1", "27.1.1.1-lts"])
def test_a_newer_server_is_accepted(version: str) -> None:
    check_server_version(version)
