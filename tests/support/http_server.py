"""A local web server that misbehaves as told, for the tests of ``deeprac.fetch``."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What one address serves, and how often it goes wrong before it goes right."""

    body: bytes = b""
    etag: str | None = '"v1"'
    ranges: bool = True
    """Whether ``Range`` is honoured."""
    obeys_if_range: bool = True
    statuses: list[int] = field(default_factory=list)
    """Errors of the first answers, one each."""
    retry_after: str | None = None
    drops: list[int] = field(default_factory=list)
    """Bytes of the body after which the first answers break off, one each."""
    length: int | None = None
    """Content-Length that is told, if not the true one."""
    chunk: int = 1 << 16
    delay_s: float = 0.0
    """Pause before every chunk."""
    link: str | None = None


class Server:
    """Pages by path, and a record of the requests."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, str | None]] = []
        """Path with query, and the ``Range`` asked for."""
        self.sent: Counter[str] = Counter()
        """Bytes of body by path."""
        self.most_at_once = 0
        self._at_once = 0
        self.lock = threading.Lock()
        self.url = ""

    def ranges(self, path: str) -> list[str | None]:
        return [asked for name, asked in self.requests if name == path]

    def count(self, change: int) -> None:
        with self.lock:
            self._at_once += change
            self.most_at_once = max(self.most_at_once, self._at_once)


@contextmanager
def serve() -> Iterator[Server]:
    """Serve on a free port of this machine while the block runs."""
    server = Server()

    class Handler(_Handler):
        state = server

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        state = self.state
        state.count(+1)
        try:
            with state.lock:
                state.requests.append((self.path, self.headers.get("Range")))
                page = state.pages.get(self.path)
                status = page.statuses.pop(0) if page and page.statuses else 0
                drop = page.drops.pop(0) if page and page.drops and not status else None
            if page is None or status:
                self._error(status or 404, page)
            else:
                self._body(page, drop)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            state.count(-1)

    def _error(self, status: int, page: Page | None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if page and page.retry_after:
            self.send_header("Retry-After", page.retry_after)
        self.end_headers()

    def _body(self, page: Page, drop: int | None) -> None:
        body, start = page.body, self._start(page)
        if start > len(body) or (start and start == len(body)):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            told = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.send_header("Content-Range", told)
        length = page.length if page.length is not None else len(body) - start
        self.send_header("Content-Length", str(length))
        if page.etag:
            self.send_header("ETag", page.etag)
        if page.link:
            self.send_header("Link", f'<{page.link}>; rel="next"')
        self.end_headers()
        self._send(page, body[start:], drop)

    def _start(self, page: Page) -> int:
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, page.etag)
        if not asked or not page.ranges or (page.obeys_if_range and not same):
            return 0
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def _send(self, page: Page, rest: bytes, drop: int | None) -> None:
        sent = 0
        whole = rest if drop is None else rest[:drop]
        while sent < len(whole):
            time.sleep(page.delay_s)
            chunk = whole[sent : sent + page.chunk]
            sent += len(chunk)
            with self.state.lock:  # before the client can ask for the number
                self.state.sent[self.path] += len(chunk)
            self.wfile.write(chunk)
            self.wfile.flush()
        if drop is not None or page.length not in (None, len(rest)):
            self.close_connection = True
