"""Nodes without sockets, and the summary and resource documents of one, decoded."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from metrics_api.localcluster.fleet.inventory import FleetNode
from metrics_api.localcluster.fleet.population import Population
from metrics_api.localcluster.fleet.resource import ResourceWriter
from metrics_api.localcluster.fleet.sampling import Sampling, kubelet_instants
from metrics_api.localcluster.fleet.summary import SummaryWriter

EPOCH = 1_767_225_600.0
Json = dict[str, Any]

_SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)(?: (\d+))?$")


def draw_nodes(nodes: int = 4, pods: int = 30, *, seed: int = 1) -> list[FleetNode]:
    return Population(seed, EPOCH).populate(nodes, pods)


def summary_of(node: FleetNode, at: float, sample: Sampling = kubelet_instants) -> Json:
    document: Json = msgspec.json.decode(SummaryWriter(node, sample).document(at))
    return document


class Series(NamedTuple):
    """One line of the text format."""

    value: float
    time_ms: int | None


def resource_of(
    node: FleetNode, at: float, sample: Sampling = kubelet_instants
) -> dict[tuple[str, tuple[str, ...]], Series]:
    """Return (family, label values in order) -> the series."""
    return parse_resource(ResourceWriter(node, sample).document(at).decode())


def parse_resource(text: str) -> dict[tuple[str, tuple[str, ...]], Series]:
    parsed = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = _SERIES.match(line)
        assert match, line
        labels = tuple(re.findall(r'"([^"]*)"', match[2] or ""))
        parsed[match[1], labels] = Series(float(match[3]), int(match[4]) if match[4] else None)
    return parsed


def containers_of(document: Json) -> dict[tuple[str, str, str], Json]:
    """Return (namespace, pod, container) -> the container's object of a summary."""
    return {
        (pod["podRef"]["namespace"], pod["podRef"]["name"], container["name"]): container
        for pod in document["pods"]
        for container in pod["containers"]
    }
