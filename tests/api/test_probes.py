from __future__ import annotations

import logging

import pytest

from metrics_api.api.probes import PING, Check, Endpoint, Probes
from tests.api.views import connect, get, make_api


def _fails(name: str, reason: str) -> Check:
    return name, lambda: reason


def _broken() -> str | None:
    raise ZeroDivisionError("division by zero")


_READYZ = [
    PING,
    ("log", lambda: None),
    _fails("metric-storage-ready", "no metrics to serve"),
    ("metric-informer-sync", lambda: None),
]
_API = make_api(probes=Probes(healthz=[PING], livez=[PING, ("log", lambda: None)], readyz=_READYZ))


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        pytest.param("/livez", 200, "ok", id="passes"),
        pytest.param("/livez?verbose", 200, "[+]ping ok\n[+]log ok\nlivez check passed\n", id="verbose"),
        pytest.param("/livez?verbose=0", 200, "[+]ping ok\n[+]log ok\nlivez check passed\n", id="whatever-value"),
        pytest.param("/healthz?verbose", 200, "[+]ping ok\nhealthz check passed\n", id="healthz"),
        pytest.param(
            "/readyz",
            500,
            "[+]ping ok\n[+]log ok\n[-]metric-storage-ready failed: reason withheld\n[+]metric-informer-sync ok\n"
            "readyz check failed\n",
            id="fails",
        ),
        pytest.param("/readyz?exclude=metric-storage-ready", 200, "ok", id="excluded"),
        pytest.param(
            "/readyz?verbose&exclude=metric-storage-ready&exclude=ping",
            200,
            "[+]ping excluded: ok\n[+]log ok\n[+]metric-storage-ready excluded: ok\n[+]metric-informer-sync ok\n"
            "readyz check passed\n",
            id="several-excluded",
        ),
        pytest.param(
            "/livez?verbose&exclude=b%22&exclude=a",
            200,
            '[+]ping ok\n[+]log ok\nwarn: some health checks cannot be excluded: no matches for "a","b\\""\n'
            "livez check passed\n",
            id="unknown-excluded",
        ),
        pytest.param("/livez?exclude=nothing", 200, "ok", id="unknown-excluded-quietly"),
        pytest.param(
            "/readyz/metric-storage-ready", 500, "internal server error: no metrics to serve\n", id="one-fails"
        ),
    ],
)
async def test_a_probe_answers_in_the_words_of_the_generic_api_server(path: str, code: int, text: str) -> None:
    response = await get(path, _API)
    assert (response.status_code, response.text) == (code, text)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_one_check_that_passes_says_so_in_two_letters_without_the_header() -> None:
    response = await get("/livez/ping", _API)
    assert (response.status_code, response.text) == (200, "ok")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert "x-content-type-options" not in response.headers


@pytest.mark.parametrize("path", ["/livez/nothing", "/livez/", "/livez/ping/"])
async def test_a_check_there_is_not_is_an_unknown_path(path: str) -> None:
    response = await get(path, _API)
    assert response.status_code == 404
    assert "/livez/log" in response.json()["paths"]


async def test_probes_answer_to_head() -> None:
    async with connect(_API) as client:
        assert (await client.head("/livez")).status_code == 200
        assert (await client.head("/readyz")).status_code == 500


def test_a_broken_check_fails_alone_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint("livez", [("bad", _broken), PING])
    for _ in range(3):
        assert endpoint.all(verbose=False).text == "[-]bad failed: reason withheld\n[+]ping ok\nlivez check failed\n"
    assert [record.message for record in caplog.records if record.exc_info] == ["check bad of /livez is broken"]


def test_why_a_probe_fails_is_logged_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reason: list[str | None] = [None]
    endpoint = Endpoint("readyz", [PING, ("shutdown", lambda: reason[0])])
    for said in (None, "stopping", "stopping", None):
        reason[0] = said
        endpoint.all(verbose=False)
    assert caplog.messages == ["/readyz fails: shutdown: stopping", "/readyz passes again"]
