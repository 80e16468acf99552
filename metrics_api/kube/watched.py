"""What is watched: all nodes, and all pods that run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from metrics_api.kube.decode import Decoder, node_decoder, pod_decoder
from metrics_api.kube.documents import Identity
from metrics_api.model import NodeInfo, PodInfo, PodKey


class Object(Protocol):
    """What every watched object has."""

    @property
    def uid(self) -> str:
        """Tells two lives of one name apart."""
        ...


T = TypeVar("T", bound=Object)
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Watched(Generic[T, K]):
    """One resource, and how its objects are named and decoded."""

    noun: str
    path: str
    query: tuple[tuple[str, str], ...]
    decoder: Callable[[], Decoder[T]]
    key: Callable[[T], K]
    key_of_identity: Callable[[Identity], K]


def all_nodes() -> Watched[NodeInfo, str]:
    """Return the nodes, keyed by name."""
    return Watched("nodes", "/api/v1/nodes", (), node_decoder, lambda node: node.name, lambda each: each.name)


def running_pods() -> Watched[PodInfo, PodKey]:
    """Return the pods of all namespaces whose phase is Running, keyed by namespace and name.

    A pod that enters or leaves the phase comes as ``ADDED`` or ``DELETED``.
    """
    return Watched(
        "pods",
        "/api/v1/pods",
        (("fieldSelector", "status.phase=Running"),),
        pod_decoder,
        lambda pod: pod.key,
        lambda each: PodKey(each.namespace, each.name),
    )
