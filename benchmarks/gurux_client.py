"""Gurux's Python client reads a whole ciphered load profile several times; what it costs is printed as JSON.

Runs in a virtual environment of its own, where its licence (GPL-2.0) concerns nobody else: nothing of ours is imported here, and
this file is imported by nothing of ours. It uses that client's public interface as its documentation shows it.

``python gurux_client.py PORT REPEATS PASSWORD ENCRYPTION AUTHENTICATION TITLE COUNTER`` (keys and title in hexadecimal)
"""

import contextlib
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from gurux_dlms import GXByteBuffer, GXReplyData  # type: ignore[import-not-found]
from gurux_dlms.enums import Authentication, InterfaceType, Security  # type: ignore[import-not-found]
from gurux_dlms.objects import GXDLMSProfileGeneric  # type: ignore[import-not-found]
from gurux_dlms.secure import GXDLMSSecureClient  # type: ignore[import-not-found]

PROFILE = "1.0.99.1.0.255"
IMPORT = "1.0.1.29.0.255"


class Meter:
    """One association over the TCP wrapper."""

    def __init__(self, port: int, password: str, keys: list[bytes], counter: int) -> None:
        encryption, authentication, title = keys
        self.client = GXDLMSSecureClient(True, 32, 1, Authentication.LOW, password, InterfaceType.WRAPPER)  # noqa: FBT003 - its interface
        ciphering = self.client.settings.cipher
        ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        ciphering.systemTitle = title
        ciphering.blockCipherKey = encryption
        ciphering.authenticationKey = authentication
        ciphering.invocationCounter = counter
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request: Any, reply: Any) -> None:  # noqa: ANN401 - an untyped library
        """One request, and the frame or frames that answer it."""
        self.socket.sendall(bytes(request))
        received = GXByteBuffer()
        notify = GXReplyData()
        while True:
            received.set(self.socket.recv(65536))
            if self.client.getData(received, reply, notify):
                return

    def ask(self, requests: Any) -> Any:  # noqa: ANN401 - likewise
        """Every request and what the meter says in however many blocks."""
        reply = GXReplyData()
        for request in requests if isinstance(requests, list) else [requests]:
            reply.clear()
            self.exchange(request, reply)
            while reply.isMoreData():
                self.exchange(self.client.receiverReady(reply), reply)
        if reply.error:
            raise SystemExit(f"the meter refuses: {reply.error}")
        return reply

    def read(self) -> tuple[int, int, int]:
        """Rows, the import that they add up to in Wh, and the next invocation counter."""
        self.client.parseAareResponse(self.ask(self.client.aarqRequest()).data)
        profile = GXDLMSProfileGeneric(PROFILE)
        for attribute in (3, 2):
            self.client.updateValue(profile, attribute, self.ask(self.client.read(profile, attribute)).value)
        place = [column.logicalName for column, _ in profile.captureObjects].index(IMPORT)
        rows, import_wh = len(profile.buffer), sum(int(row[place]) for row in profile.buffer)
        self.ask(self.client.releaseRequest())
        self.socket.close()
        return rows, import_wh, self.client.settings.cipher.invocationCounter


def main() -> None:
    """As the module says."""
    port, repeats, password, *keys, first = sys.argv[1:]
    counter, rows, import_wh = int(first), 0, 0
    cpu_s, wall_s = [], []
    # It prints two lines for every APDU; into nowhere it is as quick as it can be.
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        for _ in range(int(repeats)):
            cpu, wall = time.process_time(), time.perf_counter()
            meter = Meter(int(port), password, [bytes.fromhex(key) for key in keys], counter)
            rows, import_wh, counter = meter.read()
            cpu_s.append(time.process_time() - cpu)
            wall_s.append(time.perf_counter() - wall)
    print(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s, "rows": rows, "import_wh": import_wh}))


if __name__ == "__main__":
    main()
