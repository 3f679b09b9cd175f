"""The vendored code list: what an INTERVAL profile may hold, and what it may not."""

import json
from importlib import resources

from headend.ies.codes import code


def test_no_power_may_stand_in_an_interval_profile_so_that_v25_has_no_source() -> None:
    text = (resources.files("headend.ies") / "schemas" / "codes.json").read_text(encoding="utf-8")
    listed = [found for row in json.loads(text)["codes"] if (found := code(row["obis"])) is not None]
    assert len(listed) == 75
    held = {one.unit for one in listed if "INTERVAL" in one.profiles}
    assert held == {"", "kWh", "kVAh", "kvarh"}
    powers = {one.label: one.profiles for one in listed if one.unit == "kW"}
    assert powers["P_Import"] == powers["P_Export"] == frozenset({"INSTANTANEOUS"})
