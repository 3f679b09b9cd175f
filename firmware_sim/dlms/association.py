"""Associations: who is let in, what they are told of themselves, and both halves of HLS.

Source: IEC 62056-5-3, 9.2.2 (access security) and 9.4 (association); IEC 62056-6-2, 4.4.4 (Association LN).
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from firmware_sim.dlms import acse
from firmware_sim.dlms.acse import Conformance, Diagnostic, InitiateError, Mechanism
from firmware_sim.dlms.axdr import Reader, array, bits, enum, integer8, octets, structure, unsigned8, unsigned16
from firmware_sim.dlms.catalogue import ASSOCIATION
from firmware_sim.dlms.ciphering import Counters, Opened, Shield
from firmware_sim.dlms.clients import ORDER, SERVER_SAP, Ciphering, Client
from firmware_sim.dlms.gcm import AUTHENTICATED, TITLE_SIZE, Keys, encrypt_challenge, gmac
from firmware_sim.dlms.get_service import View
from firmware_sim.dlms.objects import CosemObject, Plain, constant, logical_name
from firmware_sim.dlms.security_setup import has_setup, setup_name
from firmware_sim.errors import DecodeError

SUPPORTED = (
    Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.SELECTIVE_ACCESS
    | Conformance.BLOCK_TRANSFER_WITH_GET | Conformance.MULTIPLE_REFERENCES | Conformance.PRIORITY
)  # fmt: skip

SHORTEST_CHALLENGE, LONGEST_CHALLENGE = 8, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenges:
    """The two challenges of HLS, and what the answers are made with."""

    mechanism: Mechanism
    secret: bytes = field(repr=False)
    keys: Keys | None
    from_client: bytes
    from_server: bytes
    client_title: bytes
    server_title: bytes

    def admits(self, answer: bytes) -> int | None:
        """The invocation counter in the client's answer f(StoC) where it is right (0 without one), None where not."""
        if self.mechanism is Mechanism.HLS:
            expected = encrypt_challenge(self.secret, self.from_server)
            return 0 if hmac.compare_digest(answer, expected) else None
        assert self.keys is not None
        if len(answer) != 17 or answer[0] != AUTHENTICATED:
            return None
        counter = int.from_bytes(answer[1:5], "big")
        expected = gmac(self.keys, self.client_title, counter, self.from_server)
        return counter if hmac.compare_digest(answer[5:], expected) else None

    def reply(self, counters: Counters) -> bytes:
        """The meter's own answer f(CtoS)."""
        if self.mechanism is Mechanism.HLS:
            return encrypt_challenge(self.secret, self.from_client)
        assert self.keys is not None
        counter = counters.next()
        head = bytes([AUTHENTICATED]) + counter.to_bytes(4, "big")
        return head + gmac(self.keys, self.server_title, counter, self.from_client)


@dataclass(slots=True, kw_only=True)
class Association:
    """One client that stands, or whose HLS is half done."""

    client: Client
    max_pdu: int
    """Largest APDU the client takes, in bytes."""
    view: View
    context: bytes
    shield: Shield | None = None
    pending: Challenges | None = None
    """What is still to be answered; until then nothing else is served."""


def judge(client: Client | None, request: acse.AssociationRequest) -> Diagnostic:
    """Whether ACSE lets `request` in; a ciphered part is not looked at yet."""
    ciphered = request.context == acse.CIPHERED_CONTEXT
    if request.context not in _contexts(client):
        return Diagnostic.CONTEXT_NOT_SUPPORTED
    if client is None:
        return Diagnostic.NO_REASON
    if request.mechanism is not client.mechanism:  # None: a mechanism that no meter has
        required = request.mechanism is Mechanism.NONE
        return Diagnostic.AUTHENTICATION_REQUIRED if required else Diagnostic.MECHANISM_NOT_RECOGNISED
    if (ciphered or client.mechanism is Mechanism.GMAC) and len(request.title) != TITLE_SIZE:
        return Diagnostic.TITLE_NOT_RECOGNISED
    return Diagnostic.NONE if _authentic(client, request.password) else Diagnostic.AUTHENTICATION_FAILURE


def _contexts(client: Client | None) -> tuple[bytes, ...]:
    match Ciphering.OFF if client is None else client.ciphering:
        case Ciphering.OFF:
            return (acse.LN_CONTEXT,)
        case Ciphering.OPTIONAL:
            return (acse.LN_CONTEXT, acse.CIPHERED_CONTEXT)
        case Ciphering.REQUIRED:
            return (acse.CIPHERED_CONTEXT,)


