"""An outage or an order excuses a shortfall, and nothing else."""

from dataclasses import replace

import pytest

from headend.duties.outage import Curtailment, CurtailmentKind, delivery_status
from headend.errors import RefusedError
from ledger_client.ledger import TradeStatus
from signing.interval import Interval
from signing.statements.window_actual import Status

WINDOW = Interval(7200, 10_800)
OUTAGE = Curtailment(
    kind=CurtailmentKind.OUTAGE,
    connection_point="CP-1",
    feeder=None,
    span=WINDOW,
    by="asha",
    reason="a tree on the line",
)
ORDER = replace(OUTAGE, kind=CurtailmentKind.POLICY)


@pytest.mark.parametrize(
    ("delivered", "unsupplied", "curtailments", "expected"),
    [
        (6000, "no", (), TradeStatus.COMPLETED),
        (6000, "yes", (OUTAGE, ORDER), TradeStatus.COMPLETED),
        (5999, "no", (), TradeStatus.COMPLETED),
        (5999, "yes", (), TradeStatus.CURTAILED_OUTAGE),
        (5999, "no", (OUTAGE,), TradeStatus.CURTAILED_OUTAGE),
        (5999, "no", (ORDER,), TradeStatus.CURTAILED_POL_VIOLATION),
        (0, "yes", (ORDER,), TradeStatus.CURTAILED_POL_VIOLATION),
    ],
)
def test_a_shortfall_is_excused_by_what_curtailed_it(
    delivered: int, unsupplied: str, curtailments: tuple[Curtailment, ...], expected: TradeStatus
) -> None:
    found = delivery_status(
        Status.FINAL,
        contracted_wh=6000,
        delivered_wh=delivered,
        unsupplied=unsupplied == "yes",
        curtailments=curtailments,
    )
    assert found is expected


@pytest.mark.parametrize("status", [Status.PROVISIONAL, Status.PENDING, Status.WITHDRAWN, Status.NOT_MEASURABLE])
def test_nothing_is_said_of_a_figure_that_is_not_final(status: Status) -> None:
    assert delivery_status(status, contracted_wh=1, delivered_wh=1, unsupplied=False) is None


@pytest.mark.parametrize(
    ("curtailment", "point", "feeder", "window", "expected"),
    [
        (OUTAGE, "CP-1", None, WINDOW, "covers"),
        (OUTAGE, "CP-2", None, WINDOW, "not"),
        (OUTAGE, "CP-1", "F7", Interval(10_799, 10_900), "covers"),
        (OUTAGE, "CP-1", "F7", Interval(10_800, 10_900), "not"),
        (replace(OUTAGE, connection_point=None, feeder="F7"), "CP-9", "F7", WINDOW, "covers"),
        (replace(OUTAGE, connection_point=None, feeder="F7"), "CP-9", "F8", WINDOW, "not"),
        (replace(OUTAGE, connection_point=None, feeder="F7"), "CP-9", None, WINDOW, "not"),
    ],
)
def test_a_curtailment_covers_its_place_and_time(
    curtailment: Curtailment, point: str, feeder: str | None, window: Interval, expected: str
) -> None:
    assert ("covers" if curtailment.covers(point, feeder, window) else "not") == expected


@pytest.mark.parametrize("change", [{"feeder": "F7"}, {"connection_point": None}, {"by": ""}, {"reason": ""}])
def test_a_curtailment_of_nothing_or_by_nobody_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(RefusedError):
        replace(OUTAGE, **change)  # type: ignore[arg-type]
