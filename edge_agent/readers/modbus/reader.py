"""A Modbus meter behind the `SampledReader` seam."""

from types import TracebackType
from typing import Self

from edge_agent.errors import MeterRefusedError
from edge_agent.readers.modbus import decode
from edge_agent.readers.modbus.exchange import BlockTransport
from edge_agent.readers.modbus.register_map import RegisterMap
from edge_agent.registers import MeterIdentity, Origin, RegisterSample


def map_doubt(reader: object) -> str | None:
    """Why the register map that `reader` reads by is not to be trusted yet, with the remedy; None where there is nothing to say."""
    if not isinstance(reader, ModbusReader) or reader.register_map.verified:
        return None
    return (
        f"register map '{reader.register_map.model}' was never compared with a real meter: read it twice beside the meter's "
        "display, some kWh apart (`sakshi-agent read`), and tell the project what you saw"
    )


class ModbusReader:
    """A meter without memory or clock. Implements `SampledReader`; one task at a time."""

    def __init__(self, *, blocks: BlockTransport, register_map: RegisterMap) -> None:
        self._blocks = blocks
        self._map = register_map
        self._has_serial = register_map.serial is not None

    @property
    def origin(self) -> Origin:
        """See `SampledReader.origin`."""
        return Origin.MODBUS

    async def __aenter__(self) -> Self:
        """See `SampledReader.__aenter__`."""
        await self._blocks.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `SampledReader.__aexit__`."""
        await self.close()

    async def close(self) -> None:
        """See `SampledReader.close`."""
        await self._blocks.close()

    @property
    def register_map(self) -> RegisterMap:
        """Where the meter's energies are taken to stand."""
        return self._map

    async def identity(self) -> MeterIdentity:
        """See `SampledReader.identity`."""
        return MeterIdentity(serial=await self._serial(), manufacturer=self._map.manufacturer, category=self._map.title)

    async def sample(self) -> RegisterSample:
        """See `SampledReader.sample`. The serial number is read first, so that a swapped meter shows in the same poll."""
        serial = await self._serial()
        return decode.sample(self._map, await self._blocks.read(self._map.energy_block()), serial)

    async def _serial(self) -> str | None:
        block = self._map.serial_block()
        if block is None or not self._has_serial:
            return None
        try:
            return decode.serial_text(self._map, await self._blocks.read(block))
        except MeterRefusedError:
            # Not in every firmware: not asked again on this connection.
            self._has_serial = False
            return None
