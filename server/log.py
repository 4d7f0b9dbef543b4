"""The log: one JSON object a line on standard error, from every process in the same form.

A message names the kind of event and is the same each time; what happened stands beside it (`extra`), so that a line is read by
a machine and holds no text that was put together from what somebody sent.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

_OWN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
"""What every record carries; anything else in one is the event's."""

REPEAT_SECONDS = 60
MOST_KINDS = 1000


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


class Repeats(logging.Filter):
    """Says a trouble that comes again and again (alike in message, code, cause and sentence) once a minute, and how often."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[object, ...], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to say this now; one that has neither code nor cause is no trouble of this kind."""
        code, cause = getattr(record, "code", None), getattr(record, "cause", None)
        if record.levelno < logging.WARNING or (code or cause) is None:
            return True
        said = getattr(record, "said", None)  # it names the node, which the code does not
        alike, now = (record.name, record.msg, code, cause, said), self._clock()
        with self._lock:
            at, more = self._said.get(alike, (-float(REPEAT_SECONDS), 0))
            if now - at < REPEAT_SECONDS:
                self._said[alike] = (at, more + 1)
                return False
            if len(self._said) > MOST_KINDS:
                self._said.clear()
            self._said[alike] = (now, 0)
        record.repeated = more or None
        return True


def start_log(level: str) -> None:
    """Send structured lines to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    handler.addFilter(Repeats())
    root = logging.getLogger("accord")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
