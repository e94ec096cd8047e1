"""One JSON object a line on standard output, with the ids by which an operator searches.

The guide's phrases ("Saga failed", "Event published", …) begin the message, so that a plain `grep` for
phrase and order id finds the line although it is JSON.
"""

import json
import logging
import sys
from datetime import UTC, datetime

from target_app.service import trace

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record with its own fields and the current trace."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if "trace_id" not in line and (here := trace.current()):
            line["trace_id"] = here.trace_id
            line["span_id"] = here.span_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line)


def fields(**values: object) -> dict[str, object]:
    """The `extra` of a log call: `log.info("Saga failed", extra=fields(order_id=…, saga_id=…))`."""
    return {"fields": values}


def configure(service: str, level: str) -> None:
    """Send everything that is logged in this process to standard output as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # A request has its own metrics; a line of each library for every call would double the work.
    for noisy in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a closed standard output must not take the service down
