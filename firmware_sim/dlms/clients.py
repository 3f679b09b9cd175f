"""Who may talk to a meter, and how each shows who it is.

Source: IS 15959-1 and -2 as deployed: public client 16, meter reader 32, utility setting 48, push 64, in-home display 96.
"""

from dataclasses import dataclass, field
from enum import Enum

from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.gcm import BOTH, KEY_SIZE, TITLE_SIZE, Keys
from firmware_sim.errors import SetupError

PUBLIC_SAP, READER_SAP, UTILITY_SAP, PUSH_SAP, FIRMWARE_SAP, DISPLAY_SAP = 16, 32, 48, 64, 80, 96
SERVER_SAP = 1
"""The management logical device."""

ORDER = (PUBLIC_SAP, READER_SAP, UTILITY_SAP, PUSH_SAP, FIRMWARE_SAP, DISPLAY_SAP)
"""Clients by the E of their invocation counter 0.0.43.1.E.255 and of their association 0.0.40.0.E.255, from 1."""

DEFAULT_PASSWORD = b"sakshi-1"
"""The low-level secret of a simulated meter: public, like the meter."""
TEST_EK = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
TEST_AK = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
TEST_HLS_SECRET = b"sakshi-hls-0001k"
"""Keys of simulated meters, printed by `--help`; those of the Green Book's examples and one more. Never secret."""


class Ciphering(Enum):
    """Whether an association is ciphered."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client this meter knows, by its service access point."""

    sap: int
    mechanism: Mechanism
    secret: bytes = field(default=b"", repr=False)
    """The password (LLS) or the key of mechanism 2."""
    sees_everything: bool = False
    ciphering: Ciphering = Ciphering.OFF
    keys: Keys | None = None
    policy: int = BOTH
    """Bits of the security control byte that every ciphered request must have."""

    def __post_init__(self) -> None:
        """Refuse a client that could never associate as it is told to."""
        if self.keys is None and (self.ciphering is not Ciphering.OFF or self.mechanism is Mechanism.GMAC):
            raise SetupError(f"expected keys for client {self.sap}: ciphering and mechanism 5 need them")
        if self.mechanism is Mechanism.HLS and len(self.secret) != KEY_SIZE:
            raise SetupError(f"expected a secret of 16 bytes for mechanism 2, got {len(self.secret)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The clients of one meter, as they are set up at the utility."""

    password: bytes = field(default=DEFAULT_PASSWORD, repr=False)
    keys: Keys | None = None
    ciphering: Ciphering = Ciphering.OFF
    """Of the meter reader; the utility's association is ciphered as soon as this is not OFF."""
    policy: int = BOTH
    hls: Mechanism | None = None
    """The utility's mechanism; without one there is no such client."""
    hls_secret: bytes = field(default=TEST_HLS_SECRET, repr=False)

    def clients(self) -> list[Client]:
        """Every client that can associate, the public one first."""
        found = [
            Client(sap=PUBLIC_SAP, mechanism=Mechanism.NONE),
            Client(
                sap=READER_SAP,
                mechanism=Mechanism.LLS,
                secret=self.password,
                sees_everything=True,
                ciphering=self.ciphering,
                keys=self.keys,
                policy=self.policy,
            ),
        ]
        if self.hls is not None:
            found.append(
                Client(
                    sap=UTILITY_SAP,
                    mechanism=self.hls,
                    secret=self.hls_secret,
                    sees_everything=True,
                    ciphering=Ciphering.OFF if self.ciphering is Ciphering.OFF else Ciphering.REQUIRED,
                    keys=self.keys,
                    policy=self.policy,
                )
            )
        return found

    def declared(self) -> list[Client]:
        """Every client with an association object: also those that only listen, and the one that brings firmware, which
        this meter takes from nobody.
        """
        return [
            *self.clients(),
            Client(sap=PUSH_SAP, mechanism=Mechanism.NONE),
            Client(sap=FIRMWARE_SAP, mechanism=Mechanism.HLS, secret=self.hls_secret),
            Client(sap=DISPLAY_SAP, mechanism=Mechanism.LLS),
        ]


def system_title(flag_id: str, serial: str) -> bytes:
    """A meter's system title: the maker's three letters and five bytes made from its serial number."""
    return flag_id.encode("ascii") + (int(serial, 36) % 2**40).to_bytes(TITLE_SIZE - 3, "big")
