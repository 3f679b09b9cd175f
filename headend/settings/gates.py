"""``[gates]``: by when a window's figure is due, and what happens to it then.

::

    [gates]
    data = "09:00"                         # IST, of the day after delivery
    rounds = ["09:55", "10:55", "11:55"]
    at_gate = "nothing"                    # or "provisional": at the data gate the best figure goes, labelled so
    true_up_days = 45
    warn_before_s = 7200

Source: EXCHANGE §5 (time gates); VEE §C 3, 6.
"""

import re

from headend.trading.gates import AtGate, Gates
from signing.errors import DecodeError
from signing.tables import Table

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def gates(table: Table) -> Gates:
    """The section; every key has a default."""
    word = table.text("at_gate", default=AtGate.NOTHING.value)
    kinds = {kind.value: kind for kind in AtGate}
    if word not in kinds:
        table.faults.add(table.key("at_gate"), f"expected one of {', '.join(kinds)}, got {word!r:.40}")
    data_s = table.parsed("data", _clock, 0, default="09:00")
    rounds = table.texts("rounds", default=("09:55", "10:55", "11:55"))
    times: list[int] = []
    for place, text in enumerate(rounds):
        try:
            times.append(_clock(text, ""))
        except DecodeError as error:
            table.faults.add(f"{table.key('rounds')}[{place}]", str(error))
    if times != sorted(set(times)) or (times and times[0] < data_s):
        table.faults.add(table.key("rounds"), "expected ascending times, none before 'data'")
    return Gates(
        data_s=data_s,
        rounds_s=tuple(times),
        at_gate=kinds.get(word, AtGate.NOTHING),
        true_up_days=table.integer("true_up_days", least=1, most=365, default=45),
        warn_before_s=table.integer("warn_before_s", least=0, most=86_400, default=7200),
    )


def _clock(text: str, _path: str) -> int:
    """Seconds after IST midnight."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise DecodeError(f"expected a time of day such as 09:55, got {text!r:.40}")
    return int(found[1]) * 3600 + int(found[2]) * 60
