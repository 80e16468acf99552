import pytest

from metrics_api.errors import SettingsError
from metrics_api.settings.flags import FLAGS
from metrics_api.settings.inert import INERT
from metrics_api.settings.parse import parse_settings


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("METRICS_API_FLAG_METRIC_RESOLUTION", "15s", "metric_resolution", 15.0),
        ("METRICS_API_FLAG_KUBELET_INSECURE_TLS", "true", "kubelet_insecure_tls", True),
        ("METRICS_API_FLAG_V", "4", "verbosity", 4),
        ("METRICS_API_FLAG_KUBELET_DENIED_CIDRS", "", "kubelet_denied_cidrs", ()),
        ("METRICS_API_FLAG_NODE_SELECTOR", "a=b", "node_selector", "a=b"),
    ],
)
def test_a_variable_sets_what_its_flag_sets(variable: str, value: str, field: str, expected: object) -> None:
    assert getattr(parse_settings([], {variable: value}), field) == expected


def test_the_command_line_wins() -> None:
    settings = parse_settings(["--kubelet-port=2"], {"METRICS_API_FLAG_KUBELET_PORT": "1"})

    assert settings.kubelet_port == 2


def test_a_list_on_the_command_line_replaces_that_of_the_variable() -> None:
    settings = parse_settings(
        ["--kubelet-preferred-address-types=InternalIP"],
        {"METRICS_API_FLAG_KUBELET_PREFERRED_ADDRESS_TYPES": "Hostname"},
    )

    assert settings.kubelet_preferred_address_types == ("InternalIP",)


def test_a_wrong_value_in_a_variable_is_told_by_the_variables_name() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings([], {"METRICS_API_FLAG_KUBELET_PORT": "x"})

    assert caught.value.faults == (
        'invalid argument "x" for environment variable METRICS_API_FLAG_KUBELET_PORT: '
        'strconv.ParseInt: parsing "x": invalid syntax',
    )


def test_an_unknown_name_is_a_fault_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings([], {"METRICS_API_FLAG_METRICS_RESOLUTION": "15s"})

    assert caught.value.faults == (
        "unknown flag in environment variable METRICS_API_FLAG_METRICS_RESOLUTION "
        "(did you mean METRICS_API_FLAG_METRIC_RESOLUTION?)",
    )


@pytest.mark.parametrize("name", ["METRICS_API_FLAG_HELP", "METRICS_API_FLAG_VERSION", "METRICS_API_FLAG_"])
def test_requests_have_no_variable(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        parse_settings([], {name: "true"})


@pytest.mark.parametrize(
    "name",
    ["METRICS_API_SERVICE_HOST", "METRICS_API_PORT_443_TCP_ADDR", "METRICS_API_PORT", "METRICS_API_FLAG", "PATH"],
)
def test_what_kubernetes_injects_for_a_service_is_ignored(name: str) -> None:
    assert parse_settings([], {name: "tcp://10.0.0.1:443"}) == parse_settings([], {})


def test_a_variable_without_effect_warns_as_its_flag_does() -> None:
    by_variable = parse_settings([], {"METRICS_API_FLAG_AUDIT_LOG_PATH": "-"})

    assert by_variable.warnings == parse_settings(["--audit-log-path=-"], {}).warnings
    assert len(by_variable.warnings) == 1


def test_every_flag_has_a_variable() -> None:
    variables = [f"METRICS_API_FLAG_{name.replace('-', '_').upper()}" for name in (*FLAGS, *INERT)]

    with pytest.raises(SettingsError) as caught:
        parse_settings([], {**dict.fromkeys(variables, '"'), "METRICS_API_FLAG_": ""})

    assert [fault for fault in caught.value.faults if fault.startswith("unknown")] == [
        "unknown flag in environment variable METRICS_API_FLAG_"
    ]
