"""Who may read a simulated meter, as it is asked on the command line: passwords, ciphering and keys."""

import argparse
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, TEST_AK, TEST_EK, TEST_HLS_SECRET, Access, Ciphering
from firmware_sim.dlms.gcm import AUTHENTICATED, BOTH, ENCRYPTED, KEY_SIZE, Keys
from firmware_sim.errors import SetupError
from firmware_sim.options import Checks, one_of


class Protection(Enum):
    """What every ciphered request must have, as the bits of the security control byte."""

    BOTH = "both"
    AUTHENTICATED = "authenticated"
    ENCRYPTED = "encrypted"


_POLICIES = {Protection.BOTH: BOTH, Protection.AUTHENTICATED: AUTHENTICATED, Protection.ENCRYPTED: ENCRYPTED}
_MECHANISMS = {"2": Mechanism.HLS, "5": Mechanism.GMAC}


def choices(of: type[Enum]) -> str:
    """The members of `of` as help shows them."""
    return "|".join(str(each.value) for each in of)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What one meter is asked, and a fleet of them."""
    parser.add_argument(
        "--password", default=DEFAULT_PASSWORD.decode(), help="meter reader's secret (default %(default)s)"
    )
    parser.add_argument("--suite0", default=Ciphering.OFF.value, metavar=choices(Ciphering),
                        help="ciphering of the meter reader's association (default %(default)s); "
                        "the utility's is ciphered unless this is off")  # fmt: skip
    parser.add_argument("--protection", default=Protection.BOTH.value, metavar=choices(Protection),
                        help="what ciphered requests must be (default %(default)s)")  # fmt: skip
    parser.add_argument("--hls", metavar="2|5",
                        help="have a utility association (client 48) with AES-128 (2) or GMAC (5)")  # fmt: skip
    given = "32 hexadecimal digits or file:PATH with them; default, a test value known to all:"
    parser.add_argument("--ek", default=TEST_EK.hex(), metavar="KEY", help=f"encryption key: {given} %(default)s")
    parser.add_argument("--ak", default=TEST_AK.hex(), metavar="KEY", help=f"authentication key: {given} %(default)s")
    parser.add_argument("--secret", default=TEST_HLS_SECRET.hex(), metavar="KEY",
                        help=f"key of HLS mechanism 2: {given} %(default)s")  # fmt: skip


def access(arguments: argparse.Namespace, checks: Checks) -> Access | None:
    """The clients of a meter, or None once `checks` holds a problem."""
    password = checks.take("--password", _password, arguments.password)
    keys = [checks.take(f"--{name}", octets(KEY_SIZE), getattr(arguments, name)) for name in ("ek", "ak", "secret")]
    ciphering = checks.take("--suite0", one_of(Ciphering), arguments.suite0)
    protection = checks.take("--protection", one_of(Protection), arguments.protection)
    hls = None if arguments.hls is None else checks.take("--hls", _hls, arguments.hls)
    ek, ak, secret = keys
    if password is None or ek is None or ak is None or secret is None or ciphering is None or protection is None:
        return None
    return Access(
        password=password,
        keys=Keys(encryption=ek, authentication=ak),
        ciphering=ciphering,
        policy=_POLICIES[protection],
        hls=hls,
        hls_secret=secret,
    )


def octets(size: int) -> Callable[[str], bytes]:
    """A parser of so many bytes, given in hexadecimal or in a file. What is wrong is told without the value."""

    def parse(text: str) -> bytes:
        scheme, colon, path = text.partition(":")
        if colon and scheme == "file":
            try:
                text = Path(path).read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError):
                raise SetupError(f"cannot read {path!r}: give a file with {2 * size} hexadecimal digits") from None
        try:
            content = bytes.fromhex(text)
        except ValueError:
            content = b""
        if len(content) != size:
            raise SetupError(f"expected {2 * size} hexadecimal digits, or file:PATH with them")
        return content

    return parse


def _password(text: str) -> bytes:
    # Never named in the message: what is wrong about it can be said without it.
    if not (text.isascii() and 1 <= len(text) <= 64):
        raise SetupError("expected 1 to 64 ASCII characters")
    return text.encode("ascii")


def _hls(text: str) -> Mechanism:
    if text not in _MECHANISMS:
        raise SetupError(f"expected 2 or 5, got {text!r}")
    return _MECHANISMS[text]
