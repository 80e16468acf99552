"""From the documents of kube-apiserver to the values of ``model``, sharing what is equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from metrics_api.kube import containers
from metrics_api.kube.documents import Metadata, Node, NodeStatus, Pod, PodSpec, PodStatus
from metrics_api.kube.interning import Interned
from metrics_api.model import NodeInfo, PodInfo
from metrics_api.quantity import parse_quantity
from metrics_api.timetext import parse_rfc3339

_NO_SPEC, _NO_STATUS, _NO_NODE_STATUS = PodSpec(), PodStatus(), NodeStatus()
_MOST_ADDRESSES = 64  # a node writes its own status; what is kept of it is bounded here
_LONGEST_PATH = 1024  # characters of an annotation that holds a URL path
_LONGEST_QUANTITY = 64  # characters
_LARGEST_QUANTITY = 2**63  # beyond it a quantity is nonsense, and its exponent might be enormous

T = TypeVar("T")


class Converter:
    """Turns typed documents into ``PodInfo`` and ``NodeInfo``. Its tables are its own: use one for each kind."""

    def __init__(self) -> None:
        self._strings: Interned[str, str] = Interned(_same)
        self._tuples: Interned[tuple[str, ...], tuple[str, ...]] = Interned(_same)
        self._labels: Interned[bytes, dict[str, str]] = Interned(self._decode_labels, size=16_384)

    def pod(self, pod: Pod) -> PodInfo:
        """Return what is kept of a Pod.

        Raises:
            ValueError: It has no name, namespace or uid.
            msgspec.ValidationError: Its labels are no map of strings.
        """
        metadata, spec, status = _named(pod.metadata), pod.spec or _NO_SPEC, pod.status or _NO_STATUS
        if not metadata.namespace:
            raise ValueError("it has no namespace")
        return PodInfo(
            namespace=self._strings[metadata.namespace],
            name=metadata.name,
            uid=metadata.uid,
            labels=self._labels[bytes(metadata.labels)],
            node_name=self._strings[spec.node_name or ""],
            static_uids=_static_uids(metadata, spec),
            required=self._tuples[containers.required(spec, status)],
            finished=self._tuples[containers.finished(spec, status)],
            started=_time(status.start_time),
        )

    def node(self, node: Node) -> NodeInfo:
        """Return what is kept of a Node.

        Raises:
            ValueError: It has no name or uid.
            msgspec.ValidationError: Its labels are no map of strings.
        """
        metadata, status = _named(node.metadata), node.status or _NO_NODE_STATUS
        capacity, allocatable = status.capacity, status.allocatable
        annotations = metadata.annotations
        path = annotations.resource_metrics_path if annotations is not None else None
        return NodeInfo(
            name=metadata.name,
            uid=metadata.uid,
            labels=self._labels[bytes(metadata.labels)],
            addresses=self._addresses(status),
            kubelet_port=_kubelet_port(status),
            ready=_ready(status),
            operating_system=self._strings[(status.node_info.operating_system if status.node_info else None) or ""],
            cpu_cores=_quantity(capacity.cpu, float) if capacity else None,
            memory_capacity=_quantity(capacity.memory, int) if capacity else None,
            max_pods=_quantity(allocatable.pods, int) if allocatable else None,
            resource_metrics_path=path if path is not None and len(path) <= _LONGEST_PATH else None,
            created=_time(metadata.creation_timestamp),
        )

    def _addresses(self, status: NodeStatus) -> tuple[tuple[str, str], ...]:
        given = (status.addresses or [])[:_MOST_ADDRESSES]
        return tuple([(self._strings[each.type], each.address) for each in given if each.address])

    def _decode_labels(self, encoded: bytes) -> dict[str, str]:
        labels = msgspec.json.decode(encoded, type=dict[str, str] | None)
        strings = self._strings
        return {strings[key]: strings[value] for key, value in labels.items()} if labels else {}


def _same(value: T) -> T:
    return value


def _named(metadata: Metadata | None) -> Metadata:
    if metadata is None or not metadata.name or not metadata.uid:
        raise ValueError("it has no name or no uid")
    return metadata


def _static_uids(metadata: Metadata, spec: PodSpec) -> tuple[str, ...]:
    """The kubelet's own uids for a static pod, believed only of a mirror pod that the Node it runs on owns.

    Anyone who may create pods may write ``config.hash`` on one, and would be shown another pod's usage. The mirror
    annotation cannot be added later, and a kubelet does not run a mirror pod that is not its own
    (``ValidatePodUpdate`` and the kubelet's pod cleanup).
    """
    annotations = metadata.annotations
    if annotations is None or not annotations.config_mirror:
        return ()
    owners = metadata.owner_references or ()
    if not spec.node_name or not any(each.kind == "Node" and each.name == spec.node_name for each in owners):
        return ()
    uids = dict.fromkeys((annotations.config_hash, annotations.config_mirror))
    return tuple([uid for uid in uids if uid and uid != metadata.uid])


def _kubelet_port(status: NodeStatus) -> int | None:
    endpoints = status.daemon_endpoints
    endpoint = endpoints.kubelet_endpoint if endpoints is not None else None
    port = endpoint.port if endpoint is not None else None
    return port if port is not None and 0 < port < 65_536 else None


def _ready(status: NodeStatus) -> bool | None:
    for condition in status.conditions or ():
        if condition.type == "Ready":
            return {"True": True, "False": False}.get(condition.status)
    return None


def _quantity(value: str | int | float | None, kind: Callable[..., T]) -> T | None:
    if value is None:
        return None
    text = str(value)
    try:
        number = parse_quantity(text) if len(text) <= _LONGEST_QUANTITY else None
    except (ValueError, ArithmeticError):
        return None
    return kind(number) if number is not None and 0 <= number < _LARGEST_QUANTITY else None


def _time(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        return None
