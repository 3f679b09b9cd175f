"""Writes the vectors beside this script: ``python -m tests.vectors.generate``. The same bytes on every machine.

Each vector is ``<name>.cbor`` and ``<name>.json``: what is wrong with it, how `sakshi-verify` is called (option, trust file),
and what it says: exit code, number of the check, a fragment of the message.
"""

import json
from collections.abc import Callable
from pathlib import Path

from tests.vectors import defects
from tests.vectors.defects import Vector, pinned
from tests.vectors.world import World

HERE = Path(__file__).parent

VECTORS: tuple[Callable[[], Vector], ...] = (
    defects.good_window,
    defects.open_gap,
    defects.unstated_gap,
    defects.equal_duplicate,
    defects.omitted_revoke,
    defects.revoked_then_logged,
    defects.fork_after_final,
    defects.fork_left_final,
    defects.meter_exchange,
    defects.device_exchange,
    defects.edited_conflict,
    defects.edit_replaced,
    defects.edit_left_out,
    defects.edit_before_left_out,
    defects.edit_by_one_person,
    defects.edit_unapproved,
    defects.edit_after_the_actual,
    defects.edit_called_final,
    defects.foreign_keys,
    defects.foreign_discom_key,
    defects.flipped_header,
    defects.flipped_opening,
    defects.flipped_signature_in_a_run,
    defects.flipped_signature_at_the_end,
    defects.truncated_path,
    defects.moved_index,
    defects.wrong_algorithm,
    defects.absent_algorithm,
    defects.unprotected_algorithm,
    defects.not_canonical,
    defects.trailing_byte,
    defects.erased_opening,
    defects.erased_register,
    defects.withheld_opening,
    defects.header_left_out,
    defects.head_left_out,
    defects.short_evidence,
    defects.rules_after_the_actual,
    defects.inflated_part,
    defects.inflated_totals,
    defects.other_subject,
    defects.upgraded_origin,
    defects.only_the_actual,
    defects.before_the_pin,
    defects.reaches_the_pin,
    defects.rewritten_log,
    defects.lone_batch,
    defects.lone_batch_not_logged,
    defects.lone_batch_of_another,
    defects.worked_example,
)


def files() -> dict[str, bytes]:
    """Every generated file by name."""
    found = {"trust.toml": World().trust().encode(), "trust-pinned.toml": pinned().encode()}
    for make in VECTORS:
        name = make.__name__.replace("_", "-")
        vector = make()
        found[f"{name}.cbor"] = vector.data
        found[f"{name}.json"] = _description(vector)
    return found


def _description(vector: Vector) -> bytes:
    runs = [{key: value for key, value in vars(run).items() if value is not None} for run in vector.runs]
    text = json.dumps({"defect": vector.defect, "option": vector.option, "runs": runs}, indent=2)
    return f"{text}\n".encode()


def main() -> None:
    """Writes every file, and removes those of vectors that are no more."""
    made = files()
    for path in HERE.iterdir():
        if path.suffix in {".cbor", ".json", ".toml"} and path.name not in made:
            path.unlink()
    for name, data in made.items():
        (HERE / name).write_bytes(data)


if __name__ == "__main__":
    main()
