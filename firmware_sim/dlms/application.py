"""The application layer of one connection: associations and services, one APDU in, one APDU out.

Below it may lie any framing; above it are only objects. Source: IEC 62056-5-3 (ACSE, ciphering, exception-response).
"""

from firmware_sim.dlms import acse
from firmware_sim.dlms.acse import Conformance, Diagnostic, InitiateError
from firmware_sim.dlms.association import (
    SUPPORTED,
    Association,
    Challenges,
    HlsRequest,
    answered_like,
    judge,
    judge_initiate,
    parse_hls_request,
    with_associations,
)
from firmware_sim.dlms.axdr import NULL, Reader, octets
from firmware_sim.dlms.ciphering import CIPHERED, OVERHEAD, Opened, ProtectionError, Shield, StaleCounterError
from firmware_sim.dlms.clients import Client
from firmware_sim.dlms.device import CHALLENGE_SIZE, Device, Stale
from firmware_sim.dlms.gcm import KEY_SIZE
from firmware_sim.dlms.get_service import UNKNOWN_SERVICE, GetService, View
from firmware_sim.dlms.objects import AccessResult
from firmware_sim.errors import DecodeError

# An exception-response is its tag, a state error and a service error.
_EXCEPTION = 0xD8
_NOT_ASSOCIATED = bytes([_EXCEPTION, 1, 1])  # service-not-allowed, operation-not-possible
_NOT_UNDERSTOOD = bytes([_EXCEPTION, 1, 3])  # service-not-allowed, other-reason
_PDU_TOO_LONG = bytes([_EXCEPTION, 1, 4])  # service-not-allowed, pdu-too-long
_UNDECIPHERABLE = bytes([_EXCEPTION, 1, 5])  # service-not-allowed, deciphering-error
_STALE = bytes([_EXCEPTION, 1, 6])  # service-not-allowed, invocation-counter-error, and the expected one

_GET, _SET, _ACTION = 0xC0, 0xC1, 0xC3
_NEEDS = {_GET: Conformance.GET, _SET: Conformance.SET, _ACTION: Conformance.ACTION}


