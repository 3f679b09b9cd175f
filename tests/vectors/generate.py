"""Writes the vectors beside this script: ``python -m tests.vectors.generate``. The same bytes on every machine.

Each vector is ``<name>.cbor`` and ``<name>.json``: what is wrong with it, how `sakshi-verify` is called (option, trust file),
and what it says: exit code, number of the check, a fragment of the message.
"""

import json
from pathlib import Path

from tests.vectors.defects import VECTORS, Vector, pinned
from tests.vectors.world import World

HERE = Path(__file__).parent


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
