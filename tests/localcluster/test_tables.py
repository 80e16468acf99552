"""What kubectl prints, as the server computes it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import API_SERVICES, CONFIG_MAPS, NODES, PODS
from metrics_api.localcluster.tables import human_duration, layout_of

CREATED = "2026-01-01T00:00:00Z"
NOW = 1_767_225_600.0 + 3600
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
INFO = {
    "kubeletVersion": "v1.36.0",
    "osImage": "Linux",
    "kernelVersion": "6.1",
    "containerRuntimeVersion": "containerd://2.1",
}


def meta(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "creationTimestamp": CREATED, **more}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (305, "5m5s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (12000, "3h20m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (800 * 86400, "2y70d"),
        (3000 * 86400, "8y"),
    ],
)
def test_an_age_is_printed_as_kubectl_does(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("node", "cells"),
    [
        (
            {
                "metadata": meta("n", labels={"node-role.kubernetes.io/control-plane": ""}),
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [
                        {"type": "InternalIP", "address": "10.0.0.1"},
                        {"type": "ExternalIP", "address": "198.51.100.1"},
                    ],
                    "nodeInfo": INFO,
                },
            },
            "n Ready control-plane 60m v1.36.0 10.0.0.1 198.51.100.1 Linux 6.1 containerd://2.1",
        ),
        (
            {
                "metadata": meta("n"),
                "spec": {"unschedulable": True},
                "status": {"conditions": [{"type": "Ready", "status": "False"}]},
            },
            "n NotReady,SchedulingDisabled <none> 60m  <none> <none> <unknown> <unknown> <unknown>",
        ),
        ({"metadata": meta("n")}, "n Unknown <none> 60m  <none> <none> <unknown> <unknown> <unknown>"),
    ],
    ids=["ready", "cordoned", "without status"],
)
def test_a_node_row(node: dict[str, Any], cells: str) -> None:
    layout = layout_of(NODES)

    assert " ".join(layout.cells(node, NOW)) == cells
    assert len(layout.columns) == 10


def pod(**status: Any) -> dict[str, Any]:
    spec = {"nodeName": "n", "containers": [{"name": "a"}, {"name": "b"}]}
    return {"metadata": meta("p"), "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("obj", "cells"),
    [
        (pod(phase="Pending"), "p 0/2 Pending 0 60m"),
        (
            pod(phase="Running", containerStatuses=[{"ready": True, "restartCount": 2}, {"ready": True}]),
            "p 2/2 Running 2 60m",
        ),
        (
            pod(
                phase="Running",
                containerStatuses=[{"ready": True}, {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
            ),
            "p 1/2 CrashLoopBackOff 0 60m",
        ),
        (
            pod(phase="Succeeded", containerStatuses=[{"state": {"terminated": {"reason": "Completed"}}}]),
            "p 0/2 Completed 0 60m",
        ),
        (
            pod(phase="Failed", containerStatuses=[{"state": {"terminated": {"exitCode": 3}}}]),
            "p 0/2 ExitCode:3 0 60m",
        ),
        (pod(phase="Failed", reason="Evicted"), "p 0/2 Evicted 0 60m"),
        ({**pod(phase="Running"), "metadata": meta("p", deletionTimestamp=CREATED)}, "p 0/2 Terminating 0 60m"),
    ],
    ids=["pending", "running", "crashing", "completed", "failed", "evicted", "deleted"],
)
def test_a_pod_row(obj: dict[str, Any], cells: str) -> None:
    layout = layout_of(PODS)
    row = layout.cells(obj, NOW)

    assert " ".join(row[:5]) == cells
    assert row[5:] == ["<none>", "n", "<none>", "<none>"]
    assert len(layout.columns) == len(row)


@pytest.mark.parametrize(
    ("obj", "cells"),
    [
        ({"spec": {}, "status": {"conditions": [{"type": "Available", "status": "True"}]}}, "a Local True 60m"),
        ({"spec": {"service": {"namespace": "kube-system", "name": "m"}}}, "a kube-system/m Unknown 60m"),
        (
            {
                "spec": {"service": {"namespace": "kube-system", "name": "m"}},
                "status": {
                    "conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}],
                },
            },
            "a kube-system/m False (MissingEndpoints) 60m",
        ),
        (
            {
                "spec": {"service": {"namespace": "kube-system", "name": "m"}},
                "status": {
                    "conditions": [{"type": "Available", "status": "Unknown", "reason": "ServiceAccessError"}],
                },
            },
            "a kube-system/m Unknown (ServiceAccessError) 60m",
        ),
    ],
    ids=["local", "no condition yet", "unavailable", "not known"],
)
def test_an_api_service_row(obj: dict[str, Any], cells: str) -> None:
    assert " ".join(layout_of(API_SERVICES).cells({"metadata": meta("a"), **obj}, NOW)) == cells


def test_other_kinds_have_name_and_age() -> None:
    layout = layout_of(CONFIG_MAPS)

    assert [column.name for column in layout.columns] == ["Name", "Age"]
    assert layout.cells({"metadata": meta("x")}, NOW) == ["x", "60m"]


@pytest.mark.parametrize(
    ("include", "kind"),
    [("", "PartialObjectMetadata"), ("Metadata", "PartialObjectMetadata"), ("Object", "Node"), ("None", None)],
)
async def test_a_row_includes_what_was_asked_for(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore, include: str, kind: str | None
) -> None:
    objects.create(NODES, {"metadata": {"name": "n"}})
    query = {"includeObject": include} if include else {}

    table = (await admin.get("/api/v1/nodes", params=query, headers={"Accept": TABLE})).json()

    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    [row] = table["rows"]
    assert (row["object"] and row["object"]["kind"]) == kind
    wide = [column["name"] for column in table["columnDefinitions"] if column["priority"]]
    assert wide == ["Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"]


async def test_an_unknown_include_is_refused(server: ApiServer, admin: httpx.AsyncClient) -> None:
    response = await admin.get("/api/v1/nodes", params={"includeObject": "Foo"}, headers={"Accept": TABLE})

    assert response.status_code == 400
    assert response.json()["message"].startswith("Unable to convert to Table as requested: includeObject: Invalid")
