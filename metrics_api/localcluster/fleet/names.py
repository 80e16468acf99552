"""Names as clusters have them: teams as namespaces, services as workloads, suffixes in Kubernetes' alphabet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # apimachinery's util/rand: no vowels, no 0, 1, 3
_SUFFIX_PAIRS = [first + second for first in _SUFFIX_ALPHABET for second in _SUFFIX_ALPHABET]
_LETTERS = len(_SUFFIX_ALPHABET)
_SUFFIXES = _LETTERS**5
_UUID_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}  # RFC 9562: the bits 10
_TEAMS = (
    "shop",
    "payments",
    "search",
    "media",
    "identity",
    "billing",
    "analytics",
    "mail",
    "maps",
    "support",
    "logistics",
    "pricing",
)
_STAGES = ("production", "staging", "canary", "batch")
_SUBJECTS = ("cart", "order", "catalog", "session", "invoice", "ledger", "image", "review", "stock", "quote", "event")
_ROLES = (
    "api-server",
    "queue-worker",
    "web-frontend",
    "search-indexer",
    "edge-gateway",
    "state-store",
    "read-cache",
    "data-syncer",
)


def namespace_names() -> Iterator[str]:
    """Yield namespace names without end, each once."""
    for number in count():
        for stage in _STAGES:
            for team in _TEAMS:
                yield f"{team}-{stage}-{number}" if number else f"{team}-{stage}"


def workload_names(rng: Random) -> Iterator[str]:
    """Yield workload names of one namespace without end, each once."""
    names = [f"{subject}-{role}" for subject in _SUBJECTS for role in _ROLES]
    rng.shuffle(names)
    for number in count():
        for name in names:
            yield f"{name}-{number}" if number else name


def draw_suffix(rng: Random) -> str:
    """Return a suffix such as ``x7kq2``."""
    pairs, last = divmod(int(rng.random() * _SUFFIXES), _LETTERS)
    first, second = divmod(pairs, len(_SUFFIX_PAIRS))
    return _SUFFIX_PAIRS[first] + _SUFFIX_PAIRS[second] + _SUFFIX_ALPHABET[last]


def draw_uid(rng: Random) -> str:
    """Return a UUID (version 4) as Kubernetes gives to its objects."""
    text = f"{rng.getrandbits(128):032x}"  # by hand, in a third of what uuid.UUID takes
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_UUID_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"
