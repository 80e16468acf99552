"""Decoding of Kubernetes' protobuf request bodies.

The bodies are put together here field by field; that they are what kubectl sends is seen in ``test_kubectl``.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.localcluster.protobuf import decode_object


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def body(api_version: str, kind: str, content: bytes) -> bytes:
    kind_field = field(1, field(1, api_version) + field(2, kind))
    return b"k8s\0" + kind_field + field(2, content) + field(3, "") + field(4, "")


def test_a_config_map() -> None:
    metadata = field(1, "one") + field(3, "shop") + field(11, field(1, "app") + field(2, "web")) + field(7, 0)
    content = field(1, metadata) + field(2, field(1, "key") + field(2, "x" * 300)) + field(4, 1)

    assert decode_object(body("v1", "ConfigMap", content)) == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "one", "namespace": "shop", "labels": {"app": "web"}},
        "data": {"key": "x" * 300},
        "immutable": True,
    }


def test_a_secrets_data_is_base64() -> None:
    content = field(2, field(1, "key") + field(2, b"\xff\x00")) + field(3, "Opaque")

    decoded = decode_object(body("v1", "Secret", content))

    assert decoded is not None
    assert (decoded["data"], decoded["type"]) == ({"key": "/wA="}, "Opaque")


def test_a_subject_access_review() -> None:
    attributes = field(1, "shop") + field(2, "list") + field(5, "pods")
    extra = field(1, "team") + field(2, field(1, "blue") + field(1, "red"))
    spec = field(1, attributes) + field(3, "bob") + field(4, "dev") + field(4, "ops") + field(5, extra)

    decoded = decode_object(body("authorization.k8s.io/v1", "SubjectAccessReview", field(2, spec)))

    assert decoded is not None
    assert decoded["spec"] == {
        "resourceAttributes": {"namespace": "shop", "verb": "list", "resource": "pods"},
        "user": "bob",
        "groups": ["dev", "ops"],
        "extra": {"team": ["blue", "red"]},
    }


def test_a_map_entry_without_a_value_is_empty() -> None:
    decoded = decode_object(body("v1", "ConfigMap", field(2, field(1, "key"))))

    assert decoded is not None
    assert decoded["data"] == {"key": ""}


def test_a_kind_without_a_table_is_not_understood() -> None:
    assert decode_object(body("apps/v1", "Deployment", b"")) is None


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{}",
        b"k8s\0\x0a\xff",
        b"k8s\0\x0a",
        body("v1", "ConfigMap", b"\x0b"),
        body("v1", "ConfigMap", field(1, 5)),
        body("v1", "ConfigMap", b"\xff" * 12),
        body("v1", "ConfigMap", field(1, field(1, b"\xff"))),
    ],
    ids=["empty", "JSON", "cut off", "no length", "group", "number for a message", "endless number", "no UTF-8"],
)
def test_what_is_no_protobuf_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the texts do not matter, they differ
        decode_object(broken)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(content: bytes) -> None:
    try:
        decoded = decode_object(body("v1", "ConfigMap", content))
    except ValueError:
        return
    assert decoded is not None
