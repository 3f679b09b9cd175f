"""A SunSpec meter behind the `SampledReader` seam: found by walking its chain once a connection."""

from types import TracebackType
from typing import Self

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.readers.modbus import sunspec
from edge_agent.readers.modbus.exchange import BlockTransport
from edge_agent.readers.modbus.sunspec import Chain, Header, Plate
from edge_agent.registers import MeterIdentity, Origin, RegisterSample


class SunSpecReader:
    """A meter without memory or clock that describes itself. Implements `SampledReader`; one task at a time."""

    def __init__(self, *, blocks: BlockTransport) -> None:
        self._blocks = blocks
        self._chain: Chain | None = None

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
        self._chain = None
        await self._blocks.close()

    async def identity(self) -> MeterIdentity:
        """See `SampledReader.identity`."""
        chain = await self._walked()
        plate = await self._plate(chain)
        category = f"SunSpec {chain.meter.model}" + (f" {plate.model}" if plate.model else "")
        return MeterIdentity(
            serial=plate.serial, manufacturer=plate.manufacturer, firmware=plate.version, category=category
        )

    async def sample(self) -> RegisterSample:
        """See `SampledReader.sample`. The serial number is read first, so that a swapped meter shows in the same poll."""
        chain = await self._walked()
        plate = await self._plate(chain)
        return sunspec.sample(chain, await self._blocks.read(sunspec.energy_block(chain)), plate.serial)

    async def _plate(self, chain: Chain) -> Plate:
        return sunspec.plate(chain, await self._blocks.read(sunspec.plate_block(chain)))

    async def _walked(self) -> Chain:
        if self._chain is None:
            # An error leaves nothing behind: headers are of one length, and a walk goes on only from answers that came in time.
            self._chain = await self._walk(await self._base())
        return self._chain

    async def _base(self) -> int:
        for base in sunspec.BASES:
            try:
                words = await self._blocks.read(sunspec.mark_block(base))
            except MeterRefusedError:
                continue
            if tuple(words) == sunspec.MARK:
                return base
        places = ", ".join(map(str, sunspec.BASES))
        raise MeterRefusedError(f"no SunSpec device: expected 'SunS' at one of {places}; choose another 'map'")

    async def _walk(self, base: int) -> Chain:
        common: Header | None = None
        seen: list[int] = []
        address = base + len(sunspec.MARK)
        for _ in range(sunspec.MOST_MODELS):
            block = sunspec.header_block(address)
            found = sunspec.header(block, await self._blocks.read(block))
            if found.model == sunspec.END:
                raise MeterRefusedError(f"no SunSpec meter model among {', '.join(map(str, seen)) or 'none'}")
            seen.append(found.model)
            if found.model == sunspec.COMMON:
                common = found
            elif sunspec.is_meter(found):
                if common is None:
                    raise MeterDecodeError(f"expected SunSpec model 1 before model {found.model} at {address}")
                return Chain(common=common, meter=found)
            address = found.next
        raise MeterDecodeError(f"expected the end of the SunSpec chain within {sunspec.MOST_MODELS} models, got more")
