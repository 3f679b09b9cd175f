"""The process in which dlms-cosem runs: questions on standard input, answers on standard output, nothing anywhere else.

Apart, because that package can hang, spins when a meter closes the connection, and logs secrets: its parent gives it a deadline
and kills it, and its log goes nowhere. Each message is four octets of length and JSON; octets are ``{"hex": "..."}``. The first
question names the meter; every later one is ``{"get": [class, obis, attribute], "range": [from, to] | null}`` in UTC seconds.
An answer is ``{"value": ...}``, or ``{"refused" | "excepted" | "unavailable" | "forged" | "wrong": why}``; an exception is one that
carried no tag. The end of the input releases the meter.
"""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO

_IST = timezone(timedelta(minutes=330))
LENGTH_OCTETS = 4


class ForgedError(Exception):
    """An answer that does not bear the meter's key."""


def main() -> int:
    """Answers until there are no more questions."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        # Whatever the package prints must not be taken for an answer.
        sys.stdout = sys.stderr = nowhere
        _quieten()
        with answers, contextlib.suppress(EOFError):
            _serve(questions, answers)
    return 0


def _quieten() -> None:
    import structlog  # noqa: PLC0415 - it comes with dlms-cosem, which only this process has

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)


def _serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """The one supervising loop: whatever the package raises is an answer."""
    client: Any = None
    try:
        while True:
            question = _receive(questions)
            try:
                if client is None:
                    client = _associated(question)
                    _send(answers, {"value": None})
                else:
                    _send(answers, {"value": _plain(_get(client, question))})
            except Exception as error:  # noqa: BLE001 - the package raises whatever it comes across
                _send(answers, {_kind(error): f"{type(error).__name__}: {_text(error)}"})
    finally:
        if client is not None:
            with contextlib.suppress(Exception):
                client.release_association()
            with contextlib.suppress(Exception):
                client.disconnect()


def _receive(questions: BinaryIO) -> Mapping[str, Any]:
    head = questions.read(LENGTH_OCTETS)
    body = questions.read(int.from_bytes(head, "big"))
    if len(head) < LENGTH_OCTETS or not body:
        raise EOFError
    question: Mapping[str, Any] = json.loads(body)
    return question


def _send(answers: BinaryIO, answer: Mapping[str, Any]) -> None:
    body = json.dumps(answer).encode()
    answers.write(len(body).to_bytes(LENGTH_OCTETS, "big") + body)
    answers.flush()


def _associated(meter: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the package has no types
    from dlms_cosem.client import DlmsClient  # noqa: PLC0415 - only here
    from dlms_cosem.io import BlockingTcpIO, TcpTransport  # noqa: PLC0415
    from dlms_cosem.security import LowLevelSecurityAuthentication, NoSecurityAuthentication  # noqa: PLC0415

    password, cipher = meter["password"], meter["cipher"]
    authentication: Any = NoSecurityAuthentication()
    if meter["auth"] == "hls5":
        authentication = _gmac()
    elif password is not None:
        authentication = LowLevelSecurityAuthentication(secret=bytes.fromhex(password["hex"]))
    stream = BlockingTcpIO(meter["host"], meter["port"], timeout=meter["timeout"])
    client = DlmsClient(
        transport=TcpTransport(meter["client"], meter["server"], stream),
        authentication=authentication,
        **({} if cipher is None else _ciphering(cipher)),
    )
    if cipher is not None:
        _guard(client.dlms_connection, last=cipher["last"])
    client.connect()
    try:
        client.associate()
    except BaseException:
        client.disconnect()
        raise
    return client


def _ciphering(cipher: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "encryption_key": bytes.fromhex(cipher["encryption"]),
        "authentication_key": bytes.fromhex(cipher["authentication"]),
        "client_system_title": bytes.fromhex(cipher["title"]),
        "client_initial_invocation_counter": cipher["first"],
        "meter_initial_invocation_counter": cipher["heard"],
    }


def _gmac() -> Any:  # noqa: ANN401 - as above
    from dlms_cosem.security import HighLevelSecurityGmacAuthentication  # noqa: PLC0415

    class Gmac(HighLevelSecurityGmacAuthentication):  # type: ignore[misc]  # the package has no types
        """The package's, without its reuse: it ciphers the APDU that carries its GMAC under the same counter, and so nonce."""

        def hls_generate_reply_data(self, connection: Any) -> bytes:  # noqa: ANN401 - as above
            reply: bytes = super().hls_generate_reply_data(connection)
            connection.client_invocation_counter += 1
            return reply

    return Gmac(challenge_length=16)


