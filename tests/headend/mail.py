"""A mail server of one connection at a time, for what a sender says to it: plain SMTP with AUTH PLAIN, on loopback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Mail:
    """What came."""

    port: int
    letters: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refuses: bool = False


@contextmanager
def mail_server() -> Iterator[Mail]:
    """Serves until the end of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    mail = Mail(port=listener.getsockname()[1])
    thread = threading.Thread(target=_serve, args=(listener, mail))
    thread.start()
    try:
        yield mail
    finally:
        # Closing alone does not wake an accept.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _serve(listener: socket.socket, mail: Mail) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rwb") as stream:

            def say(line: str, stream: object = stream) -> None:
                stream.write(line.encode() + b"\r\n")  # type: ignore[attr-defined]
                stream.flush()  # type: ignore[attr-defined]

            say("220 test")
            for raw in stream:
                line = raw.decode().strip()
                verb = line[:4].upper()
                if verb == "EHLO":
                    say("250-test\r\n250 AUTH PLAIN")
                elif verb == "AUTH":
                    mail.logins.append(line)
                    say("235 welcome")
                elif verb == "MAIL" and mail.refuses:
                    say("451 later")
                elif verb == "DATA":
                    say("354 go on")
                    letter = []
                    for part in stream:
                        if part == b".\r\n":
                            break
                        letter.append(part.decode())
                    mail.letters.append("".join(letter))
                    say("250 kept")
                elif verb == "QUIT":
                    say("221 bye")
                    break
                else:
                    say("250 ok")
