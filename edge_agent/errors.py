"""What can go wrong in the edge agent at its meters, by what the catcher does next."""


class ReaderError(Exception):
    """Base of every error of the readers."""


class ReaderUrlError(ReaderError):
    """A reader URL is wrong: stop and tell the operator. Carries every fault at once, and never a secret."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class MeterUnavailableError(ReaderError):
    """The meter did not answer, or not now: retry later, not before `retry_after_s` where it is given.

    A meter serves one association at a time: one that was left without release stays locked until its inactivity
    time-out, so `retry_after_s` is then longer than that.
    """

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MeterRefusedError(ReaderError):
    """The meter answered and said no, or offers something else than asked: give up and record.

    The message names the object. `reason` is the code of the meter's refusal where it gave one.
    """

    def __init__(self, message: str, *, reason: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class MeterDecodeError(ReaderError):
    """The meter's bytes are not what the protocol says: record, never guess. The message names the object and place."""


class MeterForgedError(MeterDecodeError):
    """The octets are not authentically the meter's: a wrong tag, a replay, or plain octets where ciphered ones were agreed.

    The association is closed; nothing of it may be believed.
    """


class MeterExceptionError(MeterRefusedError):
    """The meter could not process the request at all. It says so outside of any protection: nobody vouches for it."""


class CounterRefusedError(MeterExceptionError):
    """The meter refuses our invocation counter. `expected` is the one it wants, where it says so; nobody vouches for it."""

    def __init__(self, message: str, *, expected: int | None = None) -> None:
        super().__init__(message)
        self.expected = expected


class CounterBackError(MeterRefusedError):
    """The meter's record of our invocation counter is lower than what it was proven to have accepted: stop, and tell an operator.

    Another meter, a meter that was reset, or somebody who wants counters used twice. Never silently followed.
    """


class CounterJumpError(MeterRefusedError):
    """The meter says that it accepted counters far beyond what anybody can have used: following it would use the key up for
    everybody. Stop, and tell an operator.
    """


class MeterKeyError(ReaderError):
    """A meter's keys cannot be had: stop asking that meter and tell the operator. Carries the remedy, and never a key."""
