"""One association with a DLMS meter: opened, asked, released; joins session and transport, with deadlines.

What the objects mean is the caller's: `reader` knows those of a load profile, `survey` takes whatever there is.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from edge_agent.errors import (
    CounterRefusedError,
    MeterDecodeError,
    MeterExceptionError,
    MeterRefusedError,
    MeterUnavailableError,
)
from edge_agent.readers.dlms.apdu import AccessResult
from edge_agent.readers.dlms.association import RETRY_REFUSED_S, Association, Conformance
from edge_agent.readers.dlms.codec import Data
from edge_agent.readers.dlms.cosem import Attribute
from edge_agent.readers.dlms.session import Answered, Misfit, Outcome, Session, State, refusal
from edge_agent.readers.dlms.transport import Metered, Traffic, Transport

RELEASE_LIMIT_S: Final = 2.0
"""How long a release may take before the link below it is taken down."""
LEAVE_LIMIT_S: Final = 1.0
"""How long taking the link down may take before the connection is simply closed."""
ANSWER_LIMIT_S: Final = 900.0
"""The longest a whole answer may take over all its blocks: a full back-fill at 9600 bit/s needs 549 s."""
LIST_LIMIT: Final = 10
"""Most attributes in one GET with list; firmware buffers are small."""


class Renewal(Protocol):
    """What can be done about an association that is refused because our invocation counter is stale."""

    async def before(self) -> None:
        """What is needed before the first association.

        Raises:
            CounterBackError: the meter's counter went back.
        """

    async def again(self, error: MeterRefusedError | MeterUnavailableError) -> Session | None:
        """A new session to try once more after `error`; None when that would not help.

        Raises:
            CounterBackError: the meter's counter went back.
        """


class DlmsClient:
    """A meter on one association; one task at a time. `connect` gives the byte stream; `session` is new and unused.

    `connect_s` is how long `connect` may take where that differs from `timeout_s`: a line that others use is waited for.
    `renewal` is asked at most once when the association is refused. `again` gives another session like `session`: with it, the
    first long answer may teach how long this meter's answers are best, and is then asked for in an association that says so.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Awaitable[Transport]],
        session: Session,
        timeout_s: float,
        connect_s: float | None = None,
        renewal: Renewal | None = None,
        again: Callable[[], Session] | None = None,
    ) -> None:
        self._connect = connect
        self._again = again
        self._was_verified = True
        self._has_guessed = False
        """Whether an exception was taken for a refusal of the attribute that was asked for."""
        self._session = session
        self._renewal = renewal
        self._timeout_s = timeout_s
        self._connect_s = timeout_s if connect_s is None else connect_s
        self.traffic = Traffic()
        self._transport: Transport | None = None
        self._lists = True

    @property
    def granted(self) -> Association:
        """What the meter granted.

        Raises:
            MeterUnavailableError: before it granted anything.
        """
        return self._session.granted

    @property
    def is_verified(self) -> bool:
        """Whether the tag of every answer so far was verified, and nothing was taken for absent on an exception's word."""
        return self._was_verified and self._session.is_verified

    def doubt(self) -> None:
        """Something is taken for absent because of an exception, which anybody on the wire can say."""
        self._was_verified = False

    async def open(self) -> None:
        """Connects and associates.

        Raises:
            MeterUnavailableError, MeterRefusedError, MeterDecodeError: as a `Reader`; the connection is then closed.
            MeterKeyError: the keys of the association cannot be had.
        """
        if self._renewal is not None:
            await self._renewal.before()
        await self._reach()
        try:
            await self._associate()
        except (MeterRefusedError, MeterUnavailableError) as error:
            session = None if self._renewal is None else await self._renewal.again(error)
            if session is None:
                raise
            self._session = session
            await self._reach()
            await self._associate()

    async def _reach(self) -> None:
        try:
            async with asyncio.timeout(self._connect_s):
                self._transport = Metered(await self._connect(), self.traffic)
        except TimeoutError as error:
            raise MeterUnavailableError(f"no connection to the meter within {self._connect_s} s") from error

    async def _associate(self) -> None:
        try:
            await self._exchange(self._session.associate(), "the request to associate")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Releases the meter and closes the connection. Idempotent; never raises for a peer that is gone."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        try:
            await self._release(transport)
        finally:
            await self._leave(transport)

    async def _release(self, transport: Transport) -> None:
        with contextlib.suppress(MeterUnavailableError, MeterDecodeError, MeterRefusedError, TimeoutError):
            async with asyncio.timeout(min(RELEASE_LIMIT_S, self._timeout_s)):
                data = self._session.release()
                # A link may hold the request back until the meter has finished what it is saying.
                while self._session.state is State.RELEASING:
                    if data:
                        await transport.send(data)
                    data = self._session.receive(await transport.receive()).send

    async def _leave(self, transport: Transport) -> None:
        """Take the link down, so that the meter is free for the next client, and close the connection."""
        try:
            await self._take_down(transport)
        finally:
            await transport.close()

    async def _take_down(self, transport: Transport) -> None:
        link = self._session.link
        # It settles the counters on disk, which may fail: the connection is closed all the same.
        self._session.lost()
        with contextlib.suppress(MeterUnavailableError, MeterDecodeError, TimeoutError):
            async with asyncio.timeout(min(LEAVE_LIMIT_S, self._timeout_s)):
                if data := link.disconnect():
                    await transport.send(data)
                while not link.is_gone:
                    link.receive(await transport.receive())

    async def _associate_again(self, again: Callable[[], Session]) -> None:
        """Another association on the same line: nobody else comes in between."""
        transport = self._transport
        assert transport is not None
        self._again = None
        await self._release(transport)
        await self._take_down(transport)
        is_gone, self._was_verified = self._session.link.is_gone, self.is_verified
        self._session = again()
        if not is_gone:
            # Something of the old link may still come: only a new connection is free of it.
            self._transport = None
            await transport.close()
            await self._reach()
        await self._associate()

    async def get(self, attribute: Attribute, access: bytes | None = None) -> Data:
        """One attribute.

        Raises:
            MeterRefusedError: naming it.
        """
        again = self._again
        outcome = await self._exchange(
            self._session.get(attribute, access, may_misfit=again is not None), str(attribute)
        )
        if isinstance(outcome, Misfit) and again is not None:
            await self._associate_again(again)
            outcome = await self._exchange(self._session.get(attribute, access), str(attribute))
        return given(attribute, _results(outcome, str(attribute))[0])

    async def get_many(
        self, attributes: tuple[Attribute, ...], *, absence_counts: bool = True
    ) -> list[Data | AccessResult]:
        """Several attributes, at once where the meter can; a refusal takes its attribute's place. `absence_counts` says whether a
        refusal changes what is believed of the meter: one that nobody vouches for then costs `is_verified`.

        Raises:
            MeterUnavailableError: when one is refused only for now.
            CounterRefusedError: it is our counter that the meter refuses, and no attribute.
        """
        results: list[Data | AccessResult] = []
        self._has_guessed = False
        size = self._list_size()
        for at in range(0, len(attributes), size):
            part = attributes[at : at + size]
            results += await (self._get_list(part) if len(part) > 1 else self._one_by_one(part))
        if absence_counts and self._has_guessed:
            self.doubt()
        for attribute, result in zip(attributes, results, strict=True):
            if isinstance(result, AccessResult) and isinstance(
                late := refusal(attribute, result), MeterUnavailableError
            ):
                raise late
        return results

    def _list_size(self) -> int:
        """Attributes in one request: 11 octets each in the meter's PDU, after 4 of header and what ciphering adds."""
        granted: Association = self._session.granted
        if not self._lists or Conformance.MULTIPLE_REFERENCES not in granted.conformance:
            return 1
        return max(1, min(LIST_LIMIT, (granted.max_pdu - 4 - self._session.overhead) // 11))

    async def _get_list(self, attributes: tuple[Attribute, ...]) -> list[Data | AccessResult]:
        try:
            what = f"{attributes[0]} and others"
            return list(_results(await self._exchange(self._session.get_list(attributes), what), what))
        except MeterRefusedError:
            # The meter grants lists and refuses them: ask one by one from now on.
            self._lists = False
            return await self._one_by_one(attributes)

    async def _one_by_one(self, attributes: tuple[Attribute, ...]) -> list[Data | AccessResult]:
        return [await self._get_or_refusal(attribute) for attribute in attributes]

    async def _get_or_refusal(self, attribute: Attribute) -> Data | AccessResult:
        try:
            return await self.get(attribute)
        except CounterRefusedError:
            raise
        except MeterExceptionError:
            self._has_guessed = True
            return AccessResult.OTHER_REASON
        except MeterRefusedError as error:
            return AccessResult(error.reason) if error.reason is not None else AccessResult.OTHER_REASON

    async def _exchange(self, request: bytes, what: str) -> Outcome:
        """Write `request` and read until its outcome; each block has its own deadline, the whole answer a long one."""
        transport = self._transport
        if transport is None:
            raise MeterUnavailableError(f"expected an open connection for {what}, got none")
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S), asyncio.timeout(self._timeout_s) as deadline:
                await transport.send(request)
                while True:
                    step = self._session.receive(await self._heard(transport))
                    if step.outcome is not None:
                        return step.outcome
                    if step.send:
                        deadline.reschedule(asyncio.get_running_loop().time() + self._timeout_s)
                        await transport.send(step.send)
        except TimeoutError as error:
            await self._abandon(transport)
            raise MeterUnavailableError(
                f"no answer to {what} within {self._timeout_s} s", retry_after_s=RETRY_REFUSED_S
            ) from error
        except MeterUnavailableError as error:
            await self._abandon(transport)
            raise MeterUnavailableError(f"{error} during {what}", retry_after_s=RETRY_REFUSED_S) from error
        except MeterDecodeError:
            if self._session.state is State.CLOSED:
                await self._abandon(transport)
            raise

    async def _heard(self, transport: Transport) -> bytes:
        """What the meter says next. After half of the deadline in silence, the link may ask it again."""
        try:
            async with asyncio.timeout(self._timeout_s / 2):
                return await transport.receive()
        except TimeoutError:
            if again := self._session.link.ask_again():
                await transport.send(again)
            return await transport.receive()

    async def _abandon(self, transport: Transport) -> None:
        """Give the connection up: a late answer must never meet a later question."""
        self._transport = None
        await self._leave(transport)


def _results(outcome: Outcome, what: str) -> tuple[Data | AccessResult, ...]:
    if not isinstance(outcome, Answered):
        raise MeterDecodeError(f"expected an answer to {what}, got {type(outcome).__name__}")
    return outcome.results


def given(attribute: Attribute, result: Data | AccessResult) -> Data:
    """What the meter gave.

    Raises:
        MeterRefusedError, MeterUnavailableError: naming `attribute`, when it gave a refusal instead.
    """
    if isinstance(result, AccessResult):
        raise refusal(attribute, result)
    return result
