"""An object's bytes as they stand in a list: compact JSON, in the field order and with the escapes of metrics-server.

The head of an item (name, namespace, labels) changes with the labels only. It is made once and, as long as the object
is read, cut out of the previous item from then on; only ``creationTimestamp``, which always has 20 characters, and what
follows the metadata are new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from metrics_api.model import Usage
from metrics_api.quantity import format_cpu, format_memory
from metrics_api.timetext import format_duration, format_rfc3339

_CREATED = b'"creationTimestamp":"'
_CREATED_LENGTH = len("2026-01-01T00:00:30Z")
_TIMESTAMP = b'},"timestamp":"'
_MOST_LABELS_TEXTS = 16  # the rows of a workload follow one another in a list, so a few are enough

# What Go's encoding/json escapes, and lone surrogates, which have no UTF-8.
_ESCAPED = re.compile('["\\\\\x00-\x1f<>&\u2028\u2029\ud800-\udfff]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

# One scrape after the other has the same few times and windows, and a cluster the same few container names.
_time = lru_cache(maxsize=4096)(format_rfc3339)
_window = lru_cache(maxsize=4096)(format_duration)


def quote(text: str) -> str:
    """Return a JSON string as Go's ``encoding/json`` writes it: also ``<``, ``>``, ``&``, U+2028 and U+2029 escaped."""
    return f'"{_ESCAPED.sub(_escape, text)}"' if _ESCAPED.search(text) else f'"{text}"'


_name = lru_cache(maxsize=4096)(quote)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return _SHORT_ESCAPES.get(character) or f"\\u{ord(character):04x}"


def encode_head(namespace: str, name: str, labels: Mapping[str, str]) -> bytes:
    """Return the head of an item: all up to the timestamp, with an empty place for ``creationTimestamp``.

    Args:
        namespace: Empty for a node.
        name: The object's name.
        labels: Left out when empty; sorted by key. Never changed in place: other labels are another mapping.
    """
    place = f'"namespace":{quote(namespace)},' if namespace else ""
    text = _labels_text(labels) if labels else ""
    created = " " * _CREATED_LENGTH
    return f'{{"metadata":{{"name":{quote(name)},{place}"creationTimestamp":"{created}"{text}}},"timestamp":"'.encode()


_labels_texts: dict[int, tuple[Mapping[str, str], str]] = {}
"""By identity, with the labels themselves so that no others take their place: the pods of a workload share them."""


def _labels_text(labels: Mapping[str, str]) -> str:
    known = _labels_texts.get(id(labels))
    if known is not None:
        return known[1]
    pairs = ",".join([f"{quote(key)}:{quote(labels[key])}" for key in sorted(labels)])
    text = f',"labels":{{{pairs}}}'
    if len(_labels_texts) >= _MOST_LABELS_TEXTS:
        _labels_texts.clear()
    _labels_texts[id(labels)] = labels, text
    return text


def encode_node(head: bytes, created: float, usage: Usage) -> bytes:
    """Return a NodeMetrics item.

    Args:
        head: From ``encode_head``, or a former item of the same object.
        created: Unix seconds.
        usage: With one container.
    """
    total = usage.containers[0]
    return _join(head, created, usage, f'"usage":{{{_quantities(total.cpu, total.memory)}}}}}')


def encode_pod(head: bytes, created: float, usage: Usage) -> bytes:
    """Return a PodMetrics item; the arguments are those of ``encode_node``."""
    parts = [f'{{"name":{_name(c.name)},"usage":{{{_quantities(c.cpu, c.memory)}}}}}' for c in usage.containers]
    return _join(head, created, usage, f'"containers":[{",".join(parts)}]}}')


def containers_template(names: Sequence[str]) -> str:
    """Return what ``encode_filled`` fills in: the time, the window, and each container's quantities."""
    parts = [f'{{"name":{_name(name).replace("%", "%%")},"usage":{{%s}}}}' for name in names]
    return f'%s","window":"%s","containers":[{",".join(parts)}]}}'


def encode_filled(
    head: bytes, created: float, template: str, time: float, window: float, quantities: Sequence[tuple[int, int]]
) -> bytes:
    """Return the item that ``encode_pod`` makes of the same usage, in less time.

    Args:
        head: As for ``encode_pod``.
        created: Unix seconds.
        template: Of the pod's containers.
        time: Of the usage.
        window: Of the usage.
        quantities: CPU and memory of each container.
    """
    texts = [_quantities(cpu, memory) for cpu, memory in quantities]
    return _replace_tail(head, created, template % (_time(time), _window(window), *texts))


def _join(head: bytes, created: float, usage: Usage, tail: str) -> bytes:
    return _replace_tail(head, created, f'{_time(usage.time)}","window":"{_window(usage.window)}",{tail}')


def _replace_tail(head: bytes, created: float, tail: str) -> bytes:
    # A quotation mark inside a name or label has a backslash before it, so neither mark can be met there.
    place = head.index(_CREATED) + len(_CREATED)
    after = place + _CREATED_LENGTH
    end = head.index(_TIMESTAMP, after) + len(_TIMESTAMP)
    return b"".join((head[:place], _created(created), head[after:end], tail.encode()))


@lru_cache(maxsize=64)
def _created(seconds: float) -> bytes:
    """Return a creation time; all objects of one scrape have the same."""
    return format_rfc3339(seconds).encode()


def _quantities(cpu: int, memory: int) -> str:
    # The short ways are those that nearly all values take: odd nanocores, and whole pages below an odd MiB.
    if cpu % 1000 and memory & 0xFFFFF and not memory & 0x3FF:
        return f'"cpu":"{cpu}n","memory":"{memory >> 10}Ki"'
    return f'"cpu":"{format_cpu(cpu)}","memory":"{format_memory(memory)}"'
