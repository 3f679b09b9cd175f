"""The parent's end of the process in which dlms-cosem runs: a question, its answer, and a deadline after which it is killed."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

from edge_agent.errors import (
    MeterDecodeError,
    MeterExceptionError,
    MeterForgedError,
    MeterRefusedError,
    MeterUnavailableError,
)
from edge_agent.registers import Origin

T = TypeVar("T")

LENGTH_OCTETS: Final = 4
_LEAVE_S: Final = 5.0
_ERRORS: Final = {
    "refused": MeterRefusedError,
    "excepted": MeterExceptionError,
    "unavailable": MeterUnavailableError,
    "forged": MeterForgedError,
    "wrong": MeterDecodeError,
}


class CosemProcess:
    """One process, one meter. What it was told stays in its pipe: no secret is an argument or in the environment."""

    def __init__(self, *, deadline_s: float, retry_after_s: int) -> None:
        self._deadline_s = deadline_s
        self._retry_after_s = retry_after_s
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts it."""
        command = (sys.executable, "-m", "edge_agent.readers.dlms_cosem_child")
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        self._child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=nowhere)

    async def ask(self, question: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever the meter holds
        """The answer to `question`, which is about `name`.

        Raises:
            MeterUnavailableError: also when there is none within the deadline; the process is then dead.
            MeterRefusedError, MeterForgedError, MeterDecodeError: as the process says.
        """
        child = self._child
        if child is None:
            raise MeterUnavailableError(f"expected an open connection for {name}, got none")
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await _exchange(child, question)
        except TimeoutError:
            await self._kill(child)
            raise MeterUnavailableError(
                f"dlms-cosem has not answered for {name} within {self._deadline_s} s and was ended",
                retry_after_s=self._retry_after_s,
            ) from None
        except (asyncio.IncompleteReadError, OSError):
            await self._kill(child)
            raise MeterUnavailableError(f"the process of dlms-cosem ended during {name}") from None
        except BaseException:
            # A question whose answer nobody waits for any more would answer the next one.
            await self._kill(child)
            raise
        if "value" in answer:
            return answer["value"]
        ((kind, why),) = answer.items()
        raise _ERRORS[kind](f"dlms-cosem, {name}: {why}")

    async def close(self) -> None:
        """Ends its input, which releases the meter, and ends it if it does not end. Idempotent."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(_LEAVE_S, self._deadline_s)):
                    await child.wait()
        finally:
            await self._kill(child)

    async def _kill(self, child: asyncio.subprocess.Process) -> None:
        self._child = None
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _exchange(child: asyncio.subprocess.Process, question: Mapping[str, Any]) -> dict[str, Any]:
    assert child.stdin is not None
    assert child.stdout is not None
    body = json.dumps(question).encode()
    child.stdin.write(len(body).to_bytes(LENGTH_OCTETS, "big") + body)
    await child.stdin.drain()
    size = int.from_bytes(await child.stdout.readexactly(LENGTH_OCTETS), "big")
    answer: dict[str, Any] = json.loads(await child.stdout.readexactly(size))
    return answer


async def if_there(asked: Awaitable[T], origin: Origin) -> T | None:
    """What was asked for; None where the meter refuses it.

    Raises:
        MeterExceptionError: between ciphered answers an exception refuses nothing, since nobody vouches for it.
        ReaderError: as whatever was asked.
    """
    try:
        return await asked
    except MeterRefusedError as error:
        if origin is Origin.GMAC and isinstance(error, MeterExceptionError):
            raise
        return None


def octets(value: Any, name: str) -> bytes:  # noqa: ANN401 - whatever the meter holds
    """The octets in an answer about `name`.

    Raises:
        MeterDecodeError: it is something else.
    """
    if not isinstance(value, dict):
        raise MeterDecodeError(f"expected octets in {name}, got {type(value).__name__}")
    return bytes.fromhex(value["hex"])


def parts(value: Any, name: str, count: int | None = None) -> list[Any]:  # noqa: ANN401 - likewise
    """The elements of an answer about `name`, `count` of them where it is given. Raises as `octets`."""
    if not isinstance(value, list) or len(value) != (len(value) if count is None else count):
        raise MeterDecodeError(
            f"expected a list of {'any length' if count is None else count} in {name}, got {value!r:.60}"
        )
    return value


def integers(values: Any, count: int, name: str) -> list[int]:  # noqa: ANN401 - likewise
    """As `parts`, all of them integers."""
    found = parts(values, name, count)
    if not all(isinstance(part, int) for part in found):
        raise MeterDecodeError(f"expected {count} integers in {name}, got {found!r:.60}")
    return found
