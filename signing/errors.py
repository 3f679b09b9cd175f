"""What can go wrong in this package, by what the catcher does next."""


class SigningError(Exception):
    """Base of every error that this package raises."""


class DecodeError(SigningError):
    """Foreign bytes or text are not what the wire format says: refuse them and record that. Never retried."""


class VerificationError(SigningError):
    """The bytes are well formed and a check fails: refuse them. `check` is the number of the check.

    The numbers are those of the list that the raising function documents.
    """

    def __init__(self, check: int, message: str) -> None:
        super().__init__(f"({check}) {message}")
        self.check = check


class KeyUnavailableError(SigningError):
    """A private key cannot be opened: an operator must act. The message says how, and never holds key material."""
