"""What can go wrong in this package, by what the catcher does next."""


class HeadendError(Exception):
    """Base of every error that this package raises."""


class FatalError(HeadendError):
    """Stop the process: going on could sign, lose or double something. The message carries the operator's remedy."""


class UnavailableError(HeadendError):
    """Something outside cannot be used now: keep what is at hand, raise an alarm, try again later."""


class StoreUnavailableError(UnavailableError):
    """The database cannot be written now: the disk is full, fails, or another program holds the database.

    Nothing of the transaction happened: what was about to be stored MUST be kept and MUST NOT be acknowledged.
    """


class TransportUnavailableError(UnavailableError):
    """The broker cannot be reached. Unacknowledged deliveries come again."""


class RefusedError(HeadendError):
    """What an operator or a peer asked for is refused for good: say so and do not retry."""


class EnrolmentRefusedError(RefusedError):
    """An enrolment, or a change of a meter's record, contradicts itself or what is recorded. Nothing changed."""
