import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator

import pytest

from metrics_api.logs import VERBOSE, configure, log_event
from metrics_api.scraper.announcements import Announcements
from tests.fakes import FakeClock

OURS = logging.getLogger("metrics_api.scraper.scraper")
LIBRARY = logging.getLogger("aiohttp.client")
NAMES = ("", "metrics_api", "uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error")

Set = Callable[..., io.StringIO]


@pytest.fixture(name="set_up")
def _set_up() -> Iterator[Set]:
    """Return a function that configures logging and gives the stream; what it changed is put back."""
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(logger.level, list(logger.handlers), logger.propagate) for logger in loggers]

    def set_up(level: int = 0, *, as_json: bool = False) -> io.StringIO:
        stream = io.StringIO()
        configure(level=level, json=as_json, stream=stream)
        return stream

    yield set_up
    logging.captureWarnings(capture=False)
    for logger, (level, handlers, propagate) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate


def record_at(created: float) -> logging.LogRecord:
    record = OURS.makeRecord(OURS.name, logging.INFO, "f.py", 1, "Node added", (), None)
    record.created = created
    return record


def test_text_is_klogs_line(set_up: Set) -> None:
    stream = set_up()
    OURS.handle(record_at(1763737443.123456))

    assert stream.getvalue() == "I1121 15:04:03.123456 scraper.scraper] Node added\n"


@pytest.mark.parametrize(
    ("level", "letter"),
    [
        (logging.DEBUG, "I"),
        (VERBOSE, "I"),
        (logging.INFO, "I"),
        (logging.WARNING, "W"),
        (logging.ERROR, "E"),
        (logging.CRITICAL, "F"),
    ],
)
def test_the_letter_tells_the_severity(set_up: Set, level: int, letter: str) -> None:
    stream = set_up(4)
    OURS.log(level, "x")

    assert stream.getvalue()[0] == letter


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("n1", '"n1"', id="string"),
        pytest.param('say "a\\b"', '"say \\"a\\\\b\\""', id="quotes"),
        pytest.param("a\nb\x1b[0m", '"a\\nb\\u001b[0m"', id="control-characters"),
        pytest.param("é ü", '"é ü"', id="letters-stay"),
        pytest.param("a\u2028b\u202ec", '"a\\u2028b\\u202ec"', id="line-separator-and-bidi"),
        pytest.param("\udcff", '"\\udcff"', id="lone-surrogate"),
        pytest.param(3, "3", id="int"),
        pytest.param(0.25, "0.25", id="float"),
        pytest.param(float("nan"), '"nan"', id="nan"),
        pytest.param(True, "true", id="bool"),
        pytest.param(None, "null", id="none"),
        pytest.param(("a", 1), "\"('a', 1)\"", id="other"),
        pytest.param(ValueError("no\nroute"), '"no\\nroute"', id="exception"),
    ],
)
def test_fields_follow_as_key_and_value(set_up: Set, value: object, shown: str) -> None:
    stream = set_up()
    log_event(OURS, logging.INFO, "Scrape failed", node=value)

    assert stream.getvalue().endswith(f"] Scrape failed node={shown}\n")
    assert stream.getvalue().count("\n") == 1


def test_extra_fields_do_the_same_as_the_helper(set_up: Set) -> None:
    stream = set_up()
    OURS.info("Scrape failed", extra={"fields": {"node": "n1", "attempt": 2}})

    assert stream.getvalue().endswith('] Scrape failed node="n1" attempt=2\n')


def test_a_field_may_have_the_name_of_a_parameter(set_up: Set) -> None:
    stream = set_up()
    log_event(OURS, logging.INFO, "x", level="high", event="e", logger="l")

    assert stream.getvalue().endswith('] x level="high" event="e" logger="l"\n')


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("text", ["a\nI1121 00:00:00.000000 forged] x", "a\r\nb", "a\x85b", "a\u2028b", "\x1b[2J"])
def test_a_hostile_message_stays_one_printable_line(set_up: Set, text: str, as_json: bool) -> None:
    stream = set_up(as_json=as_json)
    OURS.warning("%s", text, extra={"fields": {f"key{text}": text}})
    (line,) = stream.getvalue().splitlines()

    assert line.isprintable()


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_half_a_surrogate_pair_can_be_written(set_up: Set, as_json: bool) -> None:
    """Formatted directly: the report of a test that logs it could not be sent between processes."""
    stream = set_up(as_json=as_json)
    handler = next(each for each in logging.getLogger().handlers if getattr(each, "stream", None) is stream)
    line = handler.format(
        logging.makeLogRecord(
            {"name": OURS.name, "levelno": logging.INFO, "msg": "\ud800", "fields": {"key": "\ud800"}}
        )
    )

    assert line.isprintable()
    line.encode()


def test_a_long_text_is_cut(set_up: Set) -> None:
    stream = set_up()
    log_event(OURS, logging.INFO, "x" * 10_000, body="y" * 10_000)

    assert len(stream.getvalue()) < 8200
    assert "... (6000 more)" in stream.getvalue()


def log_a_bug() -> None:
    try:
        raise RuntimeError("bad\nE1121 00:00:00.000000 forged] x")
    except RuntimeError as error:
        log_event(OURS, logging.ERROR, "Scrape ended unexpectedly", exc_info=error, node="n1")


