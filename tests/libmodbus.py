"""libmodbus, a Modbus stack in C that shares no code with anything here: as a master, and as a slave in a thread.

Source: libmodbus 3.1 manual pages.
"""

import contextlib
import ctypes
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.system import require_library

ENOBASE = 112_345_678
"""Added to a Modbus exception code in ``errno``."""
_LONGEST_REQUEST = 260
_PATIENCE_US = 100_000


class LibmodbusError(Exception):
    """What libmodbus has to say."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.exception_code = code - ENOBASE if code > ENOBASE else None


class _Mapping(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for kind in ("bits", "input_bits") for name in (f"nb_{kind}", f"start_{kind}")),
        ("nb_input_registers", ctypes.c_int),
        ("start_input_registers", ctypes.c_int),
        ("nb_registers", ctypes.c_int),
        ("start_registers", ctypes.c_int),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    )


def _library() -> Any:
    library = require_library("modbus")
    for name in ("modbus_new_tcp", "modbus_new_rtu"):
        getattr(library, name).restype = ctypes.c_void_p
    library.modbus_strerror.restype = ctypes.c_char_p
    library.modbus_mapping_new_start_address.restype = ctypes.POINTER(_Mapping)
    return library


@contextlib.contextmanager
def _context(library: Any, made: int | None) -> Iterator[ctypes.c_void_p]:
    assert made, "libmodbus made no context"
    context = ctypes.c_void_p(made)
    try:
        yield context
    finally:
        library.modbus_close(context)
        library.modbus_free(context)


def _rtu(library: Any, path: str, unit: int) -> Any:
    made = library.modbus_new_rtu(path.encode(), 9600, ctypes.c_char(b"N"), 8, 1)
    library.modbus_set_slave(ctypes.c_void_p(made), unit)
    return made


class Master:
    """A connected master. Its calls block."""

    def __init__(self, library: Any, context: ctypes.c_void_p) -> None:
        self._library = library
        self._context = context
        library.modbus_set_response_timeout(context, 1, 0)
        if library.modbus_connect(context) != 0:
            raise self._error()

    def holding(self, address: int, words: int) -> list[int]:
        """Holding registers (function 3)."""
        return self._read(self._library.modbus_read_registers, address, words)

    def inputs(self, address: int, words: int) -> list[int]:
        """Input registers (function 4)."""
        return self._read(self._library.modbus_read_input_registers, address, words)

    def _read(self, read: Callable[..., int], address: int, words: int) -> list[int]:
        found = (ctypes.c_uint16 * words)()
        if read(self._context, address, words, found) != words:
            raise self._error()
        return list(found)

    def _error(self) -> LibmodbusError:
        code = ctypes.get_errno()
        return LibmodbusError(code, self._library.modbus_strerror(code).decode())


@contextlib.contextmanager
def tcp_master(port: int, unit: int = 1) -> Iterator[Master]:
    """A master connected to 127.0.0.1:`port`."""
    library = _library()
    with _context(library, library.modbus_new_tcp(b"127.0.0.1", port)) as context:
        library.modbus_set_slave(context, unit)
        yield Master(library, context)


@contextlib.contextmanager
def rtu_master(path: str, unit: int = 1) -> Iterator[Master]:
    """A master on the serial port at `path`, 9600 8N1."""
    library = _library()
    with _context(library, _rtu(library, path, unit)) as context:
        yield Master(library, context)


class _Slave:
    """A slave that answers in a thread until it is told to stop."""

    def __init__(self, library: Any, context: ctypes.c_void_p, words: Mapping[int, int]) -> None:
        self._library = library
        self._context = context
        first, last = min(words), max(words)
        count = last - first + 1
        self._mapping = library.modbus_mapping_new_start_address(0, 0, 0, 0, first, count, first, count)
        for address in range(first, last + 1):
            value = words.get(address, 0)
            self._mapping.contents.tab_registers[address - first] = value
            self._mapping.contents.tab_input_registers[address - first] = value
        self._is_over = threading.Event()
        library.modbus_set_indication_timeout(context, 0, _PATIENCE_US)

    @contextlib.contextmanager
    def answering(self, listener: int | None) -> Iterator[None]:
        """Answers while the context is open; `listener` is the descriptor of a listening socket, None on a serial line."""
        thread = threading.Thread(target=self._serial if listener is None else lambda: self._network(listener))
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()
            self._library.modbus_mapping_free(self._mapping)

    def _network(self, listener: int) -> None:
        while not self._is_over.is_set():
            if select.select([listener], [], [], _PATIENCE_US / 1e6)[0]:
                self._library.modbus_tcp_accept(self._context, ctypes.byref(ctypes.c_int(listener)))
                self._serial()

    def _serial(self) -> None:
        """Answers until the peer is gone."""
        request = (ctypes.c_uint8 * _LONGEST_REQUEST)()
        while not self._is_over.is_set():
            octets = self._library.modbus_receive(self._context, request)
            if octets > 0:
                self._library.modbus_reply(self._context, request, octets, self._mapping)
            elif octets < 0 and ctypes.get_errno() not in _WAITING:
                return


_WAITING = frozenset({110, 11, 4, ENOBASE + 12})
"""Time is up, would block, interrupted, and a CRC that was wrong: the line is still there."""


@contextlib.contextmanager
def tcp_slave(words: Mapping[int, int], unit: int = 1) -> Iterator[int]:
    """A slave that holds `words` by address, in both tables; gives its port on 127.0.0.1."""
    library = _library()
    with _context(library, library.modbus_new_tcp(b"127.0.0.1", 0)) as context:
        library.modbus_set_slave(context, unit)
        listener = library.modbus_tcp_listen(context, 1)
        with socket.socket(fileno=listener) as listening, _Slave(library, context, words).answering(listener):
            yield int(listening.getsockname()[1])


@contextlib.contextmanager
def rtu_slave(path: str, words: Mapping[int, int], unit: int = 1) -> Iterator[None]:
    """A slave on the serial port at `path`, 9600 8N1, that holds `words` by address in both tables."""
    library = _library()
    with _context(library, _rtu(library, os.fspath(path), unit)) as context:
        assert library.modbus_connect(context) == 0
        with _Slave(library, context, words).answering(None):
            yield
