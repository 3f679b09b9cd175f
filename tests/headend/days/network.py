"""A transformer with consumers and a meter of its own, none of which has a gateway: sheets, files of another system, validated days."""

from collections.abc import Sequence

from headend.days.validating import Validating
from headend.imports.table import parse_csv
from headend.meter_data.importing import Importing
from headend.series import Note
from headend.settings.series import SeriesSettings
from headend.store.sqlite import day_rows
from signing.interval import DAY_S, utc_text
from tests.headend.discom import log_rules
from tests.headend.premises import DAY, Headend
from tests.headend.sheets import applied, row

DT = "DT-7"
OWN = "SKS00000099"
"""The transformer's meter."""
MEMBERS = ("SKS00000001", "SKS00000002")
LOAD = 24 * 100
"""What each member takes in a day."""
SETTINGS = SeriesSettings(after_s=7200, quiet_s=600, holidays=frozenset())
DUE = DAY + DAY_S + 7200
USUAL = (95, 105) * 6
"""What the transformer loses in days before, 100 Wh give or take 5."""


def own_row(**cells: str) -> dict[str, str]:
    """The row of the transformer's meter."""
    return row(99, connection_point=DT, role="CHECK", period_s="3600", **cells)


def connected(headend: Headend, **own: str) -> None:
    """Two consumers on the transformer, and its meter."""
    log_rules(headend)
    members = [row(number, dt=DT, feeder="F7", period_s="3600") for number in (1, 2)]
    applied(headend, *members)
    applied(headend, own_row(**own))


class Network:
    """The head-end of such a transformer, and its clock."""

    def __init__(self, headend: Headend, members: tuple[str, ...] = MEMBERS) -> None:
        self.headend = headend
        self.members = members
        self.now = DUE
        self.rows: dict[tuple[str, int], str] = {}
        self.work = Validating(
            database=headend.database,
            registry=headend.registry,
            key=headend.statement_signer.public_key,
            settings=SETTINGS,
        )

    def reads(
        self, meter: str, day: int, imports: Sequence[int | None], exports: Sequence[int | None] | None = None
    ) -> None:
        """Another system read the hours of a day, `day` days after the usual one; an hour without import it did not."""
        for hour, wh in enumerate(imports):
            if wh is not None:
                out = 0 if exports is None else exports[hour]
                at = DAY + day * DAY_S + hour * 3600
                self.rows[meter, at] = f"{utc_text(at)},3600,{_kwh(wh)},{'' if out is None else _kwh(out)},VALID"

    def take(self) -> None:
        """Takes the file of what was read since the last one."""
        rows = [f"{meter},BLOCK,{cells}" for (meter, _), cells in self.rows.items()]
        if not rows:
            return
        self.rows = {}
        importing = Importing(
            database=self.headend.database,
            book=self.headend.book,
            registry=self.headend.registry,
            signer=self.headend.statement_signer,
        )
        content = "\n".join(["meter,kind,time,period_s,import_kwh,export_kwh,status", *rows, ""]).encode()
        outcome = importing.take(content, parse_csv, source="HES", by="asha", at_utc=self.now)
        assert outcome.faults == ()

    def gave(self, day: int, lost_wh: int) -> None:
        """The members take their load in a day, and the transformer gives `lost_wh` more."""
        for meter in self.members:
            self.reads(meter, day, even(LOAD))
        self.reads(OWN, day, even(len(self.members) * LOAD + lost_wh))

    def history(self, losses: Sequence[int] = USUAL) -> None:
        """The days before, and what was lost in them."""
        for place, lost in enumerate(losses):
            self.gave(place - len(losses), lost)
        self.settle()

    def settle(self) -> None:
        """What was read comes, everything that is due is done, and what that makes due; all of it in the end."""
        self.take()
        for _ in range(4):
            while self.work.step(self.now):
                pass
            self.now += SETTINGS.quiet_s
        assert self.work.step(self.now) == 0

    def note(self, meter: str, day: int = 0) -> Note | None:
        """What V29 noted of a meter's day."""
        stored = day_rows.newest(self.headend.database.connection, meter, DAY + day * DAY_S)
        assert stored is not None
        return next((one for one in stored.day.notes if one.rule == "V29"), None)

    def noted(self, day: int = 0) -> set[str]:
        """The meters of whose day V29 noted anything."""
        return {meter for meter in (*self.members, OWN) if self.note(meter, day) is not None}


def even(total_wh: int) -> list[int]:
    """The hours of a day with this sum."""
    share, rest = divmod(total_wh, 24)
    return [share + rest, *[share] * 23]


def without(hour: int, hours: Sequence[int]) -> list[int | None]:
    """The hours, one of them not read."""
    return [None if place == hour else wh for place, wh in enumerate(hours)]


def _kwh(wh: int) -> str:
    return f"{wh // 1000}.{wh % 1000:03d}"
