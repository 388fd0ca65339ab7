"""Structured logs on standard error, with nothing secret in them."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

_SECRET_KEY = re.compile(r"authorization|api_?key|cookie|password|secret|token$", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(?i:bearer )\S+|\bnlt_[\w-]{8,}|\bsk-[\w-]{8,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_HIDDEN = "[hidden]"
# While debugging they tell the headers of requests, in which there are session tokens.
_TELL_HEADERS = ("botocore",)


def configure_logs(level: str, form: Literal["auto", "console", "json"], worker: int | None = None) -> None:
    """Send all logs of the process, of libraries too, through one pipeline to standard error.

    With the number of a worker, every line says it.
    """
    console = sys.stderr.isatty() if form == "auto" else form == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        *([_of_worker(worker)] if worker is not None else []),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Plain tracebacks: those with the values of variables would show texts and secrets.
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    final: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, hide_secrets, renderer]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    handler.addFilter(_libraries_for_debugging)
    for name in _TELL_HEADERS:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


def leave_logs_to_the_program() -> None:
    """Send what is logged to loggers below `nextlabel` of the standard library, for the program around this one.

    Until that program sets a handler, nothing of it is shown; nothing changes where it has configured structlog.
    """
    if structlog.is_configured():
        return
    logging.getLogger("nextlabel").addHandler(logging.NullHandler())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            hide_secrets,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _of_worker(number: int) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("worker", number)
        return event

    return add


def _libraries_for_debugging(record: logging.LogRecord) -> bool:
    """Take what libraries tell for information as something to debug with: it holds paths of this machine."""
    if record.levelno == logging.INFO and record.name.partition(".")[0] != "nextlabel":
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return logging.getLogger().isEnabledFor(record.levelno)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of fields with secret names, and what looks like a secret within texts."""
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = _HIDDEN
        elif isinstance(value, str):
            event[key] = _SECRET_VALUE.sub(_HIDDEN, value)
    return event