def _guard(connection: Any, *, last: int) -> None:  # noqa: ANN401 - as above
    """Holds `connection` to counters up to `last`, and to answers that are ciphered: the package takes plain ones for as good."""
    from dlms_cosem import exceptions  # noqa: PLC0415
    from dlms_cosem.protocol import acse, xdlms  # noqa: PLC0415

    encrypt, unprotect = connection.encrypt, connection.unprotect

    def within(plain: bytes) -> Any:  # noqa: ANN401 - as above
        if connection.client_invocation_counter > last:
            raise exceptions.DlmsClientException(
                "every invocation counter of this association is used: read a shorter span"
            )
        return encrypt(plain)

    def ciphered(event: Any) -> Any:  # noqa: ANN401 - as above
        if isinstance(event, acse.ApplicationAssociationResponse):
            sealed = event.user_information and isinstance(
                event.user_information.content, xdlms.GlobalCipherInitiateResponse
            )
            is_accepted = event.result.name == "ACCEPTED"
            if is_accepted and (not sealed or event.system_title == connection.client_system_title):
                raise ForgedError
        elif not isinstance(event, xdlms.GeneralGlobalCipher | xdlms.ExceptionResponse | acse.ReleaseResponse):
            raise ForgedError
        return unprotect(event)

    connection.encrypt, connection.unprotect = within, ciphered


def _get(client: Any, question: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as above
    from dlms_cosem import cosem, enumerations, utils  # noqa: PLC0415
    from dlms_cosem.cosem.capture_object import CaptureObject  # noqa: PLC0415
    from dlms_cosem.cosem.selective_access import RangeDescriptor  # noqa: PLC0415

    def attribute(class_id: int, obis: str, number: int) -> Any:  # noqa: ANN401
        return cosem.CosemAttribute(enumerations.CosemInterface(class_id), cosem.Obis.from_string(obis), number)

    selection = None
    if question["range"] is not None:
        first, last = (datetime.fromtimestamp(at, _IST) for at in question["range"])
        clock = CaptureObject(attribute(8, "0.0.1.0.0.255", 2))
        selection = RangeDescriptor(restricting_object=clock, from_value=first, to_value=last)
    return utils.parse_as_dlms_data(client.get(attribute(*question["get"]), selection))


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, bytes | bytearray):
        return {"hex": bytes(value).hex()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return value


def _kind(error: Exception) -> str:
    names = {each.__name__ for each in type(error).__mro__}
    if names & {"DataResultError", "ActionError", "HLSError", "ConformanceError"}:
        return "refused"
    if "DlmsClientException" in names:
        return "excepted"
    if names & {"DecryptionError", "ForgedError"}:
        return "forged"
    if names & {"CommunicationError", "OSError"}:
        return "unavailable"
    return "wrong"


def _text(error: Exception) -> str:
    """What the package says of `error`, where that cannot hold a secret: its own words on wrong octets quote them."""
    if _kind(error) == "forged":
        return "expected an answer under the meter's own key, got another: check the keys, and who answers here"
    if _kind(error) == "wrong":
        return "the package could not take the meter's octets"
    remedies = {
        "AUTHENTICATION": ": check the password or the keys of this association",
        "INVOCATION_COUNTER": ": read the meter once with dlms+tcp:, which learns its counter",
    }
    return f"{error}{next((remedy for word, remedy in remedies.items() if word in str(error)), '')}"


if __name__ == "__main__":
    sys.exit(main())
