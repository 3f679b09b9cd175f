"""Opening a signer: a private key that stays where it is.

``open_signer(uri)`` opens it by scheme; the table below is the list. A signer never shows its key: not in `repr`, not in an
error.
"""

from collections.abc import Callable

from signing.backends import file
from signing.errors import KeyUnavailableError
from signing.keys import Signer

SIGNERS: dict[str, Callable[[str], Signer]] = {"file": file.open_key}
"""Schemes of a key URI. `file:PATH` is a PKCS #8 PEM file that only its owner can read."""


def open_signer(uri: str) -> Signer:
    """The signer that `uri` names.

    Raises:
        KeyUnavailableError: unknown scheme, or the key is not there, not readable or of another kind; with the remedy.
    """
    scheme, separator, rest = uri.partition(":")
    if not separator or scheme not in SIGNERS:
        known = ", ".join(f"{name}:" for name in SIGNERS)
        raise KeyUnavailableError(f"expected a key URI with one of the schemes {known}, got '{scheme}:…'")
    return SIGNERS[scheme](rest)
