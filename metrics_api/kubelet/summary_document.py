"""The parts of the Summary document that are used, as types, and their decoding from JSON.

Only these fields are decoded; the rest (pressure figures, swap, sums of pods: most of the bytes) is skipped. The types
follow Kubernetes' ``stats/v1alpha1``: absent is unknown, a number is an unsigned integer, a time may be ``null``.

The whole document is decoded at once. When it does not fit the types (a kubelet is not the only thing that serves it),
node and pods are decoded one by one and loosely: a bad number costs a field, a bad pod costs a pod.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from metrics_api.errors import DecodeError
from metrics_api.kubelet.dropped import Dropped
from metrics_api.timetext import parse_rfc3339

_GREATEST_NUMBER = 2**64 - 1

# msgspec's bounds are signed: what is beyond this one is read loosely.
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Start = Annotated[datetime, msgspec.Meta(tz=True)]
"""Each container has a start of its own; a reading's time stays text, for it is known from others."""


class CpuStats(msgspec.Struct, gc=False, rename="camel"):
    """One CPU reading."""

    time: str | None = None
    usage_nano_cores: _Number | None = None
    usage_core_nano_seconds: _Number | None = None


class MemoryStats(msgspec.Struct, gc=False, rename="camel"):
    """One memory reading."""

    time: str | None = None
    working_set_bytes: _Number | None = None


class ContainerStats(msgspec.Struct, gc=False, rename="camel"):
    """One container."""

    name: str
    start_time: _Start | None = None
    cpu: CpuStats | None = None
    memory: MemoryStats | None = None


class PodReference(msgspec.Struct, gc=False):
    """Whose statistics these are."""

    name: str
    namespace: str
    uid: str


class PodStats(msgspec.Struct, gc=False, rename="camel"):
    """One pod; ``containers`` is ``None`` when only its sandbox lives."""

    pod_ref: PodReference
    containers: list[ContainerStats] | None = None


class NodeStats(msgspec.Struct, gc=False, rename="camel"):
    """The node itself."""

    node_name: str
    start_time: _Start | None = None
    cpu: CpuStats | None = None
    memory: MemoryStats | None = None


class Summary(msgspec.Struct, gc=False):
    """The document."""

    node: NodeStats
    pods: list[PodStats] | None = None


def read_document(body: bytes, dropped: Dropped) -> Summary:
    """Decode the document.

    Args:
        body: JSON.
        dropped: Takes the count of what a loose decoding had to leave out.

    Raises:
        DecodeError: it is not JSON, or no Summary document even loosely.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        misfit = error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(
            f"the Summary document is not whole JSON: {str(error)[:200]}; it begins {body[:60]!r}"
        ) from error
    try:
        return _read_loosely(body, dropped)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DecodeError(f"no Summary document: {str(misfit)[:200]}; it begins {body[:60]!r}") from misfit


class _LooseCpu(msgspec.Struct, gc=False, rename="camel"):
    time: object = None
    usage_nano_cores: object = None
    usage_core_nano_seconds: object = None


class _LooseMemory(msgspec.Struct, gc=False, rename="camel"):
    time: object = None
    working_set_bytes: object = None


class _LooseContainer(msgspec.Struct, gc=False, rename="camel"):
    name: str
    start_time: object = None
    cpu: _LooseCpu | None = None
    memory: _LooseMemory | None = None


class _LoosePod(msgspec.Struct, gc=False, rename="camel"):
    pod_ref: PodReference
    containers: list[_LooseContainer] | None = None


class _OnlyReference(msgspec.Struct, gc=False, rename="camel"):
    pod_ref: PodReference


class _LooseNode(msgspec.Struct, gc=False, rename="camel"):
    node_name: str
    start_time: object = None
    cpu: _LooseCpu | None = None
    memory: _LooseMemory | None = None


class _NodeName(msgspec.Struct, gc=False, rename="camel"):
    node_name: str


class _LooseSummary(msgspec.Struct, gc=False):
    node: msgspec.Raw
    pods: list[msgspec.Raw] | None = None


_decode = msgspec.json.Decoder(Summary).decode
_decode_loosely = msgspec.json.Decoder(_LooseSummary).decode
_decode_pod = msgspec.json.Decoder(_LoosePod).decode
_decode_reference = msgspec.json.Decoder(_OnlyReference).decode
_decode_node = msgspec.json.Decoder(_LooseNode).decode
_decode_node_name = msgspec.json.Decoder(_NodeName).decode


def _read_loosely(body: bytes, dropped: Dropped) -> Summary:
    loose = _decode_loosely(body)
    pods = []
    for raw in loose.pods or ():
        try:
            pod = _decode_pod(raw)
        except (msgspec.ValidationError, UnicodeDecodeError):
            dropped.place = _reference(raw)
            dropped["bad_shape"] += 1
            continue
        dropped.place = pod.pod_ref
        containers = [
            ContainerStats(c.name, _start(c.start_time, dropped), _cpu(c.cpu, dropped), _memory(c.memory, dropped))
            for c in pod.containers or ()
        ]
        pods.append(PodStats(pod.pod_ref, containers))
    dropped.place = None
    return Summary(_read_node_loosely(loose.node, dropped), pods)


def _reference(raw: msgspec.Raw) -> PodReference | None:
    """Return whose statistics a misshapen pod's are, ``None`` when it does not say."""
    try:
        return _decode_reference(raw).pod_ref
    except (msgspec.ValidationError, UnicodeDecodeError):
        return None


def _read_node_loosely(raw: msgspec.Raw, dropped: Dropped) -> NodeStats:
    try:
        node = _decode_node(raw)
    except msgspec.ValidationError:
        dropped["bad_shape"] += 1
        return NodeStats(_decode_node_name(raw).node_name)
    start_time = _start(node.start_time, dropped)
    return NodeStats(node.node_name, start_time, _cpu(node.cpu, dropped), _memory(node.memory, dropped))


def _cpu(loose: _LooseCpu | None, dropped: Dropped) -> CpuStats | None:
    if loose is None:
        return None
    return CpuStats(
        _text(loose.time, dropped),
        _number(loose.usage_nano_cores, dropped),
        _number(loose.usage_core_nano_seconds, dropped),
    )


def _memory(loose: _LooseMemory | None, dropped: Dropped) -> MemoryStats | None:
    if loose is None:
        return None
    return MemoryStats(_text(loose.time, dropped), _number(loose.working_set_bytes, dropped))


def _text(value: object, dropped: Dropped) -> str | None:
    if value is None or isinstance(value, str):
        return value
    dropped["bad_time"] += 1
    return None


def _start(value: object, dropped: Dropped) -> datetime | None:
    text = _text(value, dropped)
    if text is None:
        return None
    try:
        return datetime.fromtimestamp(parse_rfc3339(text), UTC)
    except ValueError:
        dropped["bad_time"] += 1
        return None


def _number(value: object, dropped: Dropped) -> int | None:
    """Return an unsigned integer; a float that is whole stands for one, as servers not written in Go send it."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _GREATEST_NUMBER:
        return value
    dropped["bad_number"] += 1
    return None
