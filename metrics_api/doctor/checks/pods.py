"""The server's pods: do they run, and with flags that can work?"""

from __future__ import annotations

from collections.abc import Iterator

from metrics_api.doctor.facts import Facts, Unknown, known
from metrics_api.doctor.findings import Finding, error, info, some, warning
from metrics_api.doctor.workloads import Container, ContainerStatus, Pod, Workload
from metrics_api.timetext import parse_duration

_IMAGE_FAULTS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_KUBELET_PORT = "10250"
_LEAST_RESOLUTION = 10.0
_PROXIES = frozenset(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"))


def none(facts: Facts) -> Iterator[Finding]:
    """There is no pod at all."""
    if facts.pods == () and not isinstance(facts.pods, Unknown):
        deployment = known(facts.deployment)
        yield error(
            "server-pods-none",
            f"no pod is behind Service {facts.target.namespace}/{facts.target.name}",
            *(() if deployment is None else (f"Deployment {deployment.metadata.name}: {_replicas(deployment)}",)),
            remedy="Scale the Deployment up, or see in its events why no pod is made (quota, admission, Pod Security)",
        )


def _replicas(deployment: Workload) -> str:
    replicas = deployment.spec.replicas
    return f"replicas {1 if replicas is None else replicas}"  # Kubernetes' default


def failing(facts: Facts) -> Iterator[Finding]:
    """Pods that do not run."""
    for pod in _pods(facts):
        statuses = pod.status.container_statuses or ()
        waiting = [(each, each.state.waiting) for each in statuses if each.state is not None and each.state.waiting]
        image = [state for _, state in waiting if state.reason in _IMAGE_FAULTS]
        crashing = [(each, state) for each, state in waiting if state.reason == "CrashLoopBackOff"]
        if image:
            yield error(
                "server-pod-image",
                f"pod {pod.key} has no image: {image[0].reason}",
                image[0].message,
                remedy="Correct the image's name, or give the pod an imagePullSecret",
            )
        elif crashing:
            status, state = crashing[0]
            yield error(
                "server-pod-crashing",
                f"pod {pod.key} ends again and again ({status.restart_count} restarts)",
                state.message,
                _last_end(status),
                remedy=f"kubectl logs -n {pod.metadata.namespace} {pod.metadata.name} --previous",
            )
        elif pod.status.phase == "Pending":
            yield error(
                "server-pod-pending",
                f"pod {pod.key} is Pending",
                *(f"{each.reason}: {each.message}" for each in pod.status.conditions or () if each.status == "False"),
                remedy="It fits on no node, or a volume or image is not there yet: kubectl describe pod",
            )


def unready(facts: Facts) -> Iterator[Finding]:
    """Pods that run and are not ready."""
    running = [pod for pod in _pods(facts) if pod.status.phase == "Running"]
    found = [pod for pod in running if not _ready(pod)]
    if found:
        yield warning(
            "server-pod-unready",
            f"{len(found)} of {len(running)} running pods of the server are not ready",
            *some([f"{pod.key}: not ready" for pod in found]),
            remedy="Their log says which check of /readyz fails and why",
        )


def killed(facts: Facts) -> Iterator[Finding]:
    """Pods that wanted more memory than they have."""
    found = [
        f"{pod.key}: {status.name} was killed for its memory, {status.restart_count} restarts"
        for pod in _pods(facts)
        for status in pod.status.container_statuses or ()
        if status.last_state is not None
        and status.last_state.terminated is not None
        and status.last_state.terminated.reason == "OOMKilled"
    ]
    if found:
        yield error(
            "server-pod-memory",
            "the server needs more memory than its limit",
            *some(found),
            remedy="Raise resources.limits.memory, or leave it away; docs/performance.md says what a cluster takes",
        )


def host_network(facts: Facts) -> Iterator[Finding]:
    """On the host's network the kubelet has its port already."""
    for pod, container in servers(facts):
        if pod.spec.host_network and container.flag("secure-port") in (_KUBELET_PORT, None):
            yield error(
                "server-port-conflict",
                f"pod {pod.key} is on the host's network and wants port {_KUBELET_PORT}, which the kubelet has",
                remedy="Give it another --secure-port, and the same as containerPort",
            )
            return


def flags(facts: Facts) -> Iterator[Finding]:
    """Flags that work, and are still not good."""
    for pod, container in servers(facts):
        resolution = _seconds(container.flag("metric-resolution"))
        if resolution is not None and resolution < _LEAST_RESOLUTION:
            yield warning(
                "server-resolution",
                f"pod {pod.key}: --metric-resolution={resolution:g}s; kubelets have new values every 10 to 15 s",
                remedy="Use 10s or more; less repeats values and costs kubelets CPU",
            )
        if container.flag("kubelet-insecure-tls") == "true" or container.flag("kubelet-tls-verify") == "none":
            yield warning(
                "kubelet-insecure",
                f"pod {pod.key} believes any kubelet: it does not verify their certificates",
                remedy="Whoever takes a node's address gets the server's token and can make up metrics. Let kubelets "
                "have certificates of the cluster (serverTLSBootstrap: true, approve the requests), and drop the flag",
            )
        proxies = sorted({each.name for each in container.env or ()} & _PROXIES)
        if proxies:
            yield info(
                "server-proxy",
                f"pod {pod.key} has {', '.join(proxies)}",
                remedy="metrics-api never uses them; metrics-server does, and then needs the cluster's networks in "
                "NO_PROXY. If kube-apiserver has the same variables, it needs them there too",
            )
        return


def _pods(facts: Facts) -> tuple[Pod, ...]:
    found = known(facts.pods) or ()
    return tuple(pod for pod in found if not pod.metadata.deletion_timestamp)


def servers(facts: Facts) -> Iterator[tuple[Pod, Container]]:
    """Yield each pod of the server with the container that has a server's flags, or its first."""
    for pod in _pods(facts):
        containers = pod.spec.containers or ()
        found = next((each for each in containers if each.flag("secure-port") is not None), None)
        chosen = found or next(iter(containers), None)
        if chosen is not None:
            yield pod, chosen


def _ready(pod: Pod) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())


def _last_end(status: ContainerStatus) -> str:
    last = None if status.last_state is None else status.last_state.terminated
    return "" if last is None else f"last end: {last.reason}, exit code {last.exit_code} {last.message}".rstrip()


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError:
        return None
