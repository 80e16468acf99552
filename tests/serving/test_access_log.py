"""The line that each answered request leaves."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from metrics_api import logs
from metrics_api.serving.access_log import AccessLog
from metrics_api.serving.asgi import Message, Scope
from tests.fakes import FakeClock


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure(level=3, json=False, stream=stream)
    yield stream
    logs.configure(level=0, json=False, stream=io.StringIO())
    logging.captureWarnings(capture=False)


async def answer(scope: dict[str, Any], clock: FakeClock) -> None:
    async def send(message: Message) -> None:
        pass

    def verb(_: Scope) -> str:
        return "list"

    full: Scope = {"query_string": b"", "client": ("10.0.0.7", 4242), "headers": [], "path": "/x"} | scope
    follow = AccessLog(clock, verb).follow(full, send)
    clock.move_to(clock.monotonic() + 0.0015)
    await follow({"type": "http.response.start", "status": 200, "headers": [(b"audit-id", b"abc")]})
    await follow({"type": "http.response.body", "body": b"x", "more_body": True})
    await follow({"type": "http.response.body", "body": b""})


async def test_a_line_names_what_was_asked_by_whom_and_how_it_ended(written: io.StringIO) -> None:
    headers = [(b"user-agent", b"kubectl/v1.36.0"), (b"authorization", b"Bearer s3cr3t")]
    await answer({"raw_path": b"/apis/x", "query_string": b"limit=500", "headers": headers}, FakeClock())
    (line,) = written.getvalue().splitlines()
    assert line.startswith("I")
    assert line.endswith(
        '] HTTP verb="LIST" URI="/apis/x?limit=500" userAgent="kubectl/v1.36.0" srcIP="10.0.0.7:4242" '
        'latency="1.500ms" audit-ID="abc" resp=200'
    )


@pytest.mark.parametrize(
    "query",
    [
        b"token=s3cr3t",
        b"a=b&access_token=s3cr3t&c=d",
        b"Client_Secret=s3cr3t",
        b"a=token=s3cr3t",
        b"x-password=s3cr3t&token",
    ],
)
async def test_no_secret_is_written(written: io.StringIO, query: bytes) -> None:
    await answer({"query_string": query}, FakeClock())
    assert "s3cr3t" not in written.getvalue()
    assert "masked" in written.getvalue()


async def test_hostile_bytes_make_no_line_of_their_own(written: io.StringIO) -> None:
    agent = b'x"\nI1121 00:00:00 forged] \xff\x1b[2J' + b"y" * 5000
    await answer({"raw_path": b"/" + b"a" * 9000, "headers": [(b"user-agent", agent)]}, FakeClock())
    lines = written.getvalue().splitlines()
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
    assert len(lines[0]) < 2000
