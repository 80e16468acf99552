"""Logging as operators of Kubernetes know it: klog's line format, or one JSON object a line.

One record is one line whatever its message holds, because names and errors in it come from other programs and could
otherwise forge records. Only the traceback of a bug takes further lines in text, indented so that it cannot look like
records; JSON has it in a field.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from json import dumps
from math import isfinite
from typing import TextIO

VERBOSE = 15
"""Level between ``DEBUG`` and ``INFO``: what an operator wants to see when looking for something (``-v=2``)."""

_PACKAGE = "metrics_api"
_LONGEST_TEXT = 4000
_LETTERS = ((logging.CRITICAL, "F"), (logging.ERROR, "E"), (logging.WARNING, "W"))
_NAMES = ((logging.CRITICAL, "fatal"), (logging.ERROR, "error"), (logging.WARNING, "warning"))
_UVICORN = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error")


def configure(*, level: int, json: bool, stream: TextIO) -> None:
    """Send every record to ``stream``; called again it replaces what it did before.

    Args:
        level: ``-v``. 0 and 1: information and worse; 2 and 3: ``VERBOSE`` too; 4 and above: all of our own.
        json: JSON objects instead of text.
        stream: Usually ``sys.stderr``.

    Other libraries are heard from warnings on, at every level: their debugging prints bodies and headers, with tokens.
    """
    handler = _LineHandler(stream)
    handler.setFormatter(_JsonFormatter() if json else _TextFormatter())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _LineHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(_PACKAGE).setLevel(_threshold(level))
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def log_event(
    logger: logging.Logger,
    level: int,
    event: str,
    /,
    *,
    exc_info: BaseException | None = None,
    **fields: object,
) -> None:
    """Log a fixed sentence with facts beside it: ``log_event(_log, logging.INFO, "Node added", node=name)``.

    Args:
        logger: The module's logger.
        level: ``logging.INFO``, ``VERBOSE`` and so on.
        event: What happened, the same words each time, so that it can be searched for and counted.
        exc_info: The exception of a bug, for its traceback.
        **fields: Facts; strings, numbers, booleans, ``None``, or what has a readable ``str``.

    Elsewhere ``extra={"fields": {...}}`` does the same.
    """
    if logger.isEnabledFor(level):
        logger.log(level, event, exc_info=exc_info, extra={"fields": fields})


def _threshold(verbosity: int) -> int:
    if verbosity >= 4:
        return logging.DEBUG
    return VERBOSE if verbosity >= 2 else logging.INFO


class _LineHandler(logging.StreamHandler[TextIO]):
    """The handler that ``configure`` knows as its own."""


class _TextFormatter(logging.Formatter):
    """``I1121 15:04:05.123456 component] message key="value"``, in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        letter = next((letter for level, letter in _LETTERS if record.levelno >= level), "I")
        moment = datetime.fromtimestamp(record.created, UTC)
        parts = [f"{letter}{moment:%m%d %H:%M:%S.%f} {_component(record)}] {_escape(_message(record))}"]
        parts += [f"{_escape(key)}={_show(value)}" for key, value in _fields(record).items()]
        line = " ".join(parts)
        trace = _traceback(self, record)
        return "\n    ".join([line, *map(_escape, trace.splitlines())]) if trace else line


class _JsonFormatter(logging.Formatter):
    """``ts`` (Unix milliseconds), ``caller``, ``msg`` and ``v`` as component-base names them, ``level``, the fields."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, object] = {
            "ts": round(record.created * 1000, 3),
            "level": next((name for level, name in _NAMES if record.levelno >= level), "info"),
            "caller": _component(record),
            "msg": _message(record),
        }
        if record.levelno < logging.WARNING:
            document["v"] = 0 if record.levelno >= logging.INFO else 2 if record.levelno >= VERBOSE else 4
        for key, value in _fields(record).items():
            # A field never hides what the line itself says
            document[f"{key}_" if key in document or key == "trace" else key] = _plain(value)
        if trace := _traceback(self, record):
            document["trace"] = trace
        return dumps(document, separators=(",", ":"))


def _component(record: logging.LogRecord) -> str:
    return record.name.removeprefix(f"{_PACKAGE}.")


def _message(record: logging.LogRecord) -> str:
    return _cut(record.getMessage())


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


def _show(value: object) -> str:
    plain = _plain(value)
    if isinstance(plain, str):
        return f'"{_escape(plain, quoted=True)}"'
    return dumps(plain)


def _plain(value: object) -> str | int | float | bool | None:
    """Return what JSON can carry; anything else becomes its text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    return _cut(str(value))


def _cut(text: str) -> str:
    rest = len(text) - _LONGEST_TEXT
    return text if rest <= 0 else f"{text[:_LONGEST_TEXT]}... ({rest} more)"


def _escape(text: str, *, quoted: bool = False) -> str:
    if quoted:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return text if text.isprintable() else "".join(c if c.isprintable() else dumps(c)[1:-1] for c in text)
