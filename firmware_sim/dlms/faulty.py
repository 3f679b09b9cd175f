"""The faults of DLMS meters by name, combinable: what stands on the command line, and what becomes of a device."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from firmware_sim.dlms import object_faults
from firmware_sim.dlms.acse import Conformance
from firmware_sim.dlms.answer_faults import (
    Noisy,
    Silent,
    drops_after,
    push_garbage,
    push_replayed,
    push_wrong_tag,
    wrong_tags,
)
from firmware_sim.dlms.clients import READER_SAP, UTILITY_SAP
from firmware_sim.dlms.device import Device, Line, Pusher, Spoiler
from firmware_sim.dlms.object_faults import Change
from firmware_sim.errors import SetupError
from firmware_sim.faults import FAULTS
from firmware_sim.instants import parse_instant
from firmware_sim.pace import BITS_A_BYTE

AHEAD = 1_000_000
"""How far a stale counter lies behind."""
_UNSPECIFIED = -0x8000
_MOST_BYTES_A_SECOND = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DlmsFault:
    """One defect of one meter; what it does not name, it leaves as it is."""

    objects: Change | None = None
    withheld: int = 0
    """Conformance bits that the meter does not agree to."""
    spoiler: Callable[[], Spoiler] | None = None
    line: Callable[[Line], Line] | None = None
    bps: int | None = None
    counters_ahead: int = 0
    push: Pusher | None = None

    def befall(self, device: Device) -> None:
        """Give `device` this defect."""
        if self.objects is not None:
            device.objects = self.objects(device.objects)
        device.withheld |= self.withheld
        if self.spoiler is not None:
            device.spoilers.append(self.spoiler)
        if self.line is not None:
            device.lines.append(self.line)
        device.bps = self.bps or device.bps
        if self.push is not None:
            device.pushes.append(self.push)
        if self.counters_ahead:
            for sap in (READER_SAP, UTILITY_SAP):
                device.counters.accept(sap, device.counters.accepted(sap) + self.counters_ahead)


def spoil(device: Device, faults: Iterable[DlmsFault]) -> Device:
    """`device` with all of `faults`, in their order."""
    for fault in faults:
        fault.befall(device)
    return device


Make = Callable[[str], DlmsFault]


def _bare(name: str, fault: DlmsFault) -> Make:
    def make(argument: str) -> DlmsFault:
        if argument:
            raise SetupError(f"expected nothing after {name!r}, got {argument!r}")
        return fault

    return make


def _at(change: Callable[[object_faults.Objects, int], object_faults.Objects]) -> Make:
    return lambda argument: DlmsFault(objects=partial(change, at=parse_instant(argument)))  # type: ignore[call-arg]  # both name it so


def _number(argument: str, low: int, high: int) -> int:
    try:
        value = int(argument)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise SetupError(f"expected a whole number from {low} to {high}, got {argument!r}")
    return value


def _deviation(argument: str) -> DlmsFault:
    known = {"+330": 330, "330": 330, "-330": -330, "unspecified": _UNSPECIFIED}
    if argument not in known:
        raise SetupError(f"expected +330, -330 or unspecified, got {argument!r}")
    return DlmsFault(objects=partial(object_faults.deviating, deviation=known[argument]))


def _clock_step(argument: str) -> DlmsFault:
    seconds, sign, at = argument.partition("@")
    step = _number(seconds, -86_400, 86_400)
    if not sign:
        return DlmsFault(objects=partial(object_faults.ahead, seconds=step))
    return DlmsFault(objects=partial(object_faults.stepped, at=parse_instant(at), seconds=step))


def _no_selective_access(argument: str) -> DlmsFault:
    if argument not in ("", "unsaid"):
        raise SetupError(f"expected nothing or 'unsaid', got {argument!r}")
    withheld = 0 if argument else int(Conformance.SELECTIVE_ACCESS)
    return DlmsFault(objects=partial(object_faults.selecting, selectors=()), withheld=withheld)


def _drop(argument: str) -> DlmsFault:
    return DlmsFault(spoiler=drops_after(_number(argument, 0, 1_000_000)))


def _slow(argument: str) -> DlmsFault:
    return DlmsFault(bps=_number(argument, 1, _MOST_BYTES_A_SECOND) * BITS_A_BYTE)


def _claimed_period(argument: str) -> DlmsFault:
    return DlmsFault(objects=partial(object_faults.claimed_period, period_s=_number(argument, 1, 86_400)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a fault is made from what stands after the ``=``, and what that is called in help."""

    make: Make
    argument: str = ""


def _plain(name: str, fault: DlmsFault) -> tuple[str, Kind]:
    return name, Kind(make=_bare(name, fault))


DLMS_FAULTS: dict[str, Kind] = dict(
    (
        _plain("shuffled-columns", DlmsFault(objects=object_faults.shuffled)),
        _plain("null-clocks", DlmsFault(objects=object_faults.null_clocks)),
        ("null-values", Kind(make=_at(object_faults.null_values), argument="ISO")),
        _plain("lifo", DlmsFault(objects=object_faults.newest_first)),
        _plain("start-stamps", DlmsFault(objects=object_faults.start_stamps)),
        ("deviation", Kind(make=_deviation, argument="+330|-330|unspecified")),
        _plain("clock-status-ff", DlmsFault(objects=partial(object_faults.with_clock_status, status=0xFF))),
        ("clock-step", Kind(make=_clock_step, argument="SECONDS[@ISO]")),
        _plain("exclusive-edges", DlmsFault(objects=object_faults.open_edges)),
        ("no-selective-access", Kind(make=_no_selective_access, argument="[unsaid]")),
        _plain("no-range", DlmsFault(objects=partial(object_faults.selecting, selectors=(2,)))),
        ("drop-after-block", Kind(make=_drop, argument="N")),
        ("slow-link", Kind(make=_slow, argument="BYTES_PER_S")),
        _plain("noise-bytes", DlmsFault(line=Noisy)),
        _plain("silent", DlmsFault(line=Silent)),
        ("reset", Kind(make=_at(object_faults.reset), argument="ISO")),
        ("rollover", Kind(make=_at(object_faults.rolled_over), argument="ISO")),
        _plain("swapped-ct", DlmsFault(objects=object_faults.swapped_ct)),
        ("lies-about-period", Kind(make=_claimed_period, argument="SECONDS")),
        _plain("stale-counter", DlmsFault(counters_ahead=AHEAD)),
        _plain("wrong-tag", DlmsFault(spoiler=wrong_tags)),
        _plain("push-replayed", DlmsFault(push=push_replayed)),
        _plain("push-wrong-tag", DlmsFault(push=push_wrong_tag)),
        _plain("push-garbage", DlmsFault(push=push_garbage)),
    )
)
"""Every fault of a DLMS meter by its name on the command line; those of every meter are in `firmware_sim.faults`."""


def is_of_every_meter(text: str) -> bool:
    """Whether a fault as it is written is one of `firmware_sim.faults`."""
    return text.partition("=")[0] in FAULTS


def parse_dlms_fault(text: str) -> DlmsFault:
    """The fault written as ``name`` or ``name=argument``.

    Raises:
        SetupError: when the name is unknown or the argument is not what the fault needs.
    """
    name, _, argument = text.partition("=")
    if name not in DLMS_FAULTS:
        raise SetupError(f"expected one of {', '.join(sorted({*DLMS_FAULTS, *FAULTS}))}, got {name!r}")
    return DLMS_FAULTS[name].make(argument)
