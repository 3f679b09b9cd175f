"""`open_reader`: a reader for a URL. A new meter protocol is one line in `READERS`."""

from collections.abc import Awaitable, Callable
from importlib import resources, util

from edge_agent.errors import MeterDecodeError, ReaderUrlError
from edge_agent.readers import access
from edge_agent.readers import url as urls
from edge_agent.readers.access import METER_READER_CLIENT, Auth, Vault
from edge_agent.readers.dlms.hdlc import (
    DEFAULT_LIMITS,
    LONGEST_APDU,
    MOST_INFORMATION,
    MOST_WINDOW,
    AnswerSize,
    HdlcLimits,
    HdlcLink,
)
from edge_agent.readers.dlms.hdlc_frame import server_address
from edge_agent.readers.dlms.link import Link
from edge_agent.readers.dlms.profile import StampMeans
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.dlms.security import Policy
from edge_agent.readers.dlms.serial_port import SerialSettings, open_serial
from edge_agent.readers.dlms.transport import Transport, alone, connect_tcp
from edge_agent.readers.dlms.wrapper import WrapperLink
from edge_agent.readers.dlms_cosem import CosemReader
from edge_agent.readers.modbus.exchange import BlockTransport
from edge_agent.readers.modbus.reader import ModbusReader
from edge_agent.readers.modbus.register_map import RegisterMap, parse_map
from edge_agent.readers.modbus.serial_line import LineSettings, SerialBlocks
from edge_agent.readers.modbus.sunspec_reader import SunSpecReader
from edge_agent.readers.modbus.transport import TcpBlocks
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.readers.url import ReaderUrl

PUBLIC_CLIENT = access.PUBLIC_CLIENT
LINE_WAIT_S = 900
"""Longest wait for a line that other meters are read over: one of them may be back-filled meanwhile."""
SUNSPEC = "sunspec"
"""The map of a meter that describes itself."""
_BAUDS = ("1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200")


_SIZES: dict[tuple[object, ...], AnswerSize] = {}
"""How long the answers of each meter behind HDLC are best. Outlives every reader: the next poll opens another one."""


def open_reader(url: str, vault: Vault | None = None) -> Reader | SampledReader:
    """A reader for `url`, not yet connected: entering it connects. Meters' keys come from `vault` when they are needed.

    Raises:
        ReaderUrlError: with every fault of the URL and its remedy; never with a secret.
    """
    parts = urls.split(url)
    make = READERS.get(f"{parts.scheme}:")
    if make is None:
        known = ", ".join(READERS)
        raise ReaderUrlError((f"expected a scheme of {known}, got '{parts.scheme}:'", *parts.faults))
    return make(parts, vault)


