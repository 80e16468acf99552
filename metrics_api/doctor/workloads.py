"""Pods, what makes them and what scales them, as far as the doctor looks at them."""

from __future__ import annotations

from typing import Any

import msgspec

from metrics_api.doctor.objects import Condition, Conditions, LabelSelector, Metadata


class ContainerState(msgspec.Struct, frozen=True, rename="camel"):
    """``waiting`` or ``terminated`` of a container."""

    reason: str = ""
    message: str = ""
    exit_code: int | None = None


class ContainerStates(msgspec.Struct, frozen=True, rename="camel"):
    """``state`` and ``lastState`` of a container."""

    waiting: ContainerState | None = None
    terminated: ContainerState | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    """One of ``containerStatuses``."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: ContainerStates | None = None
    last_state: ContainerStates | None = None


class EnvironmentVariable(msgspec.Struct, frozen=True, rename="camel"):
    """One of a container's variables."""

    name: str = ""
    value: str = ""


class Resources(msgspec.Struct, frozen=True, rename="camel"):
    """``resources`` of a container."""

    requests: dict[str, Any] | None = None
    limits: dict[str, Any] | None = None


class Container(msgspec.Struct, frozen=True, rename="camel"):
    """One of a pod's containers."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[EnvironmentVariable, ...] | None = None
    resources: Resources | None = None
    restart_policy: str = ""

    def flag(self, name: str) -> str | None:
        """Return the value of a flag on its command line, the last if there are several; ``None`` without it."""
        words = [*(self.command or ()), *(self.args or ())]
        found = None
        for index, word in enumerate(words):
            key, has_value, value = word.partition("=")
            if key.lstrip("-") != name or not key.startswith("-"):
                continue
            follows = words[index + 1] if index + 1 < len(words) else ""
            found = value if has_value else follows if follows and not follows.startswith("-") else "true"
        return found


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec`` of a Pod."""

    node_name: str = ""
    service_account_name: str = ""
    host_network: bool = False
    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """``status`` of a Pod."""

    phase: str = ""
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(msgspec.Struct, frozen=True, rename="camel"):
    """``v1`` Pod."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def key(self) -> str:
        """``<namespace>/<name>``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


class PodTemplate(msgspec.Struct, frozen=True, rename="camel"):
    """``template`` of a workload."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class WorkloadSpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec`` of a Deployment, ReplicaSet or StatefulSet."""

    replicas: int | None = None
    selector: LabelSelector = LabelSelector()
    template: PodTemplate = PodTemplate()


class Workload(msgspec.Struct, frozen=True, rename="camel"):
    """``apps/v1`` Deployment, ReplicaSet or StatefulSet."""

    metadata: Metadata = Metadata()
    spec: WorkloadSpec = WorkloadSpec()


class ResourceMetric(msgspec.Struct, frozen=True, rename="camel"):
    """``resource`` of an HPA's metric."""

    name: str = ""


class HpaMetric(msgspec.Struct, frozen=True, rename="camel"):
    """One of an HPA's metrics."""

    type: str = ""
    resource: ResourceMetric | None = None


class ScaleTarget(msgspec.Struct, frozen=True, rename="camel"):
    """``spec.scaleTargetRef``."""

    api_version: str = ""
    kind: str = ""
    name: str = ""


class HpaSpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec`` of a HorizontalPodAutoscaler."""

    scale_target_ref: ScaleTarget = ScaleTarget()
    metrics: tuple[HpaMetric, ...] | None = None


class Hpa(msgspec.Struct, frozen=True, rename="camel"):
    """``autoscaling/v2`` HorizontalPodAutoscaler."""

    metadata: Metadata = Metadata()
    spec: HpaSpec = HpaSpec()
    status: Conditions = Conditions()

    @property
    def key(self) -> str:
        """``<namespace>/<name>``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
