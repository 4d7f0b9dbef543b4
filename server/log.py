"""The log: one JSON object a line on standard error, from every process in the same form.

A message names the kind of event and is the same each time; what happened stands beside it (`extra`), so that a line is read by
a machine and holds no text that was put together from what somebody sent.
"""

import logging
from datetime import UTC, datetime

import msgspec

_OWN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
"""What every record carries; anything else in one is the event's."""


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message and what was said beside it; never a query, a body or a token."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        extra = {k: v for k, v in record.__dict__.items() if k not in _OWN and v is not None}
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **extra,
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def start_log(level: str) -> None:
    """Send structured lines to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger("accord")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
