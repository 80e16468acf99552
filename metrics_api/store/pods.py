"""What is kept of one pod, and the rule that a pod is served whole or not at all.

The HorizontalPodAutoscaler sums the containers it is given. A pod that lacks one would be counted too low, so its last
complete usage is the better answer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from metrics_api.model import ContainerUsage, PodInfo, Row, Sample, Usage
from metrics_api.store.history import NO_HISTORY, History, Lack, pack, unpack
from metrics_api.store.steady import Shape, shape_of
from metrics_api.store.usage import Span, Terms, advance, lacking

_MOST_LISTS = 10_000
_MOST_NAMES = 16
_NAMESAKE = 60.0  # seconds into a pod's life in which what was said under its name may be of its predecessor


class PodHistory(msgspec.Struct, gc=False):
    """The histories of one pod's containers. Alone, it is of a pod that only a kubelet has spoken of so far."""

    names: tuple[str, ...] = ()
    """Containers that have a history, sorted."""
    packed: bytes = b""
    """Their histories, from ``pack``."""

    def may_precede(self, info: PodInfo) -> bool:
        """Return whether this may be of an earlier pod of that name: it was sampled before, or soon after, the start.

        Without uids only the time tells them apart, and a kubelet may go on for a while about a pod that has ended.
        """
        started = info.started
        return started is not None and any(0 < history.time < started + _NAMESAKE for history in unpack(self.packed))

    def forget(self) -> None:
        """Drop the histories."""
        self.names, self.packed = (), b""


class Pod(PodHistory, kw_only=True, gc=False):
    """The state of a pod that the API server knows."""

    info: PodInfo
    row: Row | None = None
    shape: Shape | None = None
    """What it shares with its like when all its containers are served; ``None`` also when that is not known."""
    row_expiry: float = 0.0
    """Added to the row's time, it gives the monotonic moment after which the row is too old."""

    @property
    def metadata(self) -> tuple[str, str, dict[str, str]]:
        """Namespace, name and labels."""
        info = self.info
        return info.namespace, info.name, info.labels

    def learn_shape(self) -> None:
        """Work the shape out, after containers have come or gone or ``info`` has changed."""
        self.shape = shape_of(self.names, self.info.required, self.info.finished)

    def forget(self) -> None:
        """Drop the histories, and the shape with them."""
        super().forget()
        self.shape = None


class NamePool:
    """One copy of each list of container names: the pods of a workload have the same."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}

    def share(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the kept copy of these names; very long lists are not kept, and a full pool starts over."""
        if len(names) > _MOST_NAMES:
            return names
        if len(self._names) >= _MOST_LISTS:
            self._names.clear()
        return self._names.setdefault(names, names)


def is_former_life(info: PodInfo, containers: Mapping[str, Sample]) -> bool:
    """Return whether samples that carry no uid are of an earlier pod of that name.

    A kubelet sets a pod's start time before it starts a container, so what was sampled, or started, before that time
    (cut to whole seconds) belongs to another. Not asked of static pods, whose start time a kubelet may set anew.
    """
    if info.started is None or info.static_uids:
        return False
    return any(
        sample.time < info.started or (sample.start_time is not None and sample.start_time < info.started)
        for sample in containers.values()
    )


def observe(
    pod: PodHistory,
    containers: Mapping[str, Sample],
    terms: Terms,
    *,
    required: Sequence[str] = (),
    pool: NamePool,
    lacks: Counter[int],
) -> list[History] | None:
    """Move a pod's histories on to a scrape.

    Args:
        pod: Changed in place.
        containers: What the kubelet says, by container name.
        terms: What the samples are judged by.
        required: Containers whose history is kept when the kubelet does not mention them.
        pool: Where the names are shared.
        lacks: Counts, by ``Lack``, the containers whose sample gave no usage.

    Returns:
        The histories in the order of ``pod.names``; ``None`` when the scrape said nothing new.
    """
    histories, changed = unpack(pod.packed), False
    samples = [*map(containers.get, pod.names)]
    if len(samples) != len(containers) or None in samples:
        histories, changed = _align(pod, containers, histories, required, pool), True
        samples = [*map(containers.get, pod.names)]
    for index, sample in enumerate(samples):
        old = histories[index]
        new = lacking(old, Lack.ABSENT) if sample is None else advance(old, sample, terms)
        if new is not old:
            changed = True
            histories[index] = new
            if new.lack:
                lacks[new.lack] += 1
    if not changed:
        return None
    pod.packed = pack(histories)
    return histories


def _align(
    pod: PodHistory,
    containers: Mapping[str, Sample],
    histories: Sequence[History],
    required: Sequence[str],
    pool: NamePool,
) -> list[History]:
    """Make ``pod.names`` those of the scrape, and of containers that should be in it and are not."""
    known = dict(zip(pod.names, histories, strict=True))
    names = sorted({*containers, *(name for name in required if name in known)})
    pod.names = pool.share(tuple(names))
    return [known.get(name, NO_HISTORY) for name in pod.names]


def whole_usage(info: PodInfo, names: Sequence[str], histories: Sequence[History], span: Span) -> Usage | None:
    """Return what is served for a pod, ``None`` when a container that must have usage has none.

    Those are the containers that pod status says are running; when it names none, all that the kubelet reports.
    Finished init containers are left out, whatever the kubelet says. Others are served when they have usage.

    Args:
        info: What the API server says of the pod.
        names: The containers of the latest scrape.
        histories: One for each name.
        span: The times of samples that may be served.

    Returns:
        Usage with the time and window of the container whose sample is the oldest.
    """
    required, finished, (oldest, newest) = info.required, info.finished, span
    containers: list[ContainerUsage] = []
    time, window_ms, missing = math.inf, 0, len(required)
    for name, history in zip(names, histories, strict=True):
        if name in finished:
            continue
        sampled = history.time
        if history.lack or not oldest <= sampled <= newest:
            if not required or name in required:
                return None
            continue
        if name in required:
            missing -= 1
        containers.append(ContainerUsage(name, history.cpu, history.memory))
        if sampled < time:
            time, window_ms = sampled, history.window_ms
    if missing or not containers:
        return None
    return Usage(time, _seconds(window_ms), tuple(containers))


@lru_cache(maxsize=1024)
def _seconds(milliseconds: int) -> float:
    """Return a window's length; most are alike, and need not be an object for each pod."""
    return milliseconds / 1000
