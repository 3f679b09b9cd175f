"""Two or three faults of a meter at once: what is signed is what flowed, or somebody is told; never a wrong number in silence."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge_agent.cli import main
from edge_agent.config import load
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.readers.dlms.security import Secret
from edge_agent.vault import GatewayVault
from firmware_sim.dlms.catalogue import Model
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, TEST_AK, TEST_EK, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import DLMS_FAULTS, is_of_every_meter, parse_dlms_fault, spoil
from firmware_sim.dlms.gcm import Keys
from firmware_sim.faults import FAULTS, parse_fault
from firmware_sim.meter import Energies, Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import Interval, floor_to_block, parse_instant
from signing.statements.reading import Flag
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import Gateway
from tests.edge_agent.settings import text
from tests.faults.looks import NOW, SERIAL, YESTERDAY, Signed, Wire, keyed, looked, wired

AT = parse_instant("2026-04-26T10:07:00+05:30", "at")
STEPPED = "2026-04-26T10:07:00+05:30"
OUTAGE = Interval(
    parse_instant("2026-04-25T10:00:00+05:30", "start"), parse_instant("2026-04-25T12:00:00+05:30", "end")
)
_OUTAGE = "2026-04-25T10:00:00+05:30/2026-04-25T12:00:00+05:30"

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "clock-step": ("600", "-600", f"600@{STEPPED}", f"-600@{STEPPED}", f"3000@{STEPPED}", f"-3000@{STEPPED}"),
    "deviation": ("+330", "-330", "unspecified"),
    "drop-after-block": ("0", "1", "3"),
    "event": (f"101@{STEPPED}",),
    "lies-about-period": ("900", "1800", "3600", "60"),
    "missing-block": (STEPPED, "2026-04-25T23:50:00+05:30"),
    "no-selective-access": ("", "unsaid"),
    "null-values": (STEPPED,),
    "outage": (_OUTAGE,),
    "outage-without-rows": (_OUTAGE,),
    "reset": ("2026-04-25T10:07:00+05:30",),
    "rollover": ("2026-04-25T10:07:00+05:30",),
    "slow-link": ("200000",),
}
"""What stands behind a fault's name; nothing for the others."""
HABITS = frozenset(
    {
        "shuffled-columns",
        "null-clocks",
        "lifo",
        "deviation",
        "clock-status-ff",
        "exclusive-edges",
        "no-selective-access",
    }
    | {"no-range", "slow-link", "stale-counter"}
)
"""Faults under which every block is signed with what flowed, in any number and over any wire."""
CIPHERED_ONLY = frozenset({"stale-counter", "wrong-tag"})
NAMES = sorted(name for name in {*DLMS_FAULTS, *FAULTS} if not name.startswith("push-"))
_NAMES_OBJECT = re.compile(
    r"\d+\.\d+\.\d+\.\d+\.\d+\.255|associat|wrapper header|HDLC|the tag |clocks are apart|the balance of "
)


