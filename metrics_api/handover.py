"""What one replica tells another of a node: the value that the store gives and takes, and that peers carry.

Times in it are the node's own, as in samples, but for ``clock`` and ``age``, which say how long ago something was: no
replica's clock has to agree with another's. The bounds here are of shape. What is believed is the store's affair.

A field may be added at the end, with a default. Any other change is another version of the document.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

_Uint64 = Annotated[int, msgspec.Meta(ge=0)]  # msgpack has no larger ones
_Uint32 = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
_Time = Annotated[float, msgspec.Meta(ge=0)]
_Step = Annotated[float, msgspec.Meta(ge=0)]
_Identity = Annotated[str, msgspec.Meta(max_length=253)]
_ContainerName = Annotated[str, msgspec.Meta(pattern=r"\A([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?\Z")]
_MOST_PODS = 10_000
_MOST_CONTAINERS = 1_000


class Counter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last two distinct samples of one container or node, and the usage that the last one gave."""

    name: _ContainerName
    """Of the container; empty for a node."""
    time: _Time
    total: _Uint64
    """Core-nanoseconds."""
    prev_time: _Time
    """0 when there is no sample before."""
    prev_total: _Uint64
    cpu: _Uint64
    """Nanocores."""
    memory: _Uint64
    """Bytes."""
    window_ms: _Uint32
    """0 when the sample gave no usage."""
    step: _Step
    """Granularity of ``time`` in seconds."""
    prev_step: _Step
    age: _Uint32
    """Whole seconds since the sample at ``time`` came."""
    lack: Annotated[int, msgspec.Meta(ge=0, lt=256)]
    """Why there is no usage, 0 when there is; the store's own numbers."""
    stamped: bool
    """Whether times are the kubelet's."""
    born: bool
    """Whether the container started at ``time``."""


class Served(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Usage that is still served although the counters give none just now."""

    time: _Time
    window_ms: _Uint32
    containers: Annotated[
        tuple[tuple[_ContainerName, _Uint64, _Uint64], ...], msgspec.Meta(max_length=_MOST_CONTAINERS)
    ]
    """(name, nanocores, bytes)."""


class PodHandover(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One pod."""

    uid: _Identity
    """The API server's, also of a static pod."""
    counters: Annotated[tuple[Counter, ...], msgspec.Meta(max_length=_MOST_CONTAINERS)]
    """By name."""
    served: Served | None = None


class NodeHandover(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One node and the pods bound to it."""

    name: _Identity
    uid: _Identity
    clock: _Time
    """What the node's own clock shows while this is written."""
    counter: Counter
    pods: Annotated[tuple[PodHandover, ...], msgspec.Meta(max_length=_MOST_PODS)]
    served: Served | None = None
