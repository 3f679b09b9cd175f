"""`sakshi-agent discover`: what is at a URL, and what it says it is. Reads only; a refusal is an entry, never an end.

A DLMS meter is asked twice: over the public association, and over the one that the URL names. A Modbus meter has no list of
what it holds: its identity and two samples tell whether the register map fits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from edge_agent.clock import evidence
from edge_agent.errors import ReaderError
from edge_agent.readers.dlms import cosem, objects, profile, survey
from edge_agent.readers.dlms.client import DlmsClient
from edge_agent.readers.dlms.codec import Data
from edge_agent.readers.dlms.cosem import Attribute
from edge_agent.readers.dlms.objects import ListedObject
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.modbus.reader import ModbusReader, map_doubt
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.readers.report import Json, clock_json, columns_json, identity_json, sample_json, value_json
from edge_agent.readers.succession import break_between
from signing.statements.reading_batch import ClockSource

NAMEPLATE: Final[Mapping[str, str]] = {
    "logical device name": "0.0.42.0.0.255",
    "serial number": cosem.SERIAL.obis,
    "manufacturer": cosem.MANUFACTURER.obis,
    "device id": "0.0.96.1.2.255",
    "firmware": cosem.FIRMWARE.obis,
    "meter type": "0.0.94.91.9.255",
    "category": cosem.CATEGORY.obis,
    "current rating": "0.0.94.91.12.255",
    "year of manufacture": "0.0.96.1.4.255",
    "demand period, s": "1.0.0.8.0.255",
    "capture period, s": "1.0.0.8.4.255",
    "invocation counter, public": "0.0.43.1.1.255",
    "invocation counter, meter reader": "0.0.43.1.2.255",
    "invocation counter, utility setting": "0.0.43.1.3.255",
    "invocation counter, push": "0.0.43.1.4.255",
    "invocation counter, firmware": "0.0.43.1.5.255",
    "invocation counter, in-home display": "0.0.43.1.6.255",
}
"""Data objects (class 1) by what they tell. Source: METERS §2."""

PUBLIC_CLIENT: Final = 16
ASSOCIATION_KEYS: Final = frozenset(
    {"auth", "client", "counter", "dedicated", "general", "keys", "password", "protect", "suite", "title"}
)
"""Keys of a URL that say how to associate, and not where the meter is."""
_ANY_POWER_W: Final = 10**9
"""Two samples of one moment may differ by what no home draws; more than this is another register's value."""
_PROFILE_CLASS: Final = 7
_SIZES: Final = {"period_s": 4, "sort_method": 5, "entries_in_use": 7, "entries": 8}


@dataclass(slots=True)
class _Asked:
    """What one association answered, and what it refused by name."""

    client: DlmsClient
    refused: dict[str, Json] = field(default_factory=dict)

    async def get(self, attribute: Attribute) -> Data | None:
        """The attribute; None where it is refused, which is noted."""
        try:
            return await self.client.get(attribute)
        except ReaderError as error:
            self.refused[str(attribute)] = str(error)
            return None


async def discover(
    url: str, open_reader: Callable[[str], Reader | SampledReader], now_ms: Callable[[], int]
) -> dict[str, Json]:
    """Everything that the meter at `url` gives of itself, as JSON-able values, with every refusal by the object's name.

    `now_ms` is the gateway's clock, against which the meter's is held.

    Raises:
        ReaderUrlError: the URL itself is wrong.
    """
    reader = open_reader(url)
    if isinstance(reader, SampledReader):
        return {"meter": await _sampled(reader)}
    if not isinstance(reader, DlmsReader):
        return {"meter": await _memory(reader)}
    return {
        "public association": await _opened(open_reader, public_url(url), now_ms),
        "given association": await _associated(reader, now_ms),
    }


def answers(found: Mapping[str, Json]) -> bool:
    """Whether the meter let itself be asked over the association that the URL names."""
    asked = found.get("given association", found.get("meter"))
    return isinstance(asked, Mapping) and not isinstance(asked.get("refused"), str)