@dataclass(frozen=True)
class Case:
    """A meter with `faults` as they are written, at the end of `wire`."""

    faults: tuple[str, ...]
    wire: Wire = Wire.TCP
    period_s: int = 900
    model: Model = Model.D1
    is_ciphered: bool = False

    def names(self) -> set[str]:
        return {fault.partition("=")[0] for fault in self.faults}

    def argument(self, name: str) -> str:
        return next((fault.partition("=")[2] for fault in self.faults if fault.partition("=")[0] == name), "")

    def device(self) -> Device:
        own = [parse_dlms_fault(fault) for fault in self.faults if not is_of_every_meter(fault)]
        every = tuple(parse_fault(fault) for fault in self.faults if is_of_every_meter(fault))
        base = Energies(imported_wh=41_000_000, exported_wh=7_000_000)
        spec = MeterSpec(serial=SERIAL, period_s=self.period_s, days=5, base=base)
        access = Access()
        if self.is_ciphered:
            access = Access(keys=Keys(encryption=TEST_EK, authentication=TEST_AK), ciphering=Ciphering.REQUIRED)
        meter = Meter(spec, Home(seed=7, array_w=5000), every)
        return spoil(Device(meter, now=lambda: NOW, access=access, model=self.model), own)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True))
    faults = []
    for name in names:
        argument = draw(st.sampled_from(ARGUMENTS.get(name, ("",))))
        faults.append(f"{name}={argument}" if argument else name)
    return Case(
        tuple(faults),
        draw(st.sampled_from(Wire)),
        draw(st.sampled_from((900, 1800, 3600))),
        draw(st.sampled_from(Model)),
        bool(CIPHERED_ONLY & set(names)) or draw(st.booleans()),
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An agent's directory as `init` leaves it, with the keys of meter M1."""
    path = tmp_path_factory.mktemp("agent")
    (path / "agent.toml").write_text(text(Discom(path), port=1))
    assert main(["init", "--config", str(path / "agent.toml")]) == 0
    loaded = load(path / "agent.toml")
    keys = {Role.ENCRYPTION: Secret(TEST_EK), Role.AUTHENTICATION: Secret(TEST_AK), Role.LLS: Secret(DEFAULT_PASSWORD)}
    with GatewayVault(loaded.database, wrapping=loaded.wrapping_key, now_utc=lambda: NOW) as vault:
        vault.take_in(parse(seal("M1", keys, open_wrapping_key(loaded.wrapping_key).public), "file"), who="A. Rao")
    yield path
    shutil.rmtree(path)


def read(case: Case, template: Path, looks: int = 1, days: int = 1) -> Signed:
    """What `looks` looks at the meter of `case` bring."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "agent"
        shutil.copytree(template, here)
        (Path(folder) / "lls").write_bytes(DEFAULT_PASSWORD)
        loaded = load(here / "agent.toml")
        gateway, device = Gateway(Path(folder)), case.device()
        keys = ["client=32", "timeout=1"]
        if case.is_ciphered:
            keys += ["auth=lls", "suite=0", "keys=store:M1", "title=53414b0000000001"]
        else:
            keys += [f"password=file:{folder}/lls"]

        async def look(vault: GatewayVault) -> Signed:
            async with wired(device, case.wire) as url:
                return await looked(gateway, device, keyed(url, keys), vault=vault, looks=looks, days=days)

        with GatewayVault(loaded.database, wrapping=loaded.wrapping_key, now_utc=lambda: NOW) as vault:
            return asyncio.run(look(vault))


def expected(case: Case, seen: Signed, start: int) -> tuple[int | None, int | None]:
    """The figure of the block at `start`, as a faultless agent must read it off this meter."""
    # What nobody but a balance, or the sun, can tell: the row of the block after, and the other direction.
    told = seen.truth(start + case.period_s if "start-stamps" in case.names() else start)
    return told[::-1] if "swapped-ct" in case.names() else told


def in_doubt_from(case: Case) -> float:
    """From which block on the meter's clock, which stands in every header, makes figures doubtful."""
    seconds, _, moved = case.argument("clock-step").partition("@")
    if not seconds:
        return float("inf")
    if not moved:
        return float("-inf")
    early = -(min(0, int(seconds)) // case.period_s) * case.period_s
    return floor_to_block(AT, case.period_s) - early - case.period_s * ("start-stamps" in case.names())


def judge(case: Case, seen: Signed) -> None:
    """Every promise about what was signed of a meter with faults."""
    wrong = {start: told for start, told in seen.figures().items() if told != expected(case, seen, start)}
    assert all(start >= in_doubt_from(case) for start in wrong), (case, wrong, seen.words())
    offset = case.argument("clock-step").partition("@")[0]
    if wrong:
        # Rule V09 doubts them by the offset in their header; an operator is told too, unless the look ended in an error.
        assert seen.offsets_ms == {int(offset) * 1000}
        assert seen.error is not None or any("clocks are apart" in each for each in seen.words())
    for each in seen.words():
        assert _NAMES_OBJECT.search(each), (case, each)
    if seen.words() or not case.names() <= HABITS:
        return
    assert seen.is_whole(), (case, seen.absent())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases())
@example(Case(("lifo", "null-clocks", "missing-block=" + STEPPED)))
@example(Case(("outage=" + _OUTAGE, "swapped-ct", "shuffled-columns"), Wire.HDLC_TCP, 1800, Model.D2))
@example(Case(("wrong-tag", "no-range"), Wire.SERIAL, is_ciphered=True))
@example(Case(("stale-counter", "noise-bytes", "lifo"), Wire.HDLC_TCP, is_ciphered=True))
def test_no_two_or_three_faults_make_a_wrong_number_in_silence(template: Path, case: Case) -> None:
    judge(case, read(case, template))


PAIRS = [(one, other) for place, one in enumerate(sorted(HABITS)) for other in sorted(HABITS)[place + 1 :]]


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_two_habits_together_change_no_figure(template: Path, pair: tuple[str, str]) -> None:
    faults = [f"{name}={ARGUMENTS[name][-1]}" if name in ARGUMENTS else name for name in pair]
    wire = list(Wire)[PAIRS.index(pair) % len(Wire)]
    seen = read(Case(tuple(faults), wire, is_ciphered=bool(CIPHERED_ONLY & set(pair))), template)
    assert seen.is_whole(), seen.words()


@pytest.mark.parametrize("habit", ["lifo", "shuffled-columns", "null-clocks", "swapped-ct", "deviation=unspecified"])
@pytest.mark.parametrize("wire", Wire)
def test_filler_is_marked_whatever_else_is_odd(template: Path, wire: Wire, habit: str) -> None:
    seen = read(Case((f"outage={_OUTAGE}", habit), wire), template)
    assert seen.flagged(Flag.FILLER) == set(OUTAGE.block_starts(900))
    assert {seen.figures()[start] for start in OUTAGE.block_starts(900)} == {(0, 0)}
    assert set(seen.blocks) == set(Interval(YESTERDAY.start_utc, floor_to_block(NOW, 900)).block_starts(900))


@pytest.mark.parametrize("habit", ["lifo", "shuffled-columns", "null-clocks", "swapped-ct", "no-range"])
@pytest.mark.parametrize("wire", Wire)
def test_start_stamps_are_told_with_their_remedy_whatever_else_is_odd(template: Path, wire: Wire, habit: str) -> None:
    # A single day may balance by chance, within the tolerance: two that none refutes are told.
    seen = read(Case(("start-stamps", habit), wire), template, days=3)
    assert seen.wrong()  # one block late: no single row can tell
    assert any('set stamp = "start"' in each for each in seen.words())


@pytest.mark.parametrize("wire", [Wire.HDLC_TCP, Wire.SERIAL])
def test_a_line_of_9600_bits_carries_answers_that_take_longer_than_the_time_out(template: Path, wire: Wire) -> None:
    """HDLC's frames each come in time; what they make up together may take as long as it takes."""
    assert read(Case(("slow-link=960", "lifo"), wire, 3600), template).is_whole()


def test_a_block_that_takes_longer_than_the_time_out_over_tcp_is_an_error_by_name(template: Path) -> None:
    seen = read(Case(("slow-link=300",), Wire.TCP, 3600), template)
    assert seen.error is not None or seen.words()
    assert all(_NAMES_OBJECT.search(each) for each in seen.words())
    assert not seen.wrong()


@pytest.mark.parametrize("fault", ["silent", "drop-after-block=0", "wrong-tag", "lies-about-period=60"])
@pytest.mark.parametrize("wire", Wire)
def test_a_meter_that_ends_in_an_error_ends_in_the_same_one_when_it_is_looked_at_again(
    template: Path, wire: Wire, fault: str
) -> None:
    case = Case((fault,), wire, is_ciphered=fault == "wrong-tag")
    first, again = read(case, template), read(case, template, looks=2)
    assert first.error is not None
    assert str(again.error)[:20] == str(first.error)[:20]
    assert not first.wrong()


def _known(faults: Sequence[str]) -> set[str]:
    return {fault.partition("=")[0] for fault in faults}


def test_every_fault_may_be_drawn() -> None:
    for name in NAMES:
        for argument in ARGUMENTS.get(name, ("",)):
            written = f"{name}={argument}" if argument else name
            parse_fault(written) if is_of_every_meter(written) else parse_dlms_fault(written)
    assert _known(NAMES) >= HABITS | CIPHERED_ONLY
