"""How a server writes its log: as text for a person, or each line as JSON for a program."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from uvicorn.config import LOGGING_CONFIG

from entrypoints.wiring.settings import LogFormat


def log_config(form: LogFormat) -> dict[str, Any]:
    """Return uvicorn's configuration, with what the application says beside what uvicorn says."""
    loggers = LOGGING_CONFIG["loggers"]
    config = {**LOGGING_CONFIG, "loggers": {**loggers, "modelport": loggers["uvicorn"]}}
    if form is LogFormat.JSON:
        formatters = config["formatters"]
        config["formatters"] = {
            **formatters,
            "default": {"()": "entrypoints.http.server_log.JsonLines"},
        }
    return config


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON, with the traceback of an error."""

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
