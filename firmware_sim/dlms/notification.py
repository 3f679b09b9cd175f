"""What a meter pushes by itself, and when: DataNotifications of its two push setups, without a socket.

Source: IEC 62056-5-3, 9.5 (DataNotification, tag 0x0F); push setups 0.0.25.9.0.255 and 0.4.25.9.0.255 to client 64.
"""

from firmware_sim.dlms.axdr import date_time, length, structure
from firmware_sim.dlms.ciphering import Form, enclose
from firmware_sim.dlms.clients import PUSH_SAP, SERVER_SAP
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import BOTH, Keys, seal
from firmware_sim.dlms.push_setup import Push, columns_of, is_dark, power_changes

_TAG = 0x0F


class Notifier:
    """Makes the pushes of one device; they are numbered. With `keys` they go in general-glo-ciphering."""

    def __init__(self, device: Device, keys: Keys | None = None) -> None:
        self._device = device
        self._keys = keys
        self._number = 0

    def now(self) -> int:
        """The meter's clock, UTC seconds."""
        return self._device.now()

    def is_on(self) -> bool:
        """Whether the meter has power."""
        return not is_dark(self._device.meter, self.now())

    def apdu(self, push: Push = Push.INSTANT) -> bytes:
        """The next notification."""
        # long-invoke-id-and-priority: 24 bits count, the service class above them stays "unconfirmed".
        self._number = (self._number + 1) & 0xFFFFFF
        now = self.now()
        body = structure(*(each.cell(now) for each in columns_of(push, self._device.objects)))
        stamp = date_time(now)
        plain = bytes([_TAG]) + self._number.to_bytes(4, "big") + length(len(stamp)) + stamp + body
        if self._keys is None:
            return plain
        counter = self._device.counters.next()
        sealed = seal(self._keys, BOTH, self._device.title, counter, plain)
        return enclose(Form.GENERAL_GLO, _TAG, self._device.title, bytes([BOTH]) + counter.to_bytes(4, "big") + sealed)

    def frame(self, push: Push = Push.INSTANT) -> bytes:
        """The next notification in the wrapper, from the meter to the push client."""
        apdu = self.apdu(push)
        return b"".join(part.to_bytes(2, "big") for part in (1, SERVER_SAP, PUSH_SAP, len(apdu))) + apdu

    def frames(self, push: Push = Push.INSTANT) -> tuple[bytes, ...]:
        """What is sent for the next notification, each on a connection of its own: one frame, unless the meter is at fault."""
        sent: tuple[bytes, ...] = (self.frame(push),)
        for fault in self._device.pushes:
            sent = tuple(each for one in sent for each in fault(one))
        return sent

    def due(self, after: int, until: int, *, at_block_ends: bool) -> tuple[Push, ...]:
        """What happened in (`after`, `until`] that is worth a push: power that went or came, and the end of a block."""
        meter = self._device.meter
        pushes = [Push.ALERT] * len(power_changes(meter, after, until))
        end = meter.boundary(until)
        if at_block_ends and end > after and not is_dark(meter, end):
            pushes.append(Push.INSTANT)
        return tuple(pushes)