def known_maps() -> dict[str, str]:
    """The text of every register map that ships, by model."""
    folder = resources.files("edge_agent.readers.modbus") / "maps"
    files = (entry for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {entry.name.removesuffix(".toml"): entry.read_text("utf-8") for entry in files}


def _dlms_tcp(url: ReaderUrl, vault: Vault | None) -> Reader:
    """Keys: client (32), server (1), and those of `_dlms`."""
    host, port = url.endpoint(4059)
    client = url.number("client", METER_READER_CLIENT, range(1, 0x10000))
    server = url.number("server", 1, range(1, 0x10000))
    return _dlms(
        url, vault, client, lambda client: WrapperLink(client=client, server=server), lambda _: connect_tcp(host, port)
    )


def _dlms_hdlc_tcp(url: ReaderUrl, vault: Vault | None) -> Reader:
    """Keys: those of `_hdlc` and of `_dlms`. One connection at a time to one host and port: a converter has one line."""
    host, port = url.endpoint(4059)
    client, link = _hdlc(url)
    line = f"{host}:{port}"
    return _dlms(
        url,
        vault,
        client,
        link,
        lambda timeout_s: alone(line, lambda: connect_tcp(host, port), timeout_s),
        waits_for_line=True,
    )


def _dlms_serial(url: ReaderUrl, vault: Vault | None) -> Reader:
    """Keys: baud (9600), parity (N, E or O; N), stop (1 or 2; 1), those of `_hdlc` and of `_dlms`."""
    settings = SerialSettings(
        device=url.device(),
        baud=int(url.choice("baud", "9600", _BAUDS)),
        parity=url.choice("parity", "N", ("N", "E", "O")),
        stop_bits=url.number("stop", 1, range(1, 3)),
    )
    client, link = _hdlc(url)
    return _dlms(
        url,
        vault,
        client,
        link,
        lambda timeout_s: alone(settings.line, lambda: open_serial(settings), timeout_s),
        waits_for_line=True,
    )


def _hdlc(url: ReaderUrl) -> tuple[int, Callable[[int], Link]]:
    """Keys: client (32), server (1), physical (none), address (octets of the server's address: 1, 2 or 4; the fewest),
    frame (octets of information, 128), window (1), pdu (octets of an answer; as many as fill the meter's frames).
    """
    client = url.number("client", METER_READER_CLIENT, range(1, 0x80))
    logical = url.number("server", 1, range(1, 0x4000))
    physical = url.number("physical", 0, range(0x4000)) if "physical" in url.keys else None
    octets = url.choice("address", "fewest", ("fewest", "1", "2", "4"))
    limits = HdlcLimits(
        information=url.number("frame", DEFAULT_LIMITS.information, range(32, MOST_INFORMATION + 1)),
        window=url.number("window", DEFAULT_LIMITS.window, range(1, MOST_WINDOW + 1)),
    )
    size = _SIZES.setdefault((url.host, url.port, url.path, logical, physical), AnswerSize())
    if "pdu" in url.keys:
        size = AnswerSize(url.number("pdu", LONGEST_APDU, range(64, LONGEST_APDU + 1)))
    try:
        server = server_address(logical, physical, None if octets == "fewest" else int(octets))
    except ValueError as error:
        url.faults.append(f"{error} in 'address'")
    return client, lambda client: HdlcLink(client=client, server=server, limits=limits, size=size)


def _dlms(
    url: ReaderUrl,
    vault: Vault | None,
    client: int,
    link: Callable[[int], Link],
    connect: Callable[[float], Awaitable[Transport]],
    *,
    waits_for_line: bool = False,
) -> Reader:
    """Keys: timeout (10 s), stamp (end), and those of `access.parse_access`."""
    timeout_s = url.number("timeout", 10, range(1, 301))
    stamp = url.choice("stamp", StampMeans.END.value, tuple(means.value for means in StampMeans))
    allowed = access.parse_access(url, client)
    url.finish()
    connect_s = LINE_WAIT_S if waits_for_line else None
    line = access.Line(connect=lambda: connect(timeout_s), link=link, timeout_s=timeout_s, connect_s=connect_s)
    return DlmsReader(
        connect=line.connect,
        session=access.session(allowed, vault, line),
        origin=allowed.origin,
        timeout_s=timeout_s,
        stamp_means=StampMeans(stamp),
        connect_s=connect_s,
        renewal=access.recovery(allowed, vault, line),
        again=lambda: access.session(allowed, vault, line),
    )


def _beyond_cosem(allowed: access.Access) -> list[str]:
    """What dlms-cosem cannot do of what is asked for, each with the remedy."""
    remedy = "use dlms+tcp: for what this meter wants"
    found = []
    if allowed.auth is Auth.HLS2:
        found.append(f"dlms-cosem+tcp: shows the secret of auth=hls2 in clear: {remedy}")
    if allowed.auth is Auth.HLS5 and not allowed.is_ciphered:
        found.append(f"dlms-cosem+tcp: ciphers whenever it has keys, so not suite=none: {remedy}")
    if allowed.policy is not Policy.AUTHENTICATED_ENCRYPTED or allowed.is_dedicated:
        found.append(f"dlms-cosem+tcp: encrypts and authenticates under the global key only: {remedy}")
    return found


def _dlms_cosem_tcp(url: ReaderUrl, vault: Vault | None) -> Reader:
    """A second opinion. Keys: client (32), server (1), timeout (10 s), deadline (120 s), stamp (end), and those of
    `access.parse_access`, as far as that stack goes. It always uses general-glo-ciphering where it ciphers.
    """
    host, port = url.endpoint(4059)
    client = url.number("client", METER_READER_CLIENT, range(1, 0x10000))
    server = url.number("server", 1, range(1, 0x10000))
    timeout_s = url.number("timeout", 10, range(1, 301))
    deadline_s = url.number("deadline", 120, range(1, 3601))
    stamp = url.choice("stamp", StampMeans.END.value, tuple(means.value for means in StampMeans))
    allowed = access.parse_access(url, client)
    url.faults += _beyond_cosem(allowed)
    if util.find_spec("dlms_cosem") is None:
        url.faults.append("expected the package dlms-cosem: install `sakshi[dlms-cosem]`, or use dlms+tcp:")
    url.finish()
    meter: dict[str, str | int] = {"host": host, "port": port, "client": client, "server": server, "timeout": timeout_s}
    return CosemReader(
        meter={**meter, "auth": allowed.auth.value},
        shown=lambda: allowed.handover(vault),
        origin=allowed.origin,
        deadline_s=deadline_s,
        stamp_means=StampMeans(stamp),
    )


def _modbus_tcp(url: ReaderUrl, _: Vault | None) -> SampledReader:
    """Keys: unit (1), map (required), timeout (3 s)."""
    host, port = url.endpoint(502)
    unit = url.number("unit", 1, range(1, 248))
    timeout_s = url.number("timeout", 3, range(1, 61))
    return _modbus(url, TcpBlocks(host=host, port=port, unit=unit, timeout_s=timeout_s))


def _modbus_rtu(url: ReaderUrl, _: Vault | None) -> SampledReader:
    """Keys: baud (9600), parity (N, E or O; N), stop (1), unit (1), map (required), timeout (3 s).

    The standard's own line is 19200 8E1; what a meter is set to is on its display.
    """
    settings = LineSettings(
        device=url.device(),
        baud=int(url.choice("baud", "9600", _BAUDS)),
        parity=url.choice("parity", "N", ("N", "E", "O")),
        stop_bits=url.number("stop", 1, range(1, 3)),
    )
    unit = url.number("unit", 1, range(1, 248))
    timeout_s = url.number("timeout", 3, range(1, 61))
    return _modbus(url, SerialBlocks(settings=settings, unit=unit, timeout_s=timeout_s))


def _modbus(url: ReaderUrl, blocks: BlockTransport) -> SampledReader:
    if url.keys.get("map") == SUNSPEC:
        del url.keys["map"]
        url.finish()
        return SunSpecReader(blocks=blocks)
    register_map = _map(url)
    url.finish()
    if register_map is None:
        raise ReaderUrlError(("expected a register map in 'map', got none",))
    return ModbusReader(blocks=blocks, register_map=register_map)


def _map(url: ReaderUrl) -> RegisterMap | None:
    texts = known_maps()
    model = url.keys.pop("map", None)
    if model is None or model not in texts:
        got = "nothing" if model is None else repr(model)
        known = ", ".join(sorted([*texts, SUNSPEC]))
        url.faults.append(f"expected a register map of {known} in 'map', got {got}")
        return None
    try:
        return parse_map(texts[model], model)
    except MeterDecodeError as error:
        url.faults.append(str(error))
        return None


READERS: dict[str, Callable[[ReaderUrl, Vault | None], Reader | SampledReader]] = {
    "dlms+tcp:": _dlms_tcp,
    "dlms+hdlc+tcp:": _dlms_hdlc_tcp,
    "dlms+serial:": _dlms_serial,
    "dlms-cosem+tcp:": _dlms_cosem_tcp,
    "modbus+tcp:": _modbus_tcp,
    "modbus+rtu:": _modbus_rtu,
}
"""The meter protocols, by URL scheme."""
