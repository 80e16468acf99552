"""Chains as the TLS layer hands them over: DER, leaf first, trust anchor last."""

from __future__ import annotations

import ssl
from typing import Any

from metrics_api.pki import Authority


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def chain(authority: Authority, common_name: str, **options: Any) -> tuple[bytes, bytes]:
    leaf = authority.issue(common_name, client=True, **options)
    return der(leaf.certificate), der(authority.certificate)
