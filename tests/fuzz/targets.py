"""Everything that reads what others wrote, as functions of bytes: each takes them or refuses them, and nothing else.

``make test`` runs each for a moment (``test_targets``), ``make fuzz`` for as long as it is told.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from metrics_api.errors import KubeConfigError, KubeError, ScrapeError, SelectorError
from metrics_api.kube.decode import node_decoder, pod_decoder
from metrics_api.kube.kubeconfig import read_kubeconfig
from metrics_api.kubelet.budget import Budget
from metrics_api.kubelet.certificate import key_digest, read_certificate
from metrics_api.kubelet.gzipped import gunzip
from metrics_api.kubelet.http1 import ResponseReader, WireLimits
from metrics_api.kubelet.resource import ResourceDecoder
from metrics_api.kubelet.summary import decode_summary
from metrics_api.model import NodeInfo, NodeSamples
from metrics_api.quantity import parse_quantity
from metrics_api.selectors import parse_field_selector, parse_label_selector
from metrics_api.timetext import parse_duration, parse_rfc3339
from tests.fuzz import seeds

GREATEST = 2**64 - 1
NOW = 1_788_264_000.0
NODE = NodeInfo("node-a", "uid-node-a", {}, max_pods=110)
_BUDGET = 8 << 20
_MOST_BODY = 1 << 20
_MOST_UNPACKED = 1 << 20


class Target(NamedTuple):
    """One reader."""

    run: Callable[[bytes], None]
    """Raises ``AssertionError``, or whatever should not have been raised."""
    seeds: Sequence[bytes]
    """Good inputs, to be spoiled."""


def summary(body: bytes) -> None:
    try:
        check(decode_summary(body, NODE, requested=NOW - 0.1, received=NOW))
    except ScrapeError as error:
        _check_refusal(error, {"decode", "wrong_node"})


def resource(body: bytes) -> None:
    decoder = ResourceDecoder()
    try:
        first = decoder.decode(body, NODE, requested=NOW - 0.1, received=NOW)
        check(first)
        assert decoder.decode(body, NODE, requested=NOW - 0.1, received=NOW) == first, "what is remembered lies"
    except ScrapeError as error:
        _check_refusal(error, {"decode", "no_data"})


def check(samples: NodeSamples) -> None:
    """Assert that samples are within range, and that there is nothing in them that cannot be."""
    everything = [sample for pod in samples.pods for sample in pod.containers.values()]
    for sample in (*everything, *([samples.node] if samples.node is not None else [])):
        assert math.isfinite(sample.time)
        assert 0 <= sample.time < 1e12
        assert sample.start_time is None or 0 <= sample.start_time < 1e12
        for number in (sample.cpu_total, sample.cpu_rate, sample.working_set):
            assert number is None or (type(number) is int and 0 <= number <= GREATEST)
        assert any(number is not None for number in (sample.cpu_total, sample.cpu_rate, sample.working_set))
    for pod in samples.pods:
        assert 0 < len(pod.name) <= 253
        assert 0 < len(pod.namespace) <= 63
        assert pod.containers
        assert all(0 < len(name) <= 63 for name in pod.containers)
    assert all(count > 0 for count in samples.dropped.values())


def _check_refusal(error: ScrapeError, reasons: set[str]) -> None:
    assert error.reason in reasons
    assert str(error).isprintable()
    _check_length(error)


def _check_length(error: Exception, most: int = 2000) -> None:
    assert 0 < len(str(error)) <= most


def http_response(body: bytes) -> None:
    """Read a response whole, and in pieces as its first byte says: it must come to the same."""
    size = 1 + (body[0] if body else 0)
    data = body[1:]
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert _read_response([data]) == _read_response(pieces)


def _read_response(pieces: list[bytes]) -> tuple[object, ...]:
    budget = Budget(_BUDGET)
    reader = ResponseReader(WireLimits(), budget)
    reader.begin(_MOST_BODY)
    try:
        for piece in pieces:
            reader.feed(piece)
        if not reader.complete:
            reader.end_of_stream()
        if not reader.complete:
            return ("cut",)
        response = reader.take()
    except ScrapeError as error:
        _check_refusal(error, {"protocol", "too_large"})
        return ("refused",)
    finally:
        reader.discard()
        assert budget.reserve(_BUDGET), "what was reserved was not given back"
    assert len(response.body) <= _MOST_BODY
    assert response.status >= 200
    return ("read", response)


def gzipped(body: bytes) -> None:
    try:
        assert len(gunzip(body, _MOST_UNPACKED)) <= min(_MOST_UNPACKED, 100 * len(body))
    except ScrapeError as error:
        _check_refusal(error, {"decode", "too_large"})


def certificate(body: bytes) -> None:
    for read in (read_certificate, key_digest):
        try:
            read(body)
        except ValueError as error:
            _check_length(error, 40)


def watched(body: bytes) -> None:
    """Read a page of a list, and the same as a line of a watch."""
    for make in (pod_decoder, node_decoder):
        decoder = make()
        try:
            list(decoder.page(body).items)
        except KubeError as error:
            _check_length(error)
        try:
            decoder.event(body)
        except KubeError as error:
            _check_length(error)


def kubeconfig(body: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        try:
            read_kubeconfig(Path(file.name))
        except KubeConfigError as error:
            _check_length(error)


def texts(body: bytes) -> None:
    """Read a text as a selector, a quantity, a time and a duration."""
    text = body.decode("utf-8", "surrogateescape")
    for parse_selector in (parse_label_selector, parse_field_selector):
        try:
            parse_selector(text)
        except SelectorError as error:
            _check_length(error, 10_000 + 12 * len(body))
    for parse in (parse_quantity, parse_rfc3339, parse_duration):
        try:
            value = float(parse(text))
        except ValueError:
            continue
        assert not math.isnan(value)


TARGETS = {
    "summary": Target(summary, seeds.SUMMARIES),
    "resource": Target(resource, seeds.RESOURCES),
    "http_response": Target(http_response, seeds.RESPONSES),
    "gzipped": Target(gzipped, seeds.PACKED),
    "certificate": Target(certificate, seeds.CERTIFICATES),
    "watched": Target(watched, seeds.LISTS),
    "kubeconfig": Target(kubeconfig, seeds.KUBECONFIGS),
    "texts": Target(texts, seeds.TEXTS),
}
