"""What a meter pushes by itself: a DataNotification of its instantaneous values, without a socket.

Source: IEC 62056-5-3, 9.5 (DataNotification, tag 0x0F); IS 15959-2, push setup 0.0.25.9.0.255 to client 64.
"""

from firmware_sim.dlms.axdr import date_time, length, octets, structure
from firmware_sim.dlms.catalogue import PUSH_SETUP, pushed
from firmware_sim.dlms.ciphering import Form, enclose
from firmware_sim.dlms.clients import PUSH_SAP, SERVER_SAP
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import BOTH, Keys, seal

_TAG = 0x0F


class Notifier:
    """Makes the pushes of one device; they are numbered. With `keys` they go in general-glo-ciphering."""

    def __init__(self, device: Device, keys: Keys | None = None) -> None:
        self._device = device
        self._keys = keys
        self._number = 0

    def apdu(self) -> bytes:
        """The next notification."""
        # long-invoke-id-and-priority: 24 bits count, the service class above them stays "unconfirmed".
        self._number = (self._number + 1) & 0xFFFFFF
        now = self._device.now()
        columns = pushed(self._device.objects)
        cells = [each.cell(now) for each in columns]
        body = structure(octets(self._device.title), octets(PUSH_SETUP), *cells)
        stamp = date_time(now)
        plain = bytes([_TAG]) + self._number.to_bytes(4, "big") + length(len(stamp)) + stamp + body
        if self._keys is None:
            return plain
        counter = self._device.counters.next()
        sealed = seal(self._keys, BOTH, self._device.title, counter, plain)
        return enclose(Form.GENERAL_GLO, _TAG, self._device.title, bytes([BOTH]) + counter.to_bytes(4, "big") + sealed)

    def frame(self) -> bytes:
        """The next notification in the TCP wrapper, from the meter to the push client."""
        apdu = self.apdu()
        return b"".join(part.to_bytes(2, "big") for part in (1, SERVER_SAP, PUSH_SAP, len(apdu))) + apdu
