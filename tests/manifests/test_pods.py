"""What the manifests ask of a node for our pods."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import metrics_api
from metrics_api.settings.parse import parse_settings
from tests.manifests.rendering import (
    COMPONENTS,
    HIGH_AVAILABILITY,
    OVERLAYS,
    RELEASE,
    Object,
    deployment,
    pod,
    render,
    server,
)

ALLOWED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "projected", "secret"}
"""persistentVolumeClaim is allowed as well, but nothing here keeps anything."""


def restricted_faults(spec: Object) -> Iterator[str]:
    """Yield what the Pod Security Standard ``restricted`` forbids in a pod of Linux containers."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield field
    for volume in spec.get("volumes", ()):
        if not set(volume) - {"name"} <= ALLOWED_VOLUMES:
            yield f"volume {volume['name']}"
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        name = container["name"]
        context = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        capabilities = context.get("capabilities", {})
        wanted = {
            "privileged": not context.get("privileged"),
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "runAsUser": context.get("runAsUser") != 0,
            "drop": "ALL" in capabilities.get("drop", ()),
            "add": set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"},
            "seccompProfile": context.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "procMount": context.get("procMount", "Default") == "Default",
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", ())),
        }
        yield from (f"{name}: {rule}" for rule, kept in wanted.items() if not kept)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pod_security_restricted_lets_the_pods_in(overlay: str) -> None:
    assert not list(restricted_faults(pod(render(overlay, COMPONENTS))))


def test_the_rules_of_pod_security_find_a_careless_pod() -> None:
    careless = {"hostNetwork": True, "volumes": [{"name": "v", "hostPath": {}}], "containers": [{"name": "c"}]}

    assert set(restricted_faults(careless)) == {
        "hostNetwork",
        "volume v",
        *(f"c: {rule}" for rule in ("allowPrivilegeEscalation", "runAsNonRoot", "drop", "seccompProfile")),
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_root_file_system_is_read_only_and_what_is_written_has_a_volume(overlay: str) -> None:
    objects = render(overlay)
    settings = parse_settings(server(objects)["args"], {})

    assert server(objects)["securityContext"]["readOnlyRootFilesystem"] is True
    assert str(settings.cert_dir) in [mount["mountPath"] for mount in server(objects)["volumeMounts"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_arguments_are_ours_and_agree_with_the_ports(overlay: str) -> None:
    container = server(render(overlay))
    settings = parse_settings(container["args"], {})
    (port,) = container["ports"]

    assert (port["name"], port["containerPort"]) == ("https", settings.secure_port)
    assert settings.kubelet_insecure_tls is (overlay == "insecure-kubelets")


def test_the_grace_period_holds_delay_and_drain() -> None:
    objects = render(RELEASE)
    settings = parse_settings(server(objects)["args"], {})

    assert settings.shutdown_delay_duration == 10
    assert pod(objects)["terminationGracePeriodSeconds"] > settings.shutdown_delay_duration + settings.request_timeout


def test_the_image_is_this_version() -> None:
    assert server(render(RELEASE))["image"] == f"metrics-api:v{metrics_api.__version__}"


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_probes_ask_what_anybody_may_ask(probe: str) -> None:
    container = server(render(RELEASE))
    settings = parse_settings(container["args"], {})
    get = container[probe]["httpGet"]

    assert get["path"] in settings.authorization_always_allow_paths
    assert (get["port"], get["scheme"]) == ("https", "HTTPS")


def test_two_replicas_stand_on_two_nodes_without_stopping_a_rollout() -> None:
    objects = render(HIGH_AVAILABILITY)
    hostname, zone = pod(objects)["topologySpreadConstraints"]

    assert deployment(objects)["replicas"] == 2
    assert deployment(objects)["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert (hostname["topologyKey"], hostname["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
    assert hostname["matchLabelKeys"] == ["pod-template-hash"]  # without it the surge pod is counted with the old ones
    assert hostname["nodeTaintsPolicy"] == "Honor"  # without it a cordoned node is an empty place that must be filled
    assert zone["whenUnsatisfiable"] == "ScheduleAnyway"
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in pod(objects)["affinity"]["podAntiAffinity"]


def test_the_disruption_budget_lets_one_of_two_go() -> None:
    objects = render(HIGH_AVAILABILITY)
    (budget,) = [obj["spec"] for obj in objects if obj["kind"] == "PodDisruptionBudget"]

    assert budget["minAvailable"] == deployment(objects)["replicas"] - 1
    assert budget["selector"] == deployment(objects)["selector"]


def test_the_network_policy_lets_through_what_the_server_needs() -> None:
    (policy,) = [obj["spec"] for obj in render(RELEASE, COMPONENTS) if obj["kind"] == "NetworkPolicy"]
    (incoming,) = policy["ingress"]
    outgoing = {(port["port"], port["protocol"]) for rule in policy["egress"] for port in rule["ports"]}

    assert policy["podSelector"] == deployment(render(RELEASE))["selector"]
    assert incoming == {"ports": [{"port": "https", "protocol": "TCP"}]}
    assert outgoing == {("https", "TCP"), (10250, "TCP"), (443, "TCP"), (6443, "TCP"), (53, "UDP"), (53, "TCP")}
