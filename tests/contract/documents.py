"""What extension servers of the suite say of themselves: discovery and OpenAPI of ``metrics.k8s.io/v1beta1``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from metrics_api.localcluster.stored import JsonObject
from tests.contract.cluster import GROUP
from tests.localcluster.aggregation.extension_server import Route, answer

DATA = Path(__file__).parent.parent / "data"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2BETA1 = V2.replace("v=v2;", "v=v2beta1;")
AGGREGATED: JsonObject = json.loads((DATA / "metrics-server" / "aggdisc.json").read_bytes())
SWAGGER: JsonObject = json.loads((DATA / "metrics-server" / "minimal-openapi-v2.json").read_bytes())
OPENAPI_ROOT: JsonObject = json.loads((DATA / "metrics-server" / "minimal-openapi-v3-root.json").read_bytes())
OPENAPI: JsonObject = json.loads((DATA / "metrics-server" / "minimal-openapi-v3-gv.json").read_bytes())
OPENAPI_KEY = f"apis/{GROUP}/v1beta1"
LEGACY: JsonObject = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/v1beta1",
    "resources": [
        {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": ["get", "list"]},
        {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]},
    ],
}


def aggregated(document: Any = AGGREGATED, content_type: str = V2, etag: str = "") -> Route:
    """Return a route that answers with an aggregated discovery document."""
    headers = [("content-type", content_type), *([("etag", etag)] if etag else [])]
    return answer(200, json.dumps(document).encode(), headers)