class Application:
    """One connection's view of a device: any number of clients, one association each."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._associations: dict[int, Association] = {}
        self._spoilers = [spoiler() for spoiler in device.spoilers]
        self.closed = False
        """Whether this meter gives up on the connection without a word."""

    def answer(self, sap: int, apdu: bytes) -> bytes:
        """The answer to `apdu` from the client at `sap`; empty where none is due. Never raises."""
        if not apdu or self.closed:
            return b""
        answer = self._answer(sap, apdu)
        for spoiler in self._spoilers:
            spoilt = spoiler(answer) if answer else answer
            if spoilt is None:
                self._associations.clear()
                self._free()
                self.closed = True
                return b""
            answer = spoilt
        return answer

    def _answer(self, sap: int, apdu: bytes) -> bytes:
        if len(apdu) > self._device.max_pdu:
            return _PDU_TOO_LONG
        try:
            return self._dispatch(sap, apdu)
        except StaleCounterError as stale:
            return self._stale(stale)
        except ProtectionError:
            return _UNDECIPHERABLE
        except DecodeError:
            return _NOT_UNDERSTOOD

    def reopen(self) -> None:
        """Listen again, to clients of whom none is associated: a line has no end that a meter could close."""
        self._associations.clear()
        self.closed = False

    def release(self, sap: int) -> None:
        """End the association of the client at `sap`, if there is one: the layer below was disconnected in order."""
        self._associations.pop(sap, None)
        self._free()

    def _free(self) -> None:
        if not self._associations and self._device.occupancy is not None:
            self._device.occupancy.free(self)

    def _stale(self, stale: StaleCounterError) -> bytes:
        match self._device.stale:
            case Stale.EXCEPTION:
                return _STALE + stale.expected.to_bytes(4, "big")
            case Stale.REJECT:
                return _UNDECIPHERABLE
            case Stale.SILENCE:
                self._associations.clear()
                self.closed = True
                return b""

    def _dispatch(self, sap: int, apdu: bytes) -> bytes:
        occupancy = self._device.occupancy
        if apdu[0] == acse.AARQ:
            request = acse.parse_aarq(apdu)
            if occupancy is not None and not occupancy.take(self, self._device.now()):
                return acse.aare(Diagnostic.NO_REASON, None, busy=True)
            return self._associate(sap, request)
        if occupancy is not None and not occupancy.keep(self, self._device.now()):
            self._associations.clear()
        association = self._associations.get(sap)
        if association is None:
            return _NOT_ASSOCIATED
        if apdu[0] == acse.RLRQ:
            return self._release(sap, association, apdu)
        return self._request(association, apdu)

    def _request(self, association: Association, apdu: bytes) -> bytes:
        if apdu[0] not in CIPHERED:
            if association.shield is not None and association.client.policy:
                return _NOT_ASSOCIATED
            return self._serve(association, apdu, None)
        if association.shield is None:
            return UNKNOWN_SERVICE
        opened = association.shield.open(apdu)
        plain = self._serve(association, opened.plain, opened)
        return plain if plain[0] == _EXCEPTION else association.shield.close(plain, opened)

    def _release(self, sap: int, association: Association, apdu: bytes) -> bytes:
        information = acse.parse_release(apdu)
        answer = acse.rlre()
        if information and association.shield is not None:
            opened = association.shield.open(information)
            told = acse.initiate_response(association.view.conformance, self._device.max_pdu)
            answer = acse.rlre(association.shield.close(told, opened))
        self.release(sap)
        return answer

    def _serve(self, association: Association, apdu: bytes, opened: Opened | None) -> bytes:
        """The plain answer to a plain service."""
        if association.pending is not None:
            request = parse_hls_request(apdu)
            return _NOT_ASSOCIATED if request is None else self._finish(association, association.pending, request)
        needed = _NEEDS.get(apdu[0])
        if needed is None or not association.view.conformance & needed:
            return UNKNOWN_SERVICE
        reader = Reader(apdu[1:])
        if apdu[0] == _GET:
            room = answered_like(opened, association)
            return GetService(association.view, self._device.now(), room).answer(reader)
        return _refuse_change(apdu[0], reader)

    def _finish(self, association: Association, pending: Challenges, request: HlsRequest) -> bytes:
        counter = pending.admits(request.answer)
        if counter is None:
            # The association is not told from one that never was, except by the answer to this method. The client
            # cannot try again: the next challenge is another.
            del self._associations[association.client.sap]
            return bytes([0xC7, 1, request.invoke, AccessResult.READ_WRITE_DENIED]) + NULL
        self._device.counters.accept(association.client.sap, counter)
        association.pending = None
        return bytes([0xC7, 1, request.invoke, 0, 1, 0]) + octets(pending.reply(self._device.counters))

    def _associate(self, sap: int, request: acse.AssociationRequest) -> bytes:
        self._associations.pop(sap, None)
        client = self._device.clients.get(sap)
        diagnostic = judge(client, request)
        if client is None or diagnostic is not Diagnostic.NONE:
            return acse.aare(diagnostic, None)
        if request.context == acse.LN_CONTEXT:
            return self._initiate(client, request, request.initiate, None, None)
        shield = self._shield(client, request.title)
        try:
            opened = shield.open(request.initiate)
        except StaleCounterError:
            if self._device.stale is Stale.REJECT:
                return acse.aare(Diagnostic.AUTHENTICATION_FAILURE, None, self._identity(request))
            raise
        except (ProtectionError, DecodeError):
            return acse.aare(Diagnostic.AUTHENTICATION_FAILURE, None, self._identity(request))
        return self._initiate(client, request, opened.plain, shield, opened)

    def _initiate(
        self,
        client: Client,
        request: acse.AssociationRequest,
        plain: bytes,
        shield: Shield | None,
        opened: Opened | None,
    ) -> bytes:
        initiate = acse.parse_initiate(plain)
        supported = SUPPORTED | (Conformance.GENERAL_PROTECTION if shield else 0)
        conformance = initiate.conformance & supported & ~self._device.withheld
        smallest = acse.SMALLEST_PDU + (OVERHEAD if shield else 0)
        error = judge_initiate(initiate, conformance, smallest)
        if error is not None:
            return acse.aare(Diagnostic.NO_REASON, acse.initiate_refused(error), self._identity(request))
        if initiate.dedicated_key and (shield is None or len(initiate.dedicated_key) != KEY_SIZE):
            refused = acse.initiate_refused(InitiateError.INCOMPATIBLE_CONFORMANCE)
            return acse.aare(Diagnostic.NO_REASON, refused, self._identity(request))
        view = View(objects={}, sees_everything=client.sees_everything, conformance=conformance)
        max_pdu = min(initiate.max_pdu or 0xFFFF, self._device.max_pdu)
        association = Association(client=client, max_pdu=max_pdu, view=view, context=request.context, shield=shield)
        view.objects = with_associations(self._device.objects, self._device.declared, association, self._device.max_pdu)
        self._associations[client.sap] = association
        response = acse.initiate_response(conformance, self._device.max_pdu)
        if shield is not None and opened is not None:
            shield.general = bool(conformance & Conformance.GENERAL_PROTECTION)
            if initiate.dedicated_key:
                shield.dedicated = shield.keys.with_dedicated(initiate.dedicated_key)
            response = shield.close(response, opened)
        return self._accepted(association, request, response)

    def _accepted(self, association: Association, request: acse.AssociationRequest, response: bytes) -> bytes:
        client = association.client
        if not client.mechanism.high:
            return acse.aare(Diagnostic.NONE, response, self._identity(request))
        association.pending = Challenges(
            mechanism=client.mechanism,
            secret=client.secret,
            keys=client.keys,
            from_client=request.password,
            from_server=self._device.challenge(CHALLENGE_SIZE),
            client_title=request.title,
            server_title=self._device.title,
        )
        # HLS: "the result is accepted, and the diagnostic is authentication-required": the second half is to come.
        identity = self._identity(request, challenge=association.pending.from_server)
        return acse.aare(Diagnostic.AUTHENTICATION_REQUIRED, response, identity)

    def _identity(self, request: acse.AssociationRequest, challenge: bytes = b"") -> acse.Identity:
        """What the answer to `request` says of this meter; a client without titles is not told this one's."""
        return acse.Identity(
            context=request.context,
            title=self._device.title if request.title else b"",
            mechanism=request.mechanism if challenge else None,
            challenge=challenge,
        )

    def _shield(self, client: Client, title: bytes) -> Shield:
        assert client.keys is not None
        return Shield(
            sap=client.sap,
            keys=client.keys,
            policy=client.policy,
            client_title=title,
            own_title=self._device.title,
            counters=self._device.counters,
        )


def _refuse_change(tag: int, reader: Reader) -> bytes:
    """SET and ACTION are understood and refused: this meter is read, not written."""
    kind, invoke = reader.number(1), reader.number(1)
    if kind != 1:
        return UNKNOWN_SERVICE
    denied = bytes([1, invoke, AccessResult.READ_WRITE_DENIED])
    return b"\xc5" + denied if tag == _SET else b"\xc7" + denied + NULL
