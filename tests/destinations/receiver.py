"""A real HTTP server on 127.0.0.1: what it got, and what it is to answer."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Keeps what arrives; answers `status` with `headers`, after `wait` seconds, or drips for ever.

    To a body that holds what it `refuses`, it answers `refusal`.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hooks/audit"
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.wait = 0.0
        self.drips = False
        self.refuses: bytes | None = None
        self.refusal = 403


@contextmanager
def open_receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            time.sleep(made.wait)
            if made.drips:
                with_patience(self)
                return
            is_refused = made.refuses is not None and made.refuses in body
            self.send_response(made.refusal if is_refused else made.status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    def with_patience(handler: Handler) -> None:
        """A header that never ends, a byte at a time."""
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            for _ in range(600):
                handler.wfile.write(b"a")
                handler.wfile.flush()
                if closing.wait(0.1):
                    return
        except OSError:
            return

    closing = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
