"""What clients are told when there is too much to do, too little time, or an end in sight."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message, Scope

from metrics_api.api.overload import answer_shutting_down, answer_timeout
from metrics_api.api.requestinfo import RequestInfo
from metrics_api.errors import TooManyRequestsError
from tests.api.views import V1, get, make_api


class _Full:
    async def __call__(self, scope: Scope, request: RequestInfo) -> None:
        raise TooManyRequestsError("Too many requests, please try again later.", retry_after=1)


class _Sent:
    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])


@pytest.mark.parametrize("path", [f"{V1}/nodes", "/apis", "/nope"])
async def test_too_many_requests_are_told_in_plain_text_when_to_come_back(path: str) -> None:
    response = await get(path, make_api(gate=_Full()), audit_id="abc")
    assert (response.status_code, response.text) == (429, "Too many requests, please try again later.\n")
    headers = {name: response.headers[name] for name in ("retry-after", "content-type", "x-content-type-options")}
    assert headers == {
        "retry-after": "1",
        "content-type": "text/plain; charset=utf-8",
        "x-content-type-options": "nosniff",
    }
    assert (response.headers["audit-id"], response.headers["cache-control"]) == ("abc", "no-cache, private")


async def test_a_timeout_is_a_status() -> None:
    sent = _Sent()
    await answer_timeout({"query_string": b"", "headers": [(b"audit-id", b"abc")]}, sent)
    assert sent.messages[0]["status"] == 504
    assert sent.headers[b"audit-id"] == b"abc"
    assert sent.messages[1]["body"] == (
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Timeout: request did not '
        b'complete within the allotted timeout","reason":"Timeout","details":{},"code":504}\n'
    )


async def test_a_server_about_to_end_says_so() -> None:
    sent = _Sent()
    await answer_shutting_down({"query_string": b"", "headers": []}, sent)
    assert (sent.messages[0]["status"], sent.headers[b"retry-after"]) == (429, b"5")
    assert sent.messages[1]["body"] == b"The apiserver is shutting down, please try again later.\n"
