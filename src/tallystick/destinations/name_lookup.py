"""DNS look-ups that end in time. The system's resolver can neither be interrupted nor given a limit."""

import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from threading import Thread
from typing import TypeVar

MAX_ADDRESSES = 4  # of a host that are tried: a name server may answer with hundreds that hang
T = TypeVar("T")


def look_up(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a host, each once. Raises OSError without one, TimeoutError if DNS takes more than `seconds`."""
    try:
        found = call_within(seconds, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return list(dict.fromkeys(str(one[4][0]) for one in found))


@cache
def own_host_name() -> str:
    """The name by which this host greets a mail server."""
    try:
        return call_within(5.0, socket.getfqdn)
    except TimeoutError:
        return socket.gethostname()


def call_within(seconds: float, function: Callable[[], T]) -> T:
    """The result of a function that may block. Raises TimeoutError after `seconds`; its thread ends when it returns."""
    result: Future[T] = Future()

    def call() -> None:
        try:
            result.set_result(function())
        except BaseException as error:
            result.set_exception(error)

    Thread(target=call, name="name look-up", daemon=True).start()
    return result.result(max(0.0, seconds))
