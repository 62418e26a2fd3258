"""The server's log on stderr: text, or one line of JSON per record."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from uvicorn.config import LOGGING_CONFIG

from entrypoints.wiring.settings import LogFormat


def log_config(form: LogFormat) -> dict[str, Any]:
    """Return uvicorn's logging configuration, extended by the logger of modelport."""
    loggers, formatters = LOGGING_CONFIG["loggers"], LOGGING_CONFIG["formatters"]
    if form is LogFormat.JSON:
        formatters = {**formatters, "default": {"()": f"{__name__}.JsonFormatter"}}
    return {
        **LOGGING_CONFIG,
        "loggers": {**loggers, "modelport": loggers["uvicorn"]},
        "formatters": formatters,
    }


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)