def _authentic(client: Client, shown: bytes) -> bool:
    if client.mechanism.high:
        return SHORTEST_CHALLENGE <= len(shown) <= LONGEST_CHALLENGE
    return client.mechanism is Mechanism.NONE or hmac.compare_digest(shown, client.secret)


def judge_initiate(initiate: acse.Initiate, conformance: int, smallest: int) -> InitiateError | None:
    """Whether xDLMS can serve a client of this version, conformance and size."""
    if initiate.version < 6:
        return InitiateError.VERSION_TOO_LOW
    if not conformance & Conformance.GET:
        return InitiateError.INCOMPATIBLE_CONFORMANCE
    if 0 < initiate.max_pdu < smallest:
        return InitiateError.PDU_TOO_SHORT
    return None


def with_associations(
    objects: Iterable[CosemObject], clients: Iterable[Client], association: Association, max_pdu: int
) -> dict[bytes, CosemObject]:
    """Every object as `association` finds it, with itself and, for who sees everything, the other associations."""
    found = {each.name: each for each in objects}
    # An association sees itself and the others; what it may not see is in the meter all the same, and is refused, not
    # denied. Lists are made when they are asked for, from all that is found then.
    for each in clients:
        declared = _declared(each, found)
        found[declared.name] = declared
    found[ASSOCIATION] = _object(ASSOCIATION, association.client, found, _current(association, max_pdu), public=True)
    return found


def _object(
    name: bytes,
    client: Client,
    objects: Mapping[bytes, CosemObject],
    attributes: dict[int, Plain],
    *,
    public: bool,
) -> CosemObject:
    return CosemObject(
        class_id=15,
        version=1,
        name=name,
        attributes={
            2: lambda _: array(each.listed() for each in objects.values() if client.sees_everything or each.public),
            3: constant(structure(integer8(client.sap), unsigned16(SERVER_SAP))),
            6: constant(octets(client.mechanism.oid)),
            **attributes,
        },
        methods=(1,) if client.mechanism.high else (),
        public=public,
    )


def _declared(client: Client, objects: Mapping[bytes, CosemObject]) -> CosemObject:
    number = ORDER.index(client.sap) + 1
    context = acse.LN_CONTEXT if client.ciphering is Ciphering.OFF else acse.CIPHERED_CONTEXT
    attributes: dict[int, Plain] = {4: constant(octets(context)), 8: constant(enum(0)), **_reference(client)}
    return _object(logical_name(f"0.0.40.0.{number}.255"), client, objects, attributes, public=False)


def _current(association: Association, max_pdu: int) -> dict[int, Plain]:
    context = structure(
        bits(association.view.conformance.to_bytes(3, "big")),
        unsigned16(max_pdu),
        unsigned16(association.max_pdu),
        unsigned8(6),
        integer8(0),
        octets(b""),
    )
    return {
        4: constant(octets(association.context)),
        5: constant(context),
        8: constant(enum(2)),
        **_reference(association.client),
    }


def _reference(client: Client) -> dict[int, Plain]:
    """Where the security setup of a client stands, for one that has one."""
    return {9: constant(octets(setup_name(client.sap)))} if has_setup(client.sap) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class HlsRequest:
    """reply_to_HLS_authentication as it was invoked."""

    invoke: int
    answer: bytes


def parse_hls_request(apdu: bytes) -> HlsRequest | None:
    """The invocation of method 1 of the current association in `apdu`; None where it is anything else.

    Raises:
        DecodeError: when it is that, but carries no octet-string.
    """
    reader = Reader(apdu)
    if reader.take(2) != b"\xc3\x01":
        return None
    invoke = reader.number(1)
    if (reader.number(2), reader.take(6), reader.number(1)) != (15, ASSOCIATION, 1):
        return None
    answer = reader.data() if reader.number(1) else None
    reader.end()
    if not isinstance(answer, bytes):
        raise DecodeError("expected an octet-string in reply_to_HLS_authentication")
    return HlsRequest(invoke=invoke, answer=answer)


def answered_like(opened: Opened | None, association: Association) -> int:
    """The longest plain answer to a request that came as `opened`, in bytes."""
    if opened is None or association.shield is None:
        return association.max_pdu
    return association.shield.room(association.max_pdu, opened.form)
