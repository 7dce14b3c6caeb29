"""A server lives as long as its block."""

import socket
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler

import pytest

from e2e.harness.ports import LOOPBACK, free_port
from e2e.harness.serving import served


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


def get(address: str) -> bytes:
    with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
        return bytes(answer.read())


def test_it_answers_at_the_port_that_was_asked_for_and_frees_it() -> None:
    port, before = free_port(), threading.active_count()
    with served(Hello, port) as address:
        assert address == f"{LOOPBACK}:{port}"
        assert get(address) == b"hello"
    with pytest.raises(OSError, match="refused"):
        get(address)
    assert threading.active_count() == before


def test_a_connection_that_says_nothing_keeps_nobody_waiting() -> None:
    with served(Hello) as address:
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port))):
            assert get(address) == b"hello"
