"""Lines of the log: one event with its fields, as text for people or JSON for machines.

Never a payload, a key or a customer: ids and counts only. Fields go into `extra`, e.g. ``extra=fields(meter="M1", batches=3)``.
"""

import json
import logging
from collections.abc import Mapping

from signing.interval import utc_text

_FIELDS = "journal_fields"


def fields(**values: str | int | None) -> Mapping[str, object]:
    """The `extra` of a log call that carries these fields."""
    return {_FIELDS: values}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = {
            "at": utc_text(int(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """Text for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        values = getattr(record, _FIELDS, {})
        parts = [utc_text(int(record.created)), record.levelname, record.getMessage()]
        parts += [f"{name}={value}" for name, value in values.items() if value is not None]
        text = " ".join(parts)
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text