def test_a_traceback_follows_in_lines_that_cannot_be_taken_for_records(set_up: Set) -> None:
    stream = set_up()
    log_a_bug()
    first, *rest = stream.getvalue().splitlines()

    assert first.endswith('Scrape ended unexpectedly node="n1"')
    assert rest[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in rest)


def test_a_traceback_is_one_field_in_json(set_up: Set) -> None:
    stream = set_up(as_json=True)
    log_a_bug()
    (line,) = stream.getvalue().splitlines()

    assert json.loads(line)["trace"].startswith("Traceback (most recent call last):\n")


def test_json_has_the_keys_of_component_base(set_up: Set) -> None:
    stream = set_up(as_json=True)
    record = record_at(1763737443.123456)
    record.fields = {"node": "n1", "seconds": 0.5, "first": True, "previous": None, "worst": float("inf")}
    OURS.handle(record)

    assert json.loads(stream.getvalue()) == {
        "ts": 1763737443123.456,
        "level": "info",
        "caller": "scraper.scraper",
        "msg": "Node added",
        "v": 0,
        "node": "n1",
        "seconds": 0.5,
        "first": True,
        "previous": None,
        "worst": "inf",
    }


@pytest.mark.parametrize(
    ("level", "name", "v"),
    [
        (logging.DEBUG, "info", 4),
        (VERBOSE, "info", 2),
        (logging.INFO, "info", 0),
        (logging.WARNING, "warning", None),
        (logging.ERROR, "error", None),
        (logging.CRITICAL, "fatal", None),
    ],
)
def test_json_tells_severity_and_verbosity(set_up: Set, level: int, name: str, v: int | None) -> None:
    stream = set_up(4, as_json=True)
    OURS.log(level, "x")
    document = json.loads(stream.getvalue())

    assert document["level"] == name
    assert document.get("v") == v


def test_a_field_does_not_hide_what_the_record_says(set_up: Set) -> None:
    stream = set_up(as_json=True)
    log_event(OURS, logging.INFO, "x", msg="forged", ts=0, trace="none")
    document = json.loads(stream.getvalue())

    assert document["msg"] == "x"
    assert document["msg_"] == "forged"
    assert document["ts_"] == 0
    assert document["trace_"] == "none"


@pytest.mark.parametrize(
    ("verbosity", "heard"),
    [
        (0, ["INFO", "WARNING"]),
        (1, ["INFO", "WARNING"]),
        (2, ["VERBOSE", "INFO", "WARNING"]),
        (3, ["VERBOSE", "INFO", "WARNING"]),
        (4, ["DEBUG", "VERBOSE", "INFO", "WARNING"]),
        (10, ["DEBUG", "VERBOSE", "INFO", "WARNING"]),
    ],
)
def test_v_says_how_much_is_heard(set_up: Set, verbosity: int, heard: list[str]) -> None:
    stream = set_up(verbosity)
    for level, name in ((10, "DEBUG"), (VERBOSE, "VERBOSE"), (20, "INFO"), (30, "WARNING")):
        OURS.log(level, name)

    assert re.findall(r"\] (\w+)\n", stream.getvalue()) == heard


def test_libraries_are_heard_from_warnings_on_at_any_verbosity(set_up: Set) -> None:
    stream = set_up(10)
    LIBRARY.debug("Authorization: Bearer x")
    LIBRARY.info("x")
    LIBRARY.warning("slow")

    assert stream.getvalue().count("\n") == 1
    assert "aiohttp.client] slow" in stream.getvalue()


def test_uvicorn_speaks_through_our_handler_and_only_from_warnings_on(set_up: Set) -> None:
    chatty = logging.getLogger("uvicorn.error")
    chatty.setLevel(logging.INFO)
    own = io.StringIO()
    chatty.addHandler(logging.StreamHandler(own))
    stream = set_up()
    chatty.info("Started server process")
    chatty.warning("Invalid HTTP request received.")

    assert own.getvalue() == ""
    assert stream.getvalue().endswith("uvicorn.error] Invalid HTTP request received.\n")
    assert stream.getvalue().count("\n") == 1


def test_configuring_again_replaces_the_handler(set_up: Set) -> None:
    first = set_up()
    second = set_up(as_json=True)
    OURS.info("x")

    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["msg"] == "x"


def test_warnings_of_python_become_records(set_up: Set) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        stream = set_up()
        warnings.warn("old\nthing", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    assert stream.getvalue().startswith("W")
    assert stream.getvalue().count("\n") == 1


def test_arguments_of_a_message_are_put_in(set_up: Set) -> None:
    stream = set_up()
    OURS.warning("%s answered %d", "n1", 403)

    assert stream.getvalue().endswith("] n1 answered 403\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_hostile_node_says_never_reaches_the_log_raw(set_up: Set, as_json: bool) -> None:
    stream = set_up(as_json=as_json)
    announcements = Announcements(FakeClock())
    announcements.failed("n\n1\x1b[2J", "decode", "a\r\nE1231 forged] line\u2028\x9b", quiet=False)

    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().rstrip("\n").isprintable()
