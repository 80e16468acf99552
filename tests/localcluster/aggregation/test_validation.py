from __future__ import annotations

from typing import Any

import pytest

from metrics_api.errors import StatusError
from metrics_api.localcluster.aggregation.validation import api_service_faults
from tests.localcluster.aggregation.stand_in import TRUE, api_service

SERVICE = {"namespace": "kube-system", "name": "ms"}


def faults(**spec: Any) -> list[tuple[str, str, str]]:
    return list(api_service_faults(api_service(**spec)))


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="with-a-bundle"),
        pytest.param({"caBundle": None, "insecureSkipTLSVerify": True}, id="insecure"),
        pytest.param({"caBundle": None}, id="system-roots"),
        pytest.param({"service": SERVICE}, id="port-left-out"),
        pytest.param({"service": None, "caBundle": None}, id="local"),
        pytest.param({"groupPriorityMinimum": 20000, "versionPriority": 1000}, id="highest-priorities"),
        pytest.param({"groupPriorityMinimum": 1, "versionPriority": 1}, id="lowest-priorities"),
    ],
)
def test_what_is_accepted(spec: dict[str, Any]) -> None:
    assert faults(**spec) == []


def test_the_name_must_be_version_and_group() -> None:
    obj = api_service()
    obj["metadata"]["name"] = "metrics"
    message = 'Invalid value: "metrics": must be `spec.version+"."+spec.group`: "v1beta1.metrics.k8s.io"'
    assert list(api_service_faults(obj)) == [("FieldValueInvalid", message, "metadata.name")]


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"groupPriorityMinimum": None}, "spec.groupPriorityMinimum", "0: must be positive and less than 20000"),
        ({"groupPriorityMinimum": 20001}, "spec.groupPriorityMinimum", "20001: must be positive and less than 20000"),
        ({"versionPriority": 0}, "spec.versionPriority", "0: must be positive and less than 1000"),
        ({"versionPriority": 1001}, "spec.versionPriority", "1001: must be positive and less than 1000"),
        ({"insecureSkipTLSVerify": True}, "spec.insecureSkipTLSVerify", "true: may not be true if caBundle is present"),
        ({"service": None}, "spec.caBundle", "local APIServices may not have a caBundle"),
        (
            {"service": None, "caBundle": None, "insecureSkipTLSVerify": True},
            "spec.insecureSkipTLSVerify",
            "true: local APIServices may not have insecureSkipTLSVerify",
        ),
        (
            {"service": SERVICE | {"port": 0}},
            "spec.service.port",
            "0: port is not valid: must be between 1 and 65535, inclusive",
        ),
        (
            {"service": SERVICE | {"port": 65536}},
            "spec.service.port",
            "65536: port is not valid: must be between 1 and 65535, inclusive",
        ),
        ({"service": {"name": "ms"}}, "spec.service.namespace", "Required value"),
        ({"service": {"namespace": "kube-system"}}, "spec.service.name", "Required value"),
        ({"group": "Metrics"}, "spec.group", '"Metrics": a lowercase RFC 1123 subdomain must consist of'),
        ({"version": "1"}, "spec.version", '"1": a DNS-1035 label must consist of'),
    ],
)
def test_what_is_refused(spec: dict[str, Any], field: str, message: str) -> None:
    obj = api_service(**spec)
    obj["metadata"]["name"] = f"{obj['spec']['version']}.{obj['spec']['group']}"
    ((_, text, where),) = api_service_faults(obj)
    assert where == field
    assert message in text


def test_only_v1_may_have_no_group() -> None:
    core, other = api_service("v1", group=""), api_service("v2", group="")
    assert list(api_service_faults(core)) == []
    assert [each[2] for each in api_service_faults(other)] == ["spec.group"]


def test_a_condition_must_be_true_false_or_unknown() -> None:
    obj = {**api_service(), "status": {"conditions": [TRUE, {**TRUE, "status": "Maybe"}]}}
    ((reason, message, field),) = api_service_faults(obj)
    assert (reason, field) == ("FieldValueNotSupported", "status.conditions[1].status")
    assert message == 'Unsupported value: "Maybe": supported values: "False", "True", "Unknown"'


def test_a_field_of_the_wrong_type_is_a_bad_request() -> None:
    with pytest.raises(StatusError, match="cannot be handled as a APIService") as caught:
        faults(versionPriority="high")
    assert caught.value.code == 400
