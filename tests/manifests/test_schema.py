"""Every field is one that Kubernetes has: checked against the types of its Python client, made from the API's OpenAPI.

kube-apiserver drops unknown fields with no more than a warning, so a misspelt one would look applied and do nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client

from tests.manifests.charting import template
from tests.manifests.rendering import COMPONENTS, OVERLAYS, Object, key, render
from tests.manifests.test_chart import EVERYTHING, VERIFIED

PRIMITIVES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "bytes": (str,),
    "object": (object,),
}


def faults(value: Any, declared: str, path: str) -> Iterator[str]:
    """Yield where a value does not have its declared type, or has a field that the type has not."""
    collection = re.fullmatch(r"(List\[|Dict\[str, )(.+)\]", declared)
    if declared in PRIMITIVES:
        if not isinstance(value, PRIMITIVES[declared]):
            yield f"{path}: {value!r} is no {declared}"
    elif collection:
        if not isinstance(value, list if collection[1] == "List[" else dict):
            yield f"{path}: {value!r} is no {collection[1]}"
            return
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from faults(inner, collection[2], f"{path}.{name}")
    else:
        model = getattr(client, declared)
        types = {field: model.openapi_types[attribute] for attribute, field in model.attribute_map.items()}
        for name, inner in value.items():
            if name not in types:
                yield f"{path}.{name}: no such field"
            elif inner is None:
                yield f"{path}.{name}: null"
            else:
                yield from faults(inner, types[name], f"{path}.{name}")


def object_faults(obj: Object) -> list[str]:
    version = obj["apiVersion"].rpartition("/")[2].capitalize()
    return list(faults(obj, f"{version}{obj['kind']}", "/".join(key(obj))))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_manifests_have_kubernetes_fields_alone(overlay: str) -> None:
    assert [fault for obj in render(overlay, COMPONENTS) for fault in object_faults(obj)] == []


@pytest.mark.parametrize("user", [{}, EVERYTHING, VERIFIED], ids=["defaults", "everything", "verified TLS"])
def test_the_charts_objects_have_kubernetes_fields_alone(tmp_path: Path, user: dict[str, Any]) -> None:
    more = {"hostUsers": False, "hostNetwork": {"enabled": True}, "revisionHistoryLimit": 1, **user}

    assert [fault for obj in template(tmp_path, more) for fault in object_faults(obj)] == []


def test_a_misspelt_field_and_a_wrong_type_are_found() -> None:
    spec = {"selector": {}, "template": {"spec": {"hostusers": True, "containers": [{"name": 1}]}}}
    wrong = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}

    assert object_faults(wrong) == [
        "Deployment//d.spec.template.spec.hostusers: no such field",
        "Deployment//d.spec.template.spec.containers.0.name: 1 is no str",
    ]
