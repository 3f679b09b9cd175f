"""Serving on a socket, and leaving nothing behind."""

import socket

import pytest
from fastapi import FastAPI

from ledger_client.sandbox.server import address, listen, serving


def test_a_served_exchange_frees_its_port_at_the_end() -> None:
    with serving(FastAPI()) as where:
        host, port = where.rsplit(":", 1)
        socket.create_connection((host, int(port)), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_an_error_inside_the_block_stops_the_server_too() -> None:
    def spoiled() -> None:
        with serving(FastAPI()):
            raise KeyError

    with pytest.raises(KeyError):
        spoiled()


def test_a_taken_port_is_an_error() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_an_address_of_ipv6_is_bracketed() -> None:
    with listen("127.0.0.1", 0) as four:
        assert address(four).startswith("127.0.0.1:")
    if socket.has_ipv6:
        try:
            six = listen("::1", 0)
        except OSError:
            return
        with six:
            assert address(six).startswith("[::1]:")
