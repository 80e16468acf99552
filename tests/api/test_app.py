from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Scope

from metrics_api.api.app import MetricsAPI
from metrics_api.api.requestinfo import RequestInfo
from metrics_api.errors import KubeUnreachableError, StatusError
from metrics_api.model import Row
from tests.api.views import V1, FakeView, connect, get, make_api, make_row

_PATHS = [
    "/apis",
    "/apis/metrics.k8s.io",
    "/apis/metrics.k8s.io/v1",
    "/apis/metrics.k8s.io/v1beta1",
    "/healthz",
    "/healthz/ping",
    "/livez",
    "/livez/ping",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/apis/metrics.k8s.io/v1",
    "/openapi/v3/apis/metrics.k8s.io/v1beta1",
    "/readyz",
    "/readyz/ping",
    "/version",
]
_ANY_PATH = [f"{V1}/nodes", f"{V1}/nodes/nope", f"{V1}/nope", f"{V1}/pods?limit=x", "/apis", "/livez", "/", "/nope"]


class _BrokenView(FakeView):
    def nodes(self) -> Sequence[Row]:
        raise RuntimeError("secret /etc/passwd")


class _Gate:
    """Lets pass, or raises what it is told to; remembers what it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[RequestInfo] = []

    async def __call__(self, scope: Scope, request: RequestInfo) -> None:
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("path", _ANY_PATH)
async def test_every_answer_carries_the_callers_audit_id_and_is_not_cached(path: str) -> None:
    response = await get(path, audit_id="6f1f9f4e-95b5-4d0b-8a8c-0d3c1f6f7f10")
    assert response.headers["audit-id"] == "6f1f9f4e-95b5-4d0b-8a8c-0d3c1f6f7f10"
    assert response.headers["cache-control"] == "no-cache, private"
    assert response.headers["content-length"] == str(len(response.content))
    assert "server" not in response.headers


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "é"], ids=["none", "blank-inside", "long", "not-ascii"])
async def test_a_request_without_a_proper_audit_id_gets_a_new_one(given: str) -> None:
    api = make_api()
    async with connect(api) as client:
        ids = {(await client.get("/livez", headers=[(b"audit-id", given.encode())])).headers["audit-id"] for _ in "12"}
    assert len({UUID(one) for one in ids}) == 2


@pytest.mark.parametrize("path", ["/", "//"])
async def test_the_index_lists_the_paths(path: str) -> None:
    response = await get(path)
    assert response.status_code == 200
    assert response.text == json.dumps({"paths": _PATHS}, indent=2)


@pytest.mark.parametrize(
    "path",
    [
        *("/nope", "/api", "/api/", "/api/v1", "/apis/apps/v1/deployments", "/apis/metrics.k8s.iox"),
        *("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"),  # FastAPI's own, which clusters do not read
    ],
)
async def test_an_unknown_path_elsewhere_is_answered_with_those_there_are(path: str) -> None:
    response = await get(path)
    assert (response.status_code, response.json()) == (404, {"paths": _PATHS})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/version", "/version/"])
async def test_the_version_is_ours(path: str) -> None:
    response = await get(path)
    info = response.json()
    assert response.status_code == 200
    assert (info["major"], info["minor"], info["gitVersion"]) == ("0", "1", "v0.1.0")
    assert list(info) == [
        *("major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
    ]


@pytest.mark.parametrize("path", ["/", "/version", "/livez", "/readyz/ping"])
async def test_other_paths_refuse_other_methods_with_a_status(path: str) -> None:
    async with connect(make_api()) as client:
        response = await client.post(path, content=b"x")
    assert response.status_code == 405
    assert response.json()["message"] == "the server does not allow this method on the requested resource"


async def test_a_fault_of_ours_is_a_500_that_tells_nothing_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    response = await get(f"{V1}/nodes", make_api(_BrokenView()), audit_id="abc")
    assert response.status_code == 500
    assert response.json()["message"] == "Internal error occurred"
    assert "secret" not in response.text
    assert [(record.levelno, bool(record.exc_info)) for record in caplog.records] == [(logging.ERROR, True)]
    assert caplog.messages == [f'fault in GET "{V1}/nodes", audit id abc']


async def test_a_fault_in_a_route_of_fastapi_is_answered_alike(caplog: pytest.LogCaptureFixture) -> None:
    api = make_api()

    async def broken() -> None:
        raise RuntimeError("secret")

    api.add_api_route("/broken", broken)
    response = await get("/broken", api)
    assert (response.status_code, response.json()["message"]) == (500, "Internal error occurred")
    assert len(response.headers.get_list("audit-id")) == 1
    assert [bool(record.exc_info) for record in caplog.records] == [True]


async def test_a_fault_in_a_long_list_is_answered_before_anything_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    rows = [make_row("a", f"p{index:04}", {}) for index in range(1500)]
    rows[1200].item = None  # type: ignore[assignment]
    response = await get(f"{V1}/pods", make_api(FakeView(pods=rows)))
    assert (response.status_code, response.json()["message"]) == (500, "Internal error occurred")
    assert len(caplog.records) == 1


async def test_a_fault_in_the_middle_of_a_body_ends_it_short(caplog: pytest.LogCaptureFixture) -> None:
    api = make_api()

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("secret")

    async def broken() -> StreamingResponse:
        return StreamingResponse(half())

    api.add_api_route("/broken", broken)
    scope = {"type": "http", "method": "GET", "path": "/broken", "query_string": b"", "headers": []}
    messages = await _call(api, {**scope, "root_path": "", "scheme": "https", "asgi": {"spec_version": "2.4"}})
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
    assert messages[1]["more_body"]  # so the server closes the connection, and the client sees that it is not whole
    assert len(caplog.records) == 1


async def test_livez_answers_when_the_view_is_broken() -> None:
    api = make_api(_BrokenView())
    async with connect(api) as client:
        assert (await client.get(f"{V1}/nodes")).status_code == 500
        assert (await client.get("/livez")).text == "ok"


async def test_a_route_that_is_added_is_in_the_index() -> None:
    api = make_api()

    async def metrics() -> str:
        return "x"

    api.add_api_route("/metrics", metrics)
    assert "/metrics" in (await get("/", api)).json()["paths"]


async def test_a_route_is_never_redirected_to() -> None:
    api = make_api()

    async def odd() -> str:
        return "x"

    api.add_api_route("/odd/", odd)
    assert (await get("/odd", api)).status_code == 404


@pytest.mark.parametrize("path", [*_ANY_PATH, f"{V1}/"])
async def test_the_gate_is_asked_before_anything_else(path: str) -> None:
    gate = _Gate(StatusError(403, "Forbidden", "no", has_details=True))
    response = await get(path, make_api(gate=gate))
    assert (response.status_code, response.json()["message"]) == (403, "no")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert [request.path for request in gate.asked] == [path.partition("?")[0]]


async def test_the_gate_learns_what_is_asked_for() -> None:
    gate = _Gate()
    response = await get(f"{V1}/namespaces/default/pods/web-1", make_api(gate=gate))
    assert response.status_code == 200
    (asked,) = gate.asked
    assert (asked.verb, asked.group, asked.version) == ("get", "metrics.k8s.io", "v1")
    assert (asked.namespace, asked.resource, asked.name) == ("default", "pods", "web-1")


async def test_a_refusal_that_says_when_to_come_back_has_the_header() -> None:
    gate = _Gate(StatusError(503, "ServiceUnavailable", "wait", retry_after=5))
    response = await get("/apis", make_api(gate=gate))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


async def test_a_gate_that_cannot_ask_the_cluster_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    gate = _Gate(KubeUnreachableError("cannot reach <kube-apiserver>"))
    response = await get(f"{V1}/nodes", make_api(gate=gate))
    text = f'Internal Server Error: "{V1}/nodes": cannot reach &lt;kube-apiserver&gt;\n'
    assert (response.status_code, response.text) == (500, text)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert len(caplog.records) == 1


async def test_a_gate_that_is_broken_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    response = await get(f"{V1}/nodes", make_api(gate=_Gate(RuntimeError("x"))))
    assert (response.status_code, response.json()["reason"]) == (500, "InternalError")
    assert len(caplog.records) == 1


async def test_cancellation_passes() -> None:
    with pytest.raises(asyncio.CancelledError):
        await get(f"{V1}/nodes", make_api(gate=_Gate(asyncio.CancelledError())))  # type: ignore[arg-type]


async def test_a_strange_host_header_breaks_nothing() -> None:
    async with connect(make_api()) as client:
        for path in ("/livez/ping", "/nope", "/apis", f"{V1}", f"{V1}/nope"):
            response = await client.get(path, headers={"host": "[:"})
            assert response.status_code < 500


def test_the_application_is_imported_without_what_it_does_not_need() -> None:
    code = (
        "import sys, metrics_api.api.app;"
        "print([name for name in ('kubernetes', 'aiohttp', 'httpx', 'uvicorn', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


_WORDS = st.sampled_from(
    [
        "apis",
        "metrics.k8s.io",
        "v1",
        "v1beta1",
        "nodes",
        "pods",
        "namespaces",
        "n1",
        "livez",
        "readyz",
        "ping",
        "version",
    ]
)
_PATH = st.lists(_WORDS | st.text(max_size=5), max_size=8).map(lambda words: "/" + "/".join(words))
_NAMES = st.sampled_from(
    ["labelSelector", "fieldSelector", "limit", "watch", "timeout", "resourceVersionMatch", "exclude", "verbose"]
)
_VALUES = st.text(st.sampled_from("ab=!,<>() 1-.\\%&+;é\0"), max_size=12).map(str.encode) | st.binary(max_size=12)
_QUERY = st.lists(st.tuples(_NAMES.map(str.encode), _VALUES), max_size=4).map(
    lambda pairs: b"&".join(name + b"=" + value for name, value in pairs)
)
_METHOD = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "BREW"])
_HEADERS = st.lists(
    st.tuples(st.sampled_from([b"accept", b"audit-id", b"host", b"if-none-match"]), st.binary(max_size=20)), max_size=3
)
_API = make_api()


async def _call(api: MetricsAPI, scope: Scope) -> list[Message]:
    messages: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("a request body was read")

    async def send(message: Message) -> None:
        messages.append(message)

    await api(scope, receive, send)
    return messages


@given(_METHOD, _PATH, _QUERY, _HEADERS)
async def test_whatever_is_asked_gets_an_answer_that_is_no_fault(
    method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    start, *bodies = await _call(_API, {**scope, "root_path": "", "scheme": "https"})
    assert start["type"] == "http.response.start"
    assert start["status"] in {200, 304, 400, 404, 405, 406, 422}
    assert not bodies[-1].get("more_body", False)
    body = b"".join(message.get("body", b"") for message in bodies)
    if (b"content-type", b"application/json") in start["headers"] and method != "HEAD":
        assert isinstance(json.loads(body), dict)
