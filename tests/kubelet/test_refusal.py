"""What is said of an answer other than 200."""

from __future__ import annotations

import pytest

from metrics_api.kubelet.http1 import Response
from metrics_api.kubelet.refusal import refusal
from metrics_api.model import Endpoint
from tests.kubelet.documents import read


@pytest.mark.parametrize(
    ("status", "file", "reason", "advice"),
    [
        (400, "body_400_http_on_tls.txt", "protocol", "--deprecated-kubelet-completely-insecure"),
        (401, "body_401.txt", "unauthorized", "authentication.webhook"),
        (403, "body_403.txt", "forbidden", "nodes/stats"),
        (404, "body_404_vk.txt", "not_found", "404 request not found"),
        (406, "body_406.txt", "not_found", "Not Acceptable"),
        (500, "body_500_root_cgroup.txt", "status", "unable to find data in memory cache"),
        (500, "body_500_cri.txt", "status", "DeadlineExceeded"),
        (500, "body_500_authz.txt", "status", "could not ask kube-apiserver"),
        (501, "body_501_vk.txt", "not_found", "501 not implemented"),
    ],
)
def test_each_refusal_has_its_reason_its_body_and_advice(status: int, file: str, reason: str, advice: str) -> None:
    error = refusal(Response(status, read(f"faults/{file}")), Endpoint.SUMMARY)
    assert (error.reason, error.status) == (reason, status)
    assert advice in str(error)


@pytest.mark.parametrize("endpoint", Endpoint)
def test_the_rule_to_add_is_that_of_what_was_asked(endpoint: Endpoint) -> None:
    message = str(refusal(Response(403, b""), endpoint))
    assert "nodes/metrics" in message
    assert ("nodes/stats" in message) == (endpoint is Endpoint.SUMMARY)


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308])
def test_a_redirect_is_named_as_one(status: int) -> None:
    assert refusal(Response(status, b""), Endpoint.SUMMARY).reason == "redirect"


@pytest.mark.parametrize("status", [204, 418, 429, 503, 599, 999])
def test_any_other_status_is_a_status(status: int) -> None:
    error = refusal(Response(status, b""), Endpoint.RESOURCE)
    assert (error.reason, error.status) == ("status", status)
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"", None),
        (b"7", 7.0),
        (b"0", 0.0),
        (b"-1", None),
        (b"1e9", None),
        (b"9" * 6, None),
        (b"Tue, 01 Sep 2026", None),
    ],
)
def test_the_wait_that_is_asked_for_is_handed_on(value: bytes, seconds: float | None) -> None:
    assert refusal(Response(503, b"", retry_after=value), Endpoint.SUMMARY).retry_after == seconds


def test_a_hostile_body_is_cut_and_escaped() -> None:
    message = str(refusal(Response(500, b"\x1b[31m\r\nfake log line\xff" * 1000), Endpoint.SUMMARY))
    assert "\x1b" not in message
    assert "\n" not in message
    assert len(message) < 1500
