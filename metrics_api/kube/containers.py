"""Which containers of a pod must have usage, and which must never be served: read from its status.

The three answers for a container:

========================================  ==============================================================
required                                  app containers and sidecars whose state is ``running``
finished                                  what will never run again: init containers that are not running,
                                          and terminated containers that nothing restarts
neither (served when the kubelet has it)  waiting, terminated but restarting, running init and ephemeral
                                          containers
========================================  ==============================================================

A container in back-off or between two runs is not running, so the pod is whole without it. It is not finished either:
its next run may be in the kubelet's answer before it is in the pod's status. Only what stays down for good is
finished, so that a helper that did its work does not stay in the answer. An ephemeral container comes and goes by a
person's hand; a debugging session must not make its pod look incomplete.
"""

from __future__ import annotations

from metrics_api.kube.documents import Container, ContainerStatus, PodSpec, PodStatus


def required(spec: PodSpec, status: PodStatus) -> tuple[str, ...]:
    """Return the names of the containers without whose usage the pod's sum would be too small.

    A pod whose status lists no app container yet is judged by its spec: all app containers.
    """
    if status.container_statuses:
        names = tuple([each.name for each in status.container_statuses if _is_running(each)])
    else:
        names = tuple([each.name for each in spec.containers or ()])
    if status.init_container_statuses and spec.init_containers:
        sidecars = {each.name for each in spec.init_containers if _is_sidecar(each)}
        names += tuple(
            [each.name for each in status.init_container_statuses if each.name in sidecars and _is_running(each)]
        )
    return names


def finished(spec: PodSpec, status: PodStatus) -> tuple[str, ...]:
    """Return the names of the containers that will never run again in this life of the pod.

    An init container that no status speaks of counts: a pod in phase Running has them behind it.
    """
    names: list[str] = []
    if spec.init_containers:
        running = {each.name for each in status.init_container_statuses or () if _is_running(each)}
        names += [each.name for each in spec.init_containers if not _is_sidecar(each) and each.name not in running]
    terminated = [each for each in status.container_statuses or () if _is_terminated(each)]
    if terminated:
        containers = {each.name: each for each in spec.containers or ()}
        names += [each.name for each in terminated if not _restarts(spec, containers.get(each.name), each)]
    names += [each.name for each in status.ephemeral_container_statuses or () if _is_terminated(each)]
    return tuple(names)


def _is_running(status: ContainerStatus) -> bool:
    return status.state is not None and status.state.running is not None


def _is_terminated(status: ContainerStatus) -> bool:
    return status.state is not None and status.state.terminated is not None


def _is_sidecar(container: Container) -> bool:
    return container.restart_policy == "Always"


def _restarts(spec: PodSpec, container: Container | None, status: ContainerStatus) -> bool:
    """Whether the kubelet starts it again; a container's own policy (Kubernetes 1.34) goes before its pod's."""
    if container is not None and container.restart_policy_rules:
        return True  # the rules look at exit codes: perhaps
    policy = (container.restart_policy if container is not None else None) or spec.restart_policy or "Always"
    terminated = status.state.terminated if status.state is not None else None
    succeeded = terminated is not None and terminated.exit_code == 0
    return policy == "Always" or (policy == "OnFailure" and not succeeded)
