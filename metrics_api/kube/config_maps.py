"""One ConfigMap, watched by name: more than that nobody need allow us."""

from __future__ import annotations

import msgspec

from metrics_api.kube.decode import Decoder
from metrics_api.kube.documents import Identity, ListPage, WatchEvent
from metrics_api.kube.watched import Watched
from metrics_api.model import ConfigMapInfo


class _ConfigMap(msgspec.Struct):
    metadata: Identity | None = None
    data: dict[str, str] | None = None


def one_config_map(namespace: str, name: str) -> Watched[ConfigMapInfo, str]:
    """Return the ConfigMap of that name, keyed by name."""
    return Watched(
        f"ConfigMap {namespace}/{name}",
        f"/api/v1/namespaces/{namespace}/configmaps",
        (("fieldSelector", f"metadata.name={name}"),),
        _decoder,
        lambda config_map: config_map.name,
        lambda each: each.name,
    )


def _decoder() -> Decoder[ConfigMapInfo]:
    decoder = msgspec.json.Decoder
    return Decoder(
        "ConfigMaps",
        decoder(ListPage[_ConfigMap]),
        decoder(WatchEvent[_ConfigMap]),
        decoder(_ConfigMap),
        _convert,
    )


def _convert(document: _ConfigMap) -> ConfigMapInfo:
    metadata = document.metadata
    if metadata is None or not metadata.name:
        raise ValueError("it has no name")
    return ConfigMapInfo(metadata.namespace, metadata.name, metadata.uid, document.data or {})
