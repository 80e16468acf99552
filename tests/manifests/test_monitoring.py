"""The observability kit: rules that raise what they should, and nothing in it that the server does not export."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.programs import TOOLS
from tests.manifests.charting import CHART, template
from tests.manifests.rendering import MANIFESTS, RELEASE, Object, load, render
from tests.telemetry.sources import Exposed

COMPONENT = MANIFESTS / "components" / "monitoring"
RUNBOOKS = MANIFESTS.parent / "docs" / "runbooks.md"
_ENDINGS = re.compile(r"_(bucket|count|sum|total)$")


def rules() -> list[dict[str, Any]]:
    (rule,) = load(COMPONENT / "prometheus-rule.yaml")
    return [each for group in rule["spec"]["groups"] for each in group["rules"]]


def dashboard_expressions() -> list[str]:
    document = json.loads((COMPONENT / "dashboard.json").read_text())
    return [target["expr"] for panel in document["panels"] for target in panel["targets"]]


def exported() -> set[str]:
    exposed = Exposed()
    exposed.reads.answered("get", "pods", [], 0.001)
    exposed.reads.failed(500)
    return {_ENDINGS.sub("", re.split(r"[{ ]", line)[0]) for line in exposed.lines()}


def of_kind(objects: list[Object] | tuple[Object, ...], kind: str) -> Object:
    (found,) = [obj for obj in objects if obj["kind"] == kind]
    return found


def test_the_rules_raise_each_alert_when_it_is_due_and_none_when_all_is_well(tmp_path: Path) -> None:
    tool = shutil.which("promtool") or shutil.which("promtool", path=str(TOOLS))
    if tool is None:
        pytest.skip("needs promtool: `make tools` takes it from Debian's prometheus package")
    shutil.copy(CHART / "files" / "rules.yaml", tmp_path)
    shutil.copy(Path(__file__).with_name("rules_test.yaml"), tmp_path)

    finished = subprocess.run([tool, "test", "rules", "rules_test.yaml"], cwd=tmp_path, capture_output=True, text=True)

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_each_alert_is_in_the_rules_test_and_has_a_runbook() -> None:
    tested = (Path(__file__).with_name("rules_test.yaml")).read_text()
    headings = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    alerts = [rule for rule in rules() if "alert" in rule]

    for rule in alerts:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/runbooks.md"
        assert anchor in [heading.lower() for heading in headings], rule["alert"]
        assert tested.count(rule["alert"]) >= 2, rule["alert"]
    assert {anchor.lower() for anchor in headings} == {r["annotations"]["runbook"].partition("#")[2] for r in alerts}


def test_rules_dashboard_and_runbooks_name_only_what_the_server_exports() -> None:
    expressions = [rule["expr"] for rule in rules()] + dashboard_expressions()
    texts = "\n".join([*expressions, RUNBOOKS.read_text()])

    named = {_ENDINGS.sub("", name) for name in re.findall(r"\bmetrics_(?:api|server)_[a-z_]+", texts)}

    assert named - exported() == set()


def test_the_chart_holds_the_same_rules_and_dashboard(tmp_path: Path) -> None:
    objects = template(tmp_path, {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}})

    assert of_kind(objects, "PrometheusRule")["spec"] == load(COMPONENT / "prometheus-rule.yaml")[0]["spec"]
    (text,) = of_kind(objects, "ConfigMap")["data"].values()
    assert json.loads(text) == json.loads((COMPONENT / "dashboard.json").read_text())


def test_the_component_opens_metrics_to_prometheus_and_leaves_the_probes_open() -> None:
    objects = render(RELEASE, ("monitoring",))

    (container,) = of_kind(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [
        {
            "name": "METRICS_API_FLAG_AUTHORIZATION_ALWAYS_ALLOW_PATHS",
            "value": "/healthz,/livez,/readyz,/metrics",
        }
    ]
    monitor = of_kind(objects, "ServiceMonitor")["spec"]
    service = of_kind(objects, "Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {each["port"] for each in monitor["endpoints"]} <= {port["name"] for port in service["spec"]["ports"]}
    assert json.loads(of_kind(objects, "ConfigMap")["data"]["metrics-api.json"])["title"]


def test_the_rules_are_kubernetes_yaml_and_plain_yaml_alike() -> None:
    plain = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())

    assert plain == load(COMPONENT / "prometheus-rule.yaml")[0]["spec"]
