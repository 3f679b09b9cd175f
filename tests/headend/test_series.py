"""Blocks of a validated day, from what validation and estimates leave of them."""

import pytest

from headend.readings import Quality, ValidatedInterval
from headend.series import series_blocks
from headend.vee.declared import Channel, Companion
from headend.vee.estimate import KnownBlock, Limits, Task
from headend.vee.estimate_order import Known
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.vee.validate import Validation
from signing.interval import Interval
from tests.headend.premises import DAY

BLOCK = Interval(DAY, DAY + 900)


def hole(channel: Channel, rise_wh: int) -> Task:
    return Task(
        channel=channel,
        period_s=900,
        blocks=(KnownBlock(start_utc=DAY, wh=None, is_pattern=False),),
        rise_wh=rise_wh,
        tolerance_wh=0,
        limits=Limits(most_wh=None, spike_permille=None, spike_floor_wh=0),
    )


@pytest.mark.parametrize(
    ("beside", "found"),
    [({}, (Quality.MISSING, None, None, None)), ({DAY: 1}, (Quality.ESTIMATED, 70, 5, "E2"))],
    ids=["export alone", "both"],
)
def test_a_block_whose_import_nobody_can_say_has_no_export_either(
    beside: dict[int, int], found: tuple[object, ...]
) -> None:
    missing = ValidatedInterval(
        block=BLOCK, quality=Quality.MISSING, import_wh=None, export_wh=None, origin=None, flags=0, findings=()
    )
    validation = Validation(
        context=BLOCK,
        chains=(),
        intervals=(missing,),
        findings=(),
        balanced=False,
        tasks=(hole(Channel.IMPORT, 70), hole(Channel.EXPORT, 5)),
    )
    known = Known(companion=Companion(meter="CHECK", import_wh=beside, export_wh={DAY: 1}))
    (block,) = series_blocks(validation, BLOCK, 900, known, DEFAULT_RULE_SET)
    assert (block.quality, block.import_wh, block.export_wh, block.export_method) == found
