"""Whom we may believe: the two CA bundles and the rules for the front proxy's headers, as the cluster publishes them.

They come from the ConfigMap ``kube-system/extension-apiserver-authentication`` or from flags, and change while we run.
"""

from __future__ import annotations

import ssl

import msgspec

DEFAULT_USERNAME_HEADERS = ("x-remote-user",)
DEFAULT_GROUP_HEADERS = ("x-remote-group",)
DEFAULT_EXTRA_PREFIXES = ("x-remote-extra-",)


class FrontProxyRules(msgspec.Struct, frozen=True):
    """Which headers name the user, and whose certificates may send them; header names are lower case."""

    allowed_names: tuple[str, ...] = ()
    """Common names; empty: any that the CA signed."""
    username_headers: tuple[str, ...] = DEFAULT_USERNAME_HEADERS
    group_headers: tuple[str, ...] = DEFAULT_GROUP_HEADERS
    uid_headers: tuple[str, ...] = ()
    """Empty: no uid is believed."""
    extra_prefixes: tuple[str, ...] = DEFAULT_EXTRA_PREFIXES


class Trust(msgspec.Struct, frozen=True):
    """All that decides whose certificates and headers are believed. A new value replaces the old one whole."""

    client_ca: bytes = b""
    """PEM bundle of users' authorities; empty: client certificates name nobody."""
    proxy_ca: bytes = b""
    """PEM bundle of the front proxy's authorities; empty: no header is believed."""
    rules: FrontProxyRules = FrontProxyRules()

    @property
    def bundle(self) -> bytes:
        """Return both bundles as one, for the TLS layer to verify against."""
        return b"\n".join(pem for pem in (self.client_ca, self.proxy_ca) if pem)


def authorities(pem: bytes) -> frozenset[bytes]:
    """Return the certificates of a PEM bundle as DER.

    Raises:
        ValueError: there is something between the markers that is no certificate, or none at all.
    """
    marker = b"-----BEGIN CERTIFICATE-----"
    blocks = [marker + rest for rest in pem.split(marker)[1:]]
    if not blocks:
        raise ValueError("no PEM certificate in it")
    ends = b"-----END CERTIFICATE-----"
    ders = set()
    for block in blocks:
        text = block[: block.find(ends) + len(ends)] if ends in block else block
        ders.add(ssl.PEM_cert_to_DER_cert(text.decode("ascii", "strict")))
    return frozenset(ders)
