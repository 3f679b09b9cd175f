"""What can go wrong with the agent's own state, by what the catcher does next."""


class OutboxError(Exception):
    """Base of every error of the agent's state."""


class StateError(OutboxError):
    """The state is missing, another's, or unusable: stop. The message carries the remedy."""


class AnotherRunsError(StateError):
    """Another agent owns the state now."""


class OutboxFullError(OutboxError):
    """There is no room to sign more: stop reading, say so, keep everything, keep sending."""


class DiskFullError(OutboxFullError):
    """The disk refused a write; the transaction left no trace."""
