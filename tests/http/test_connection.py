"""A connection is ended when its client takes too long, sends too much, or there are too many."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest

from tallystick.cli.server_process import BoundedServer, make_config
from tallystick.http.connection import (
    MOST_FRAMING_BYTES,
    MOST_HEAD_BYTES,
    MOST_HEADERS,
    MOST_PATH_BYTES,
    MOST_PIPELINED,
    MOST_UNREAD_BYTES,
    ConnectionLimits,
    OpenConnections,
)
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until
from tests.http.raw import connect, head, read_all, read_status

SHORT = ConnectionLimits(
    most=40, most_of_address=40, first_byte_seconds=0.5, head_seconds=0.5, idle_seconds=0.5, unread_seconds=0.5,
    stalled_seconds=1.0,
)  # fmt: skip
PATIENT = ConnectionLimits(most=40, most_of_address=40)
OK = b"HTTP/1.1 200 OK"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """/large and /endless answer with more than a connection buffers; /waiting answers when the client has left."""

    async def client_leaves() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    if scope["path"] == "/waiting":
        await client_leaves()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/large":
        await send({"type": "http.response.body", "body": bytes(32 << 20), "more_body": True})
    if scope["path"] == "/endless":
        leaving = asyncio.create_task(client_leaves())
        while not leaving.done():
            await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
            await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"done"})


@dataclass
class Running:
    """A server in a thread of this process."""

    url: str
    server: BoundedServer
    connections: OpenConnections

    def open_count(self) -> int:
        return len(self.server.server_state.connections)

    def wait_for_count(self, count: int) -> None:
        """Wait until so many connections are open; for none, also until nothing that answered them runs any more."""
        wait_until(
            lambda: self.open_count() == count and (count or not self.server.server_state.tasks),
            detail=lambda: f"{self.open_count()} connections are open",
        )


@contextlib.contextmanager
def running(limits: ConnectionLimits) -> Iterator[Running]:
    connections = OpenConnections(limits)
    config = make_config(connections, "http://127.0.0.1")
    config.app = application
    config.timeout_graceful_shutdown = 1
    listening = threading.Event()
    server = BoundedServer(config, connections, listening.set, lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                runner.run(server.serve(sockets=[listener]))

        thread = threading.Thread(target=serve)
        thread.start()
        assert listening.wait(PATIENCE_SECONDS)
        yield Running(url, server, connections)
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def short() -> Iterator[Running]:
    """A server whose limits of time are short."""
    with running(SHORT) as one:
        yield one


@pytest.fixture(scope="module")
def unhurried() -> Iterator[Running]:
    """A server whose limits of time are short, but longer than a client of a busy machine stands still."""
    with running(replace(SHORT, first_byte_seconds=5, head_seconds=5, idle_seconds=3, stalled_seconds=3)) as one:
        yield one


@pytest.fixture(scope="module")
def patient() -> Iterator[Running]:
    """A server with the limits of time of the product."""
    with running(PATIENT) as one:
        yield one


def test_a_connection_without_a_byte_is_closed(short: Running):
    with connect(short.url) as client:
        assert read_all(client) == b""


def test_a_head_that_does_not_end_is_answered_with_408_and_closed(short: Running):
    with connect(short.url) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n")
        assert read_status(client) == 408
        assert b"connection: close" in read_all(client)


def test_a_head_that_comes_byte_by_byte_gets_no_more_time(short: Running):
    with connect(short.url) as client:
        client.settimeout(0.05)
        ends, answer = time.monotonic() + PATIENCE_SECONDS, b""
        while not answer and time.monotonic() < ends:
            with contextlib.suppress(ConnectionError):
                client.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                answer = client.recv(100)
        assert answer.startswith(b"HTTP/1.1 4")


def test_empty_lines_do_not_keep_a_connection_open(short: Running):
    with connect(short.url) as client:
        client.sendall(head("GET", "/"))
        assert read_status(client) == 200
        client.settimeout(0.1)

        def is_closed() -> bool:
            try:
                client.sendall(b"\r\n")
                return client.recv(65536) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_until(is_closed)


def test_a_connection_is_kept_for_the_next_request_for_a_while_only(unhurried: Running):
    with connect(unhurried.url) as client:
        for _ in range(3):
            client.sendall(head("GET", "/"))
            assert read_status(client) == 200
            while not client.recv(65536).endswith(b"0\r\n\r\n"):
                pass
        assert read_all(client) == b""


def test_the_rest_of_a_body_that_nobody_reads_is_not_waited_for(short: Running):
    with connect(short.url) as client:
        client.sendall(head("POST", "/", Content_Length="1000000"))
        assert read_status(client) == 200
        assert read_all(client).endswith(b"done\r\n0\r\n\r\n")


def test_no_more_than_a_little_of_a_body_that_nobody_reads_is_taken(patient: Running):
    with connect(patient.url) as client:
        client.sendall(head("POST", "/", Content_Length=str(1 << 30)))
        assert read_status(client) == 200
        with pytest.raises(ConnectionError):
            for _ in range(100 * MOST_UNREAD_BYTES // 65536):
                client.sendall(bytes(65536))


@pytest.mark.parametrize("path", ["/large", "/endless"])
def test_a_client_that_does_not_read_its_answer_is_cut_off(short: Running, path: str):
    with connect(short.url) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(head("GET", path))
        short.wait_for_count(1)
        short.wait_for_count(0)


def test_a_client_that_reads_slowly_gets_its_whole_answer(unhurried: Running):
    with connect(unhurried.url) as client:
        client.sendall(head("GET", "/large", Connection="close"))
        received = 0
        while part := client.recv(1 << 20):
            received += len(part)
            time.sleep(0.125)  # for all of it longer than a connection may stand still
        assert received > 32 << 20


def test_a_request_that_is_being_answered_is_not_closed_for_its_time(short: Running):
    with connect(short.url) as client:
        client.sendall(head("GET", "/waiting"))
        time.sleep(2)
        assert short.open_count() == 1
    short.wait_for_count(0)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (head("GET", "/", X="x" * MOST_HEAD_BYTES), 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * (5 * MOST_HEAD_BYTES), 431),
        (b"GET /?" + b"x" * (5 * MOST_HEAD_BYTES), 431),
        (head("GET", "/", **{f"x{number}": "x" for number in range(MOST_HEADERS)}), 431),
        (head("GET", "/" + "x" * MOST_PATH_BYTES), 414),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=["head", "header that does not end", "line that does not end", "headers", "path", "nonsense"],
)
def test_a_head_that_is_too_large_or_none_is_refused(patient: Running, content: bytes, status: int):
    with connect(patient.url) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(content)
        assert read_status(client) == status
        read_all(client)


def test_a_long_query_reaches_the_application(patient: Running):
    with connect(patient.url) as client:
        client.sendall(head("GET", "/?" + "x" * 40_000, Connection="close"))
        assert read_all(client).startswith(OK)


def test_a_head_behind_a_request_that_is_being_answered_is_limited_too(patient: Running):
    with connect(patient.url) as client, contextlib.suppress(ConnectionError):
        client.sendall(head("GET", "/waiting") + b"GET / HTTP/1.1\r\nX: ")
        for _ in range(10 * MOST_HEAD_BYTES // 4096):
            client.sendall(b"x" * 4096)
            time.sleep(0.001)
        assert read_all(client) == b""


def test_requests_can_be_sent_ahead_but_not_without_end(patient: Running):
    with connect(patient.url) as client:
        client.sendall(head("GET", "/") * (MOST_PIPELINED // 2) + head("GET", "/", Connection="close"))
        assert read_all(client).count(OK) == MOST_PIPELINED // 2 + 1
    with connect(patient.url) as client:
        client.sendall(head("GET", "/") * 1000)
        assert read_all(client).count(OK) <= MOST_PIPELINED + 1


@pytest.mark.parametrize(
    "framing",
    [b"0\r\nX: " + b"x" * 4096, b"0\r\n" + b"X: x\r\n" * 600, b"1;x=" + b"x" * 4096],
    ids=["a trailer that does not end", "trailers", "an extension that does not end"],
)
def test_what_comes_with_a_chunked_body_beside_its_bytes_is_limited(patient: Running, framing: bytes):
    with connect(patient.url) as client, pytest.raises(ConnectionError):
        client.sendall(head("POST", "/waiting", Transfer_Encoding="chunked") + b"3\r\nabc\r\n" + framing)
        for _ in range(100 * MOST_FRAMING_BYTES // 4096):
            client.sendall(framing[-4096:])
            time.sleep(0.001)


def test_a_body_of_many_small_chunks_arrives(patient: Running):
    with connect(patient.url) as client:
        client.sendall(head("POST", "/waiting", Transfer_Encoding="chunked"))
        for _ in range(MOST_FRAMING_BYTES // 100):
            client.sendall(b"1\r\nx\r\n" * 50)
        client.sendall(b"0\r\nX: x\r\n\r\n")
        patient.wait_for_count(1)
    patient.wait_for_count(0)


def test_answers_that_clients_do_not_take_have_bounded_memory():
    limits = replace(PATIENT, most_unsent_bytes=80 << 20)
    with running(limits) as bounded, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(bounded.url)) for _ in range(6)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(head("GET", "/large"))
        bounded.wait_for_count(2)
        with connect(bounded.url) as newcomer:
            newcomer.sendall(head("GET", "/", Connection="close"))
            assert read_all(newcomer).startswith(OK)


def test_one_address_gets_its_share_of_connections_and_a_trusted_proxy_more():
    limits = ConnectionLimits(most=40, most_of_address=5)
    with running(limits) as strict, contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connect(strict.url))
        strict.wait_for_count(5)
        refused = read_all(stack.enter_context(connect(strict.url)))
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"retry-after" in refused
    with running(replace(limits, trusted_proxies=(ip_network("127.0.0.0/8"),))) as lenient, contextlib.ExitStack() as s:
        for _ in range(20):
            client = s.enter_context(connect(lenient.url))
            client.sendall(head("GET", "/"))
            assert read_status(client) == 200


def test_when_all_connections_are_in_use_the_one_that_waits_longest_makes_room():
    limits = ConnectionLimits(most=10, most_of_address=100)
    with running(limits) as full, contextlib.ExitStack() as stack:
        busy = stack.enter_context(connect(full.url))
        busy.sendall(head("GET", "/endless"))
        idle = [stack.enter_context(connect(full.url)) for _ in range(9)]
        for client in idle:
            client.sendall(b"GET / HTTP/1.1\r\n")
        full.wait_for_count(10)
        for _ in range(3):
            with connect(full.url) as newcomer:
                newcomer.sendall(head("GET", "/", Connection="close"))
                assert read_all(newcomer).startswith(OK)
        assert read_all(idle[0]) == b"", "the first of those who sent half a head was closed"
        assert busy.recv(100), "a request that is being answered goes on"


def test_when_all_connections_are_being_answered_a_newcomer_is_told_to_come_back():
    with running(ConnectionLimits(most=3, most_of_address=100)) as full, contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(connect(full.url))
            client.sendall(head("GET", "/endless"))
            assert read_status(client) == 200
        assert read_all(stack.enter_context(connect(full.url))).startswith(b"HTTP/1.1 503")
