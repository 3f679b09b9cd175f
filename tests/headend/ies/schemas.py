"""The published JSON schemas of IES, as anybody would check a document by them."""

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

EXAMPLES = Path(__file__).parent / "examples"
_OUTSIDE = ("Address", "GeoJSONGeometry")


def example(name: str) -> Any:
    """A published example, with plain numbers."""
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def faults(schema: str, content: bytes) -> list[str]:
    """What the schema of MeterData or MeterDataRequest says against a document."""
    return [error.message for error in _validator(schema).iter_errors(json.loads(content))]


@cache
def _validator(schema: str) -> Draft202012Validator:
    text = (resources.files("headend.ies") / "schemas" / f"{schema}-v0.6.schema.json").read_text(encoding="utf-8")
    anything: Resource[Any] = Resource.from_contents({}, default_specification=DRAFT202012)
    # What it refers to elsewhere is about customers' addresses, which are never sent.
    stubs = [(f"https://schema.nfh.global/{name}/v2.0/attributes.yaml", anything) for name in _OUTSIDE]
    return Draft202012Validator(
        json.loads(text), registry=Registry().with_resources(stubs), format_checker=FormatChecker()
    )
