"""Kubernetes' messages for the ``protobuf`` package, which then decodes what we encode.

Written from the published ``generated.proto`` of apimachinery and k8s.io/metrics, each field as ``number kind name``;
proto2, as there. A kind in brackets is repeated; a map is written ``map:`` and the kind of its values.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_TEXT: Mapping[str, str] = {
    "Unknown": "1 TypeMeta typeMeta, 2 bytes raw, 3 string contentEncoding, 4 string contentType",
    "TypeMeta": "1 string apiVersion, 2 string kind",
    "WatchEvent": "1 string type, 2 RawExtension object",
    "RawExtension": "1 bytes raw",
    "Time": "1 int64 seconds, 2 int32 nanos",
    "Duration": "1 int64 duration",
    "Quantity": "1 string string",
    "ListMeta": "1 string selfLink, 2 string resourceVersion, 3 string continue, 4 int64 remainingItemCount",
    "ObjectMeta": (
        "1 string name, 2 string generateName, 3 string namespace, 4 string selfLink, 5 string uid, "
        "6 string resourceVersion, 7 int64 generation, 8 Time creationTimestamp, 9 Time deletionTimestamp, "
        "10 int64 deletionGracePeriodSeconds, 11 map:string labels, 12 map:string annotations, 14 [string] finalizers"
    ),
    "NodeMetrics": "1 ObjectMeta metadata, 2 Time timestamp, 3 Duration window, 4 map:Quantity usage",
    "PodMetrics": "1 ObjectMeta metadata, 2 Time timestamp, 3 Duration window, 4 [ContainerMetrics] containers",
    "ContainerMetrics": "1 string name, 2 map:Quantity usage",
    "NodeMetricsList": "1 ListMeta metadata, 2 [NodeMetrics] items",
    "PodMetricsList": "1 ListMeta metadata, 2 [PodMetrics] items",
    "PartialObjectMetadata": "1 ObjectMeta metadata",
    "PartialObjectMetadataList": "1 ListMeta metadata, 2 [PartialObjectMetadata] items",
    "Status": (
        "1 ListMeta metadata, 2 string status, 3 string message, 4 string reason, 5 StatusDetails details, 6 int32 code"
    ),
    "StatusDetails": (
        "1 string name, 2 string group, 3 string kind, 4 [StatusCause] causes, 5 int32 retryAfterSeconds, 6 string uid"
    ),
    "StatusCause": "1 string reason, 2 string message, 3 string field",
    "GroupVersionForDiscovery": "1 string groupVersion, 2 string version",
    "ServerAddressByClientCIDR": "1 string clientCIDR, 2 string serverAddress",
    "APIGroup": (
        "1 string name, 2 [GroupVersionForDiscovery] versions, 3 GroupVersionForDiscovery preferredVersion, "
        "4 [ServerAddressByClientCIDR] serverAddressByClientCIDRs"
    ),
    "APIGroupList": "1 [APIGroup] groups",
    "Verbs": "1 [string] items",
    "APIResource": (
        "1 string name, 2 bool namespaced, 3 string kind, 4 Verbs verbs, 5 [string] shortNames, 6 string singularName, "
        "7 [string] categories, 8 string group, 9 string version, 10 string storageVersionHash"
    ),
    "APIResourceList": "1 string groupVersion, 2 [APIResource] resources",
}

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "bool": _Field.TYPE_BOOL,
}


@cache
def message_type(name: str) -> type[Message]:
    """Return the class of a message."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"k8s.{name}"))


def parse(name: str, data: bytes) -> Message:
    """Return a message; fails when there is anything in it that the published one does not have."""
    message = message_type(name)()
    message.ParseFromString(data)
    # Fields in their order, entries of maps sorted, unknown fields left out: as Go writes it, and as it came.
    known = message_type(name)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    assert known.SerializeToString(deterministic=True) == data
    return message


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="k8s.proto", package="k8s", syntax="proto2")
    for name, text in _TEXT.items():
        message = file.message_type.add(name=name)
        for each in text.split(", "):
            number, kind, field = each.split()
            _add(message, int(number), kind, field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(message: descriptor_pb2.DescriptorProto, number: int, kind: str, name: str) -> None:
    if kind.startswith("map:"):
        entry = message.nested_type.add(name=f"{name[0].upper()}{name[1:]}Entry")
        entry.options.map_entry = True
        _add(entry, 1, "string", "key")
        _add(entry, 2, kind.removeprefix("map:"), "value")
        kind = f"[{message.name}.{entry.name}]"
    field = message.field.add(name=name, number=number)
    field.label = _Field.LABEL_REPEATED if kind.startswith("[") else _Field.LABEL_OPTIONAL
    kind = kind.strip("[]")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".k8s.{kind}"
