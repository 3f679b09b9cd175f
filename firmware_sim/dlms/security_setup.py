"""How each association of a meter is protected, as the meter says it: one security setup (class 64) a client.

Source: Blue Book, class 64, version 0; 0.0.43.0.2 to .5 as in public Indian object lists: reader, utility, push, firmware.
"""

from collections.abc import Iterable

from firmware_sim.dlms.axdr import enum, octets
from firmware_sim.dlms.clients import FIRMWARE_SAP, ORDER, PUSH_SAP, READER_SAP, UTILITY_SAP, Ciphering, Client
from firmware_sim.dlms.gcm import AUTHENTICATED, ENCRYPTED
from firmware_sim.dlms.objects import CosemObject, constant, logical_name

_CLIENTS = (READER_SAP, UTILITY_SAP, PUSH_SAP, FIRMWARE_SAP)
_SUITE_0 = 0


def setup_name(sap: int) -> bytes:
    """The logical name of the security setup of a client."""
    return logical_name(f"0.0.43.0.{ORDER.index(sap) + 1}.255")


def has_setup(sap: int) -> bool:
    """Whether a client has a security setup: the public one and the display have none."""
    return sap in _CLIENTS


def security_setups(clients: Iterable[Client], title: bytes) -> list[CosemObject]:
    """One object for every client that may be ciphered. `title` is the meter's own system title."""
    policies = {client.sap: policy(client) for client in clients}
    return [
        CosemObject(
            class_id=64,
            name=setup_name(sap),
            attributes={
                2: constant(enum(policies.get(sap, 0))),
                3: constant(enum(_SUITE_0)),
                4: constant(octets(b"")),  # a client's title is known while it is associated, and not before
                5: constant(octets(title)),
            },
        )
        for sap in _CLIENTS
    ]


def policy(client: Client) -> int:
    """The security policy: 0 nothing, 1 all messages authenticated, 2 encrypted, 3 both."""
    if client.ciphering is not Ciphering.REQUIRED:
        return 0
    return (1 if client.policy & AUTHENTICATED else 0) | (2 if client.policy & ENCRYPTED else 0)
