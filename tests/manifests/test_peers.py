"""Replicas find each other and share a key, by overlay and by chart: the same objects, and no right for anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metrics_api.settings.parse import parse_settings
from tests.manifests.charting import template
from tests.manifests.rendering import COMPONENTS, HIGH_AVAILABILITY, RELEASE, Object, deployment, pod, render, server

NAME = "metrics-server-peers"


def by_overlay(_: Path) -> list[Object]:
    return list(render(HIGH_AVAILABILITY, COMPONENTS))


def by_chart(directory: Path) -> list[Object]:
    return template(directory, {"peers": {"enabled": True}}, namespace="kube-system")


WAYS = pytest.mark.parametrize("way", [by_overlay, by_chart])


def named(objects: list[Object], kind: str) -> Object:
    (found,) = [obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) == (kind, NAME)]
    return found


@WAYS
def test_the_arguments_name_the_service_and_the_key_in_its_volume(tmp_path: Path, way: Any) -> None:
    objects = way(tmp_path)
    settings = parse_settings(server(objects)["args"], {})
    (mount,) = [each for each in server(objects)["volumeMounts"] if each["name"] == "peers"]
    (volume,) = [each["secret"] for each in pod(objects)["volumes"] if each["name"] == "peers"]

    assert list(map(str, settings.peer_service)) == [f"{NAME}.kube-system.svc"]
    assert settings.peer_key_file == f"{mount['mountPath']}/{volume['items'][0]['path']}"
    assert mount["readOnly"] is True
    assert (volume["secretName"], volume["optional"]) == (NAME, True)


@WAYS
def test_the_service_has_every_address_at_the_port_where_replicas_listen(tmp_path: Path, way: Any) -> None:
    objects = way(tmp_path)
    spec = named(objects, "Service")["spec"]
    (port,) = spec["ports"]

    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert spec["selector"] == deployment(objects)["selector"]["matchLabels"]
    assert port["targetPort"] == "https"
    assert port["port"] == parse_settings(server(objects)["args"], {}).secure_port
    assert port["name"] != "https"  # which is what a ServiceMonitor looks for


@WAYS
def test_the_key_is_a_token_of_an_account_that_may_do_nothing(tmp_path: Path, way: Any) -> None:
    objects = way(tmp_path)
    secret, account = named(objects, "Secret"), named(objects, "ServiceAccount")
    bound = [subject["name"] for obj in objects for subject in obj.get("subjects", ())]

    assert secret["type"] == "kubernetes.io/service-account-token"
    assert secret["metadata"]["annotations"] == {"kubernetes.io/service-account.name": NAME}
    assert not {"data", "stringData"} & set(secret)
    assert account["automountServiceAccountToken"] is False
    assert NAME not in bound
    assert pod(objects)["serviceAccountName"] == "metrics-server"


@WAYS
def test_a_network_policy_lets_replicas_talk(tmp_path: Path, way: Any) -> None:
    objects = way(tmp_path)
    if way is by_chart:
        objects = template(tmp_path, {"peers": {"enabled": True}, "networkPolicy": {"enabled": True}})
    (policy,) = [obj["spec"] for obj in objects if obj["kind"] == "NetworkPolicy"]
    (rule,) = [rule for rule in policy["egress"] if "to" in rule]

    assert rule["to"] == [{"podSelector": policy["podSelector"]}]
    assert rule["ports"] == [{"port": 10250 if way is by_chart else "https", "protocol": "TCP"}]


def test_a_key_of_ones_own_takes_the_place_of_the_account(tmp_path: Path) -> None:
    user = {"peers": {"enabled": True, "existingSecret": {"name": "mine", "key": "k"}}}
    objects = template(tmp_path, user)
    (volume,) = [each["secret"] for each in pod(objects)["volumes"] if each["name"] == "peers"]

    assert (volume["secretName"], volume["items"]) == ("mine", [{"key": "k", "path": "key"}])
    assert [obj["kind"] for obj in objects if obj["metadata"]["name"] == NAME] == ["Service"]


def test_one_replica_has_no_peers_unless_asked(tmp_path: Path) -> None:
    for objects in (render(RELEASE), template(tmp_path)):
        assert not [arg for arg in server(objects)["args"] if "peer" in arg]
        assert not [obj for obj in objects if obj["metadata"]["name"] == NAME]


def test_names_stay_within_what_dns_allows(tmp_path: Path) -> None:
    objects = template(tmp_path, {"fullnameOverride": "m" * 63, "peers": {"enabled": True}})
    services = [obj["metadata"]["name"] for obj in objects if obj["kind"] == "Service"]

    assert sorted(map(len, services)) == [63, 63]
    assert len(set(services)) == 2
