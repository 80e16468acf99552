"""The requests that autoscalers, dashboards and kubectl repeat, for a given cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from benchmarks.programs import Facts
from benchmarks.served import GROUP

PROTOBUF = "application/vnd.kubernetes.protobuf"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and what to call it."""

    name: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    is_long: bool = False
    """Whether the answer grows with the cluster."""


def hot_requests(facts: Facts) -> list[Request]:
    """Return the requests whose speed counts."""
    namespace = f"{GROUP}/namespaces/{facts.namespace}/pods"
    selected = f"{namespace}?labelSelector={quote(facts.selector)}"
    hpa = f"HPA: {facts.selected} of {facts.namespace_pods} pods"
    return [
        Request("one pod", f"{namespace}/{facts.pod}"),
        Request("one node", f"{GROUP}/nodes/{facts.node}"),
        Request(hpa, selected),
        Request(f"{hpa}, protobuf", selected, {"Accept": PROTOBUF}),
        Request(f"a namespace: {facts.namespace_pods} pods", namespace),
        Request(
            "discovery", "/apis", {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
        ),
        Request(f"all nodes: {facts.nodes:,}", f"{GROUP}/nodes", is_long=True),
        Request(f"all pods: {facts.pods:,}", f"{GROUP}/pods", is_long=True),
        Request(f"all pods, gzip: {facts.pods:,}", f"{GROUP}/pods", {"Accept-Encoding": "gzip"}, is_long=True),
    ]
