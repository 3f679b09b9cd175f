import json
import logging
import sys

from edge_agent.journal import JsonLines, TextLines, fields


def record(**values: str | int | None) -> logging.LogRecord:
    made = logging.LogRecord("sakshi.agent", logging.WARNING, "", 0, "parked", (), None)
    made.created = 0.0
    made.__dict__.update(fields(**values))
    return made


def test_a_line_for_machines_is_one_json_object() -> None:
    line = json.loads(JsonLines().format(record(meter="M1", batches=3)))
    assert line == {
        "at": "1970-01-01T00:00:00Z",
        "level": "WARNING",
        "logger": "sakshi.agent",
        "event": "parked",
        "meter": "M1",
        "batches": 3,
    }


def test_a_line_for_people_names_its_fields() -> None:
    assert TextLines().format(record(meter="M1", reason=None)) == "1970-01-01T00:00:00Z WARNING parked meter=M1"


def test_a_fault_carries_its_trace() -> None:
    made = record()
    try:
        int("inside")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "ValueError: invalid literal" in json.loads(JsonLines().format(made))["trace"]
    assert "ValueError: invalid literal" in TextLines().format(made)