def public_url(url: str) -> str:
    """`url` over the public association: the same meter on the same wire, without any secret."""
    parts = urlsplit(url)
    kept = [
        (key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key not in ASSOCIATION_KEYS
    ]
    return urlunsplit(parts._replace(query=urlencode([*kept, ("client", str(PUBLIC_CLIENT))], safe="/:")))


async def _opened(
    open_reader: Callable[[str], Reader | SampledReader], url: str, now_ms: Callable[[], int]
) -> dict[str, Json]:
    try:
        reader = open_reader(url)
    except ReaderError as error:
        return {"refused": str(error)}
    assert isinstance(reader, DlmsReader)
    return await _associated(reader, now_ms)


async def _associated(reader: DlmsReader, now_ms: Callable[[], int]) -> dict[str, Json]:
    try:
        async with reader:
            asked = _Asked(reader.client)
            found: dict[str, Json] = {"origin": reader.origin.value, **_granted(reader.client)}
            found["nameplate"] = await _nameplate(asked)
            found["clock"] = await _clock(asked, now_ms)
            listed = await _objects(asked)
            found["objects"] = [_listed_json(each) for each in listed]
            found["profiles"] = await _profiles(asked, listed)
            found["refused"] = asked.refused
            return found
    except ReaderError as error:
        return {"refused": str(error)}


def _granted(client: DlmsClient) -> dict[str, Json]:
    granted = client.granted
    return {"services": [str(each.name) for each in granted.conformance], "largest_pdu": granted.max_pdu}


async def _nameplate(asked: _Asked) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, obis in NAMEPLATE.items():
        value = await asked.get(Attribute(class_id=1, obis=obis))
        if value is not None:
            found[name] = value_json(objects.shown(value))
    return found


async def _clock(asked: _Asked, now_ms: Callable[[], int]) -> Json:
    asked_ms = now_ms()
    value = await asked.get(cosem.CLOCK)
    answered_ms = now_ms()
    if value is None:
        return None
    try:
        clock = profile.clock(value, str(cosem.CLOCK))
    except ReaderError as error:
        asked.refused[str(cosem.CLOCK)] = str(error)
        return None
    known = evidence(meter_ms=clock.utc_ms, asked_ms=asked_ms, answered_ms=answered_ms, reference=ClockSource.GATEWAY)
    return {**clock_json(clock), "offset_ms": known.offset_ms}


async def _objects(asked: _Asked) -> tuple[ListedObject, ...]:
    of = Attribute(class_id=15, obis="0.0.40.0.0.255")
    value = await asked.get(of)
    if value is None:
        return ()
    try:
        return objects.object_list(value, str(of))
    except ReaderError as error:
        asked.refused[str(of)] = str(error)
        return ()


def _listed_json(listed: ListedObject) -> Json:
    return {
        "class": listed.class_id,
        "obis": listed.obis,
        "version": listed.version,
        "access": {mode: list[Json](attributes) for mode, attributes in listed.access().items()},
        "methods": listed.methods,
    }


async def _profiles(asked: _Asked, listed: tuple[ListedObject, ...]) -> dict[str, Json]:
    """The profiles that the list names; those of the standard where there is no list."""
    names = [each.obis for each in listed if each.class_id == _PROFILE_CLASS]
    found: dict[str, Json] = {}
    for obis in names if listed else [each.obis for each in survey.PROFILES]:
        of = Attribute(class_id=_PROFILE_CLASS, obis=obis)
        try:
            columns = await survey.columns_of(asked.client, of)
        except ReaderError as error:
            asked.refused[str(of.sibling(3))] = str(error)
            continue
        sizes: dict[str, Json] = {}
        for name, attribute in _SIZES.items():
            value = await asked.get(of.sibling(attribute))
            sizes[name] = None if value is None else value_json(objects.shown(value))
        found[obis] = {**sizes, "columns": columns_json(columns)}
    return found


async def _sampled(reader: SampledReader) -> dict[str, Json]:
    found: dict[str, Json] = {"origin": reader.origin.value}
    if isinstance(reader, ModbusReader):
        known = reader.register_map
        found["register map"] = {
            "model": known.model,
            "title": known.title,
            "source": known.source,
            "verified": known.verified,
            "warning": map_doubt(reader),
        }
    try:
        async with reader:
            found["identity"] = identity_json(await reader.identity())
            first, second = await reader.sample(), await reader.sample()
    except ReaderError as error:
        return {**found, "refused": str(error)}
    broken = break_between(first, second, elapsed_s=1, limit_w=_ANY_POWER_W)
    found["sample"] = sample_json(second)
    found["two samples"] = "follow one another" if broken is None else f"the register map may be wrong: {broken.value}"
    return found


async def _memory(reader: Reader) -> dict[str, Json]:
    """Of a reader that answers only for the seam's questions."""
    try:
        async with reader:
            return {"origin": reader.origin.value, "identity": identity_json(await reader.identity())}
    except ReaderError as error:
        return {"origin": reader.origin.value, "refused": str(error)}
