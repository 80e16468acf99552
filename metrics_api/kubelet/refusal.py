"""What an answer other than 200 means to an operator, and what to do about it."""

from __future__ import annotations

from http import HTTPStatus

from metrics_api.errors import ScrapeError, ScrapeReason
from metrics_api.kubelet.http1 import Response
from metrics_api.model import Endpoint

_EXCERPT_BYTES = 200
_MOST_RETRY_DIGITS = 5
_RULES = {Endpoint.SUMMARY: "nodes/stats and nodes/metrics", Endpoint.RESOURCE: "nodes/metrics"}
_REASONS: dict[int, ScrapeReason] = {
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "not_found",
    HTTPStatus.NOT_ACCEPTABLE: "not_found",
    HTTPStatus.NOT_IMPLEMENTED: "not_found",
}


def refusal(response: Response, endpoint: Endpoint) -> ScrapeError:
    """Return the error that an answer other than 200 stands for.

    Its message quotes the first 200 bytes of the body, with everything unprintable escaped.

    Args:
        response: The answer.
        endpoint: What was asked for.
    """
    status = response.status
    reason, advice = _meaning(response, endpoint)
    excerpt = response.body[:_EXCERPT_BYTES].decode("utf-8", "replace").strip()
    message = f"status {status}{_phrase(status)}" + (f": {excerpt!r}" if excerpt else "")
    return ScrapeError(
        reason,
        f"{message}. {advice}" if advice else message,
        status=status,
        retry_after=_seconds(response.retry_after),
    )


def _meaning(response: Response, endpoint: Endpoint) -> tuple[ScrapeReason, str]:
    status = response.status
    if 300 <= status < 400:
        return "redirect", "Redirects are never followed: a token would go where the answer points"
    if status == HTTPStatus.BAD_REQUEST and b"HTTP request to an HTTPS server" in response.body:
        return "protocol", "The kubelet speaks TLS: do without --deprecated-kubelet-completely-insecure"
    if status == HTTPStatus.UNAUTHORIZED:
        return "unauthorized", (
            "The kubelet does not know who we are. It asks kube-apiserver about tokens: its authentication.webhook"
            " must be enabled, and kube-apiserver within reach"
        )
    if status == HTTPStatus.FORBIDDEN:
        return "forbidden", (
            f'Grant get on {_RULES[endpoint]} (apiGroup "") to our service account. A kubelet remembers a denial for'
            " half a minute"
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and response.body.startswith(b"Authorization error"):
        return "status", "The kubelet could not ask kube-apiserver whether we may"
    return _REASONS.get(status, "status"), ""


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _seconds(value: bytes) -> float | None:
    # The other form, a date, is not worth believing a kubelet's clock for.
    return float(value) if value.isdigit() and len(value) <= _MOST_RETRY_DIGITS else None
