"""Which names a kubelet's document may use: those that Kubernetes itself would have accepted, and no others.

Everything is looked up by these names later, so a name that cannot exist in the API is of no use and only costs memory.
Container names and namespaces repeat across a fleet; they are shared, for a store keeps hundreds of thousands of them.
"""

from __future__ import annotations

import re

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?").fullmatch
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?").fullmatch
_UID = re.compile(r"[A-Za-z0-9](?:[-._A-Za-z0-9]{0,126}[A-Za-z0-9])?").fullmatch
_MOST_SHARED = 20_000

_shared: dict[str, str] = {}


def shared_label(text: str) -> str | None:
    """Return a namespace or container name (a DNS label, at most 63 characters), one object for equal names.

    Returns ``None`` when it is no such name.
    """
    known = _shared.get(text)
    if known is not None:
        return known
    if _LABEL(text) is None:
        return None
    if len(_shared) >= _MOST_SHARED:
        _shared.clear()
    _shared[text] = text
    return text


def is_pod_name(text: str) -> bool:
    """Tell whether ``text`` may name a pod: a DNS subdomain of at most 253 characters."""
    return _SUBDOMAIN(text) is not None


def is_uid(text: str) -> bool:
    """Tell whether ``text`` may be a pod's uid: a UUID, or a static pod's own, at most 128 characters."""
    return _UID(text) is not None
