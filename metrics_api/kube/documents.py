"""The parts of Node and Pod documents that are read, as msgspec types: what is not named here is skipped, not built.

Every field is optional and may be null, for Go writes both; what is required of an object is decided where it is
turned into a value of ours. Names are Kubernetes' own.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

W = TypeVar("W")


class ListMetadata(Struct, gc=False, rename="camel"):
    """``metadata`` of a list."""

    resource_version: str = ""
    continue_token: str | None = msgspec.field(name="continue", default=None)


class Annotations(Struct, gc=False):
    """The annotations this program knows; all others, some of them very long, are skipped."""

    config_hash: str | None = msgspec.field(name="kubernetes.io/config.hash", default=None)
    config_mirror: str | None = msgspec.field(name="kubernetes.io/config.mirror", default=None)
    resource_metrics_path: str | None = msgspec.field(name="metrics.k8s.io/resource-metrics-path", default=None)


class OwnerReference(Struct, gc=False):
    """One of ``metadata.ownerReferences``."""

    kind: str = ""
    name: str = ""


class Metadata(Struct, gc=False, rename="camel"):
    """``metadata`` of an object. Labels stay encoded, because most of them are known already."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    labels: Raw = Raw(b"null")
    annotations: Annotations | None = None
    owner_references: list[OwnerReference] | None = None


class Identity(Struct, gc=False, rename="camel"):
    """What names an object, for a deletion or when nothing else of it can be understood."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Identified(Struct, gc=False):
    """An object of which only the identity is read."""

    metadata: Identity | None = None


class Container(Struct, gc=False, rename="camel"):
    """One of ``spec.containers`` or ``spec.initContainers``."""

    name: str = ""
    restart_policy: str | None = None
    restart_policy_rules: list[Raw] | None = None


class PodSpec(Struct, gc=False, rename="camel"):
    """``spec`` of a Pod."""

    node_name: str | None = None
    restart_policy: str | None = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None


class Running(Struct, gc=False):
    """``state.running``; that it is there is all that is read."""


class Terminated(Struct, gc=False, rename="camel"):
    """``state.terminated``."""

    exit_code: int | None = None


class ContainerState(Struct, gc=False):
    """``state`` of a container: one of running, terminated, waiting; waiting when none is there."""

    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct, gc=False):
    """One of the three lists of container statuses."""

    name: str = ""
    state: ContainerState | None = None


class PodStatus(Struct, gc=False, rename="camel"):
    """``status`` of a Pod."""

    start_time: str | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None


class Pod(Struct, gc=False):
    """A Pod."""

    metadata: Metadata | None = None
    spec: PodSpec | None = None
    status: PodStatus | None = None


class NodeAddress(Struct, gc=False):
    """One of ``status.addresses``."""

    type: str = ""
    address: str = ""


class NodeCondition(Struct, gc=False):
    """One of ``status.conditions``."""

    type: str = ""
    status: str = ""


class DaemonEndpoint(Struct, gc=False):
    """``status.daemonEndpoints.kubeletEndpoint``; its key really has a capital P."""

    port: int | None = msgspec.field(name="Port", default=None)


class DaemonEndpoints(Struct, gc=False, rename="camel"):
    """``status.daemonEndpoints``."""

    kubelet_endpoint: DaemonEndpoint | None = None


class NodeSystemInfo(Struct, gc=False, rename="camel"):
    """``status.nodeInfo``."""

    operating_system: str | None = None


class Resources(Struct, gc=False):
    """``status.capacity`` or ``status.allocatable``: quantities, which JSON may also hold as numbers."""

    cpu: str | int | float | None = None
    memory: str | int | float | None = None
    pods: str | int | float | None = None


class NodeStatus(Struct, gc=False, rename="camel"):
    """``status`` of a Node."""

    addresses: list[NodeAddress] | None = None
    conditions: list[NodeCondition] | None = None
    daemon_endpoints: DaemonEndpoints | None = None
    node_info: NodeSystemInfo | None = None
    capacity: Resources | None = None
    allocatable: Resources | None = None


class Node(Struct, gc=False):
    """A Node."""

    metadata: Metadata | None = None
    status: NodeStatus | None = None


class Status(Struct, gc=False):
    """The ``Status`` object kube-apiserver answers errors with."""

    reason: str = ""
    message: str = ""
    code: int = 0


class ListPage(Struct, Generic[W], gc=False):
    """One page of a list; ``W`` is the type of its items, ``Raw`` to leave them encoded."""

    metadata: ListMetadata
    items: list[W] | None = None


class WatchEvent(Struct, Generic[W], gc=False):
    """One line of a watch; ``W`` is the type of its object."""

    type: str
    object: W
