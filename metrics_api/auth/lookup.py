"""Where trust comes from: the cluster's ConfigMap, or flags, which win; followed while we run.

Rules: apiserver ``pkg/server/options/authentication.go`` and ``headerrequest``: flags for the front proxy replace all
that the ConfigMap says of it; a key that is missing switches that kind of proof off; an update that makes no sense is
reported and changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from metrics_api.auth.trust import FrontProxyRules, Trust, authorities
from metrics_api.errors import StartupError
from metrics_api.model import ConfigMapInfo

NAMESPACE = "kube-system"
NAME = "extension-apiserver-authentication"

_log = logging.getLogger(__name__)
_LARGEST_FILE = 1 << 20  # bytes of a CA bundle


@dataclass(frozen=True, slots=True)
class TrustFlags:
    """What flags say of trust; empty file names leave that part to the ConfigMap."""

    client_ca_file: str = ""
    proxy_ca_file: str = ""
    rules: FrontProxyRules = FrontProxyRules()  # noqa: RUF009 - frozen
    """Holds when ``proxy_ca_file`` is given."""


class TrustLookup:
    """Follows the ConfigMap and the files, and passes on each new trust.

    Args:
        flags: What flags say.
        apply: Takes a new trust; raises ``ValueError`` when it is not usable.
    """

    def __init__(self, flags: TrustFlags, apply: Callable[[Trust], None]) -> None:
        self._flags = flags
        self._apply = apply
        self._data: Mapping[str, str] = {}
        self._trust = Trust()
        self.fault = ""
        """Why what is configured is not in force; empty when it is."""
        self.found = False
        """Whether the ConfigMap has been seen."""

    def start(self) -> None:
        """Apply what the flags say.

        Raises:
            StartupError: a file is missing or is no CA bundle.
        """
        try:
            self._renew()
        except (OSError, ValueError) as error:
            raise StartupError(f"{error}. It must be a PEM bundle of authorities that this program may read") from error

    def upsert(self, item: ConfigMapInfo) -> None:
        """Take the ConfigMap as it is now; what cannot be applied yet is tried again by ``refresh``."""
        self.found = True
        self._data = item.data
        self.refresh()

    def remove(self, key: str) -> None:
        """Keep what was known: the ConfigMap is never deleted on purpose, and losing it must lock nobody out."""
        _log.warning(
            "The ConfigMap is gone; what it said stays in force",
            extra={"fields": {"config_map": f"{NAMESPACE}/{key}"}},
        )

    def refresh(self) -> None:
        """Read files again and apply what changed, if all of it makes sense."""
        try:
            self._renew()
        except (OSError, ValueError) as error:
            if str(error) != self.fault:
                self.fault = str(error)
                _log.error(
                    "The authentication configuration makes no sense; the old one stays in force",
                    extra={"fields": {"error": str(error)}},
                )
        else:
            self.fault = ""

    def _renew(self) -> None:
        trust = self._gather()
        if trust == self._trust:
            return
        self._apply(trust)
        self._trust = trust
        _log.info(
            "Authentication configuration applied",
            extra={
                "fields": {
                    "client_authorities": _count(trust.client_ca),
                    "front_proxy_authorities": _count(trust.proxy_ca),
                    "allowed_names": ",".join(trust.rules.allowed_names) or "any",
                }
            },
        )

    def _gather(self) -> Trust:
        flags, data = self._flags, self._data
        client_ca = data.get("client-ca-file", "").encode()
        if flags.client_ca_file:
            client_ca = _read("--client-ca-file", flags.client_ca_file)
        if flags.proxy_ca_file:
            return Trust(client_ca, _read("--requestheader-client-ca-file", flags.proxy_ca_file), flags.rules)
        proxy_ca = data.get("requestheader-client-ca-file", "").encode()
        return Trust(client_ca, proxy_ca, _rules(data)) if proxy_ca else Trust(client_ca)


def _rules(data: Mapping[str, str]) -> FrontProxyRules:
    lower = {
        field: tuple(name.lower() for name in _names(data, key))
        for field, key in (
            ("username_headers", "requestheader-username-headers"),
            ("group_headers", "requestheader-group-headers"),
            ("uid_headers", "requestheader-uid-headers"),
            ("extra_prefixes", "requestheader-extra-headers-prefix"),
        )
    }
    rules = FrontProxyRules(allowed_names=_names(data, "requestheader-allowed-names"), **lower)
    if not rules.username_headers:
        raise ValueError(f"{NAME}: requestheader-username-headers is empty: no header could name a user")
    return rules


def _names(data: Mapping[str, str], key: str) -> tuple[str, ...]:
    text = data.get(key, "")
    if not text:
        return ()
    try:
        return msgspec.convert(json.loads(text), tuple[str, ...])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{NAME}: {key} is no JSON list of strings: {error}") from error


def _read(flag: str, path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            pem = file.read(_LARGEST_FILE + 1)
        if len(pem) > _LARGEST_FILE:
            raise ValueError(f"it is larger than {_LARGEST_FILE} bytes")
        authorities(pem)
    except OSError as error:
        raise ValueError(f"{flag}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{flag}: {path} is not usable: {error}") from error
    return pem


def _count(pem: bytes) -> int:
    return len(authorities(pem)) if pem else 0
