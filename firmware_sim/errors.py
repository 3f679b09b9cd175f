"""What can go wrong in a simulated meter, by what the catcher does next."""


class SimulatorError(Exception):
    """Base of every error this package raises on purpose."""


class SetupError(SimulatorError):
    """The simulator cannot start as asked: the message says what was expected, what was given and what to do."""


class DecodeError(SimulatorError):
    """Foreign bytes that are not what the protocol says they are; the session answers or closes, it never dies."""
