"""What a meter's memory holds, for whoever must compare: the truth beside the wire."""

import json

from firmware_sim.instants import utc_text
from firmware_sim.meter import Meter


def truth_text(meter: Meter, now: int) -> str:
    """The rows in memory at `now` as JSON: ``{serial, period, rows:[{start, wh_imp, wh_exp}], daily:[{stamp, …}]}``.

    Energies are Wh; ``wh_exp`` is null for a meter without an export register. Blocks carry their *start*, days the
    midnight at which their cumulative registers were kept. A row that a fault lost is not in memory and not here.
    """
    period = meter.spec.period_s
    rows = []
    for stamp in meter.block_stamps(now):
        energies = meter.block(stamp - period, period).energies
        rows.append({"start": utc_text(stamp - period), "wh_imp": energies.imported_wh, "wh_exp": energies.exported_wh})
    daily = []
    for stamp in meter.daily_stamps(now):
        energies = meter.registers(stamp)
        daily.append({"stamp": utc_text(stamp), "wh_imp": energies.imported_wh, "wh_exp": energies.exported_wh})
    return json.dumps({"serial": meter.spec.serial, "period": period, "rows": rows, "daily": daily})
