"""The settings of one run.

A field is a flag: ``metric_resolution`` is ``--metric-resolution``. Defaults stand here and nowhere else; the flags'
own rules are in ``rules``, so a ``Settings`` made in a test is not judged.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Literal, NamedTuple

from metrics_api.selectors import LabelSelector

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
KubeletEndpoint = Literal["auto", "summary", "resource"]
KubeletTlsVerify = Literal["full", "node-name", "pin", "none"]
LoggingFormat = Literal["text", "json"]

_ANY_ADDRESS = IPv4Address(0)
_DENIED_CIDRS = "127.0.0.0/8,::1/128,169.254.0.0/16,fe80::/10,224.0.0.0/4,ff00::/8,0.0.0.0/8,::/128"


class NamedCertKey(NamedTuple):
    """A serving certificate for certain names (SNI)."""

    certificate_file: str
    """PEM, the chain may follow the leaf."""
    key_file: str
    """PEM."""
    names: tuple[str, ...] = ()
    """Host names, ``*.`` allowed in front; empty: those that the certificate itself names."""

    def __str__(self) -> str:
        pair = f"{self.certificate_file},{self.key_file}"
        return f"{pair}:{','.join(self.names)}" if self.names else pair


class PeerTarget(NamedTuple):
    """Where peers may be."""

    host: str
    """A name, which may have many addresses, or an address without brackets."""
    port: int | None = None
    """``None``: ``--secure-port``, for replicas are alike."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def default_max_metric_age(metric_resolution: float) -> float:
    """Return the seconds that a usage stays served when ``--max-metric-age`` is not given.

    Two periods and a little, so that one failed scrape and its retry lose nothing; at least 90 s, which bridges a
    kubelet's restart.
    """
    return max(90.0, 2 * metric_resolution + 45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; times in seconds."""

    metric_resolution: float = 60.0
    """Seconds from one scrape of a node to the next, at least 10. The default is metrics-server's; manifests say 15."""
    max_metric_age: float = default_max_metric_age(60.0)
    """Seconds that the last usage of a node or pod stays served without a newer one; computed from the resolution."""
    kubeconfig: str = ""
    """File with the way to kube-apiserver and the credentials for kubelets. Empty: the pod's service account."""
    node_selector: str = ""
    """Label selector of the nodes that are scraped and served, as written. Empty: all."""
    node_label_selector: LabelSelector | None = None
    """``node_selector`` parsed; ``None`` when that is empty."""
    per_node_metrics: bool = True
    """Whether ``/metrics`` has the two families by node."""

    kubelet_endpoint: KubeletEndpoint = "auto"
    """Which document kubelets are asked for. ``auto``: the Summary, and where it is refused the resource metrics."""
    kubelet_request_timeout: float = 10.0
    """Seconds that a kubelet is given at least, over the whole answer."""
    kubelet_preferred_address_types: tuple[str, ...] = (
        "Hostname",
        "InternalDNS",
        "InternalIP",
        "ExternalDNS",
        "ExternalIP",
    )
    """Types of node address in the order they are tried."""
    kubelet_port: int = 10250
    """Kubelets' port."""
    kubelet_use_node_status_port: bool = False
    """Take the port from the Node object where it names one; that wins over ``kubelet_port``."""
    kubelet_denied_cidrs: tuple[Network, ...] = tuple(map(ip_network, _DENIED_CIDRS.split(",")))
    """Addresses that are never asked: a Node object that names one would draw our token to ourselves or to a cloud's
    metadata service."""
    kubelet_certificate_authority: str = ""
    """PEM file with the authorities of kubelets' serving certificates. Empty: those of the cluster configuration."""
    kubelet_insecure_tls: bool = False
    """Do not verify kubelets' serving certificates."""
    kubelet_tls_verify: KubeletTlsVerify = "full"
    """What a kubelet's serving certificate must prove; ``none`` also where ``kubelet_insecure_tls`` says so."""
    kubelet_client_certificate: str = ""
    """PEM file with the client certificate shown to kubelets. Empty: that of the cluster configuration."""
    kubelet_client_key: str = ""
    """PEM file with its key."""
    deprecated_kubelet_completely_insecure: bool = False
    """Ask kubelets over plain HTTP, without credentials."""

    bind_address: Address = _ANY_ADDRESS
    """Address to listen on; unspecified: every interface, both families."""
    secure_port: int = 443
    """HTTPS port; 0 lets the system choose. metrics-server's default; manifests say 10250."""
    cert_dir: str = "apiserver.local.config/certificates"
    """Where the self-signed pair is kept when no certificate is given."""
    tls_cert_file: str = ""
    """PEM file with the serving certificate, the chain may follow."""
    tls_private_key_file: str = ""
    """PEM file with its key."""
    tls_sni_cert_key: tuple[NamedCertKey, ...] = ()
    """Further certificates, chosen by the name the client asks for."""
    tls_min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    """The oldest TLS version spoken, never below 1.2."""
    tls_cipher_suites: tuple[str, ...] = ()
    """Cipher suites by Go's names; ``cipher_suites`` knows OpenSSL's. Empty: OpenSSL's choice."""
    verified_tls: str = ""
    """``namespace/name`` of our Service, for which a certificate that kube-apiserver can verify is kept in a Secret
    that replicas share. Empty: none is."""
    disable_http2_serving: bool = False
    """No HTTP/2; so it is in any case."""
    permit_address_sharing: bool = False
    """SO_REUSEADDR on the listening socket; it is set in any case, as Go sets it."""
    permit_port_sharing: bool = False
    """SO_REUSEPORT on the listening socket."""

    authentication_kubeconfig: str = ""
    """File with the way to the kube-apiserver that reviews tokens; not given: ``kubeconfig``."""
    authentication_skip_lookup: bool = False
    """Do not read the ConfigMap ``kube-system/extension-apiserver-authentication``."""
    authentication_tolerate_lookup_failure: bool = False
    """Start although that ConfigMap cannot be read."""
    authentication_token_webhook_cache_ttl: float = 10.0
    """Seconds that the answer to a TokenReview is kept."""
    client_ca_file: str = ""
    """PEM file with the authorities of users' client certificates. Empty: from the ConfigMap."""
    requestheader_client_ca_file: str = ""
    """PEM file with the front proxy's authorities. Empty: from the ConfigMap."""
    requestheader_allowed_names: tuple[str, ...] = ()
    """Common names a front proxy's certificate may have. Empty: any."""
    requestheader_username_headers: tuple[str, ...] = ("x-remote-user",)
    """Headers in which the front proxy names the user."""
    requestheader_group_headers: tuple[str, ...] = ("x-remote-group",)
    """Headers in which it names the groups."""
    requestheader_uid_headers: tuple[str, ...] = ()
    """Headers in which it names the uid. Empty: none is believed."""
    requestheader_extra_headers_prefix: tuple[str, ...] = ("x-remote-extra-",)
    """How the names of headers with further facts of the user begin."""

    authorization_kubeconfig: str = ""
    """File with the way to the kube-apiserver that reviews access; not given: ``kubeconfig``."""
    authorization_always_allow_paths: tuple[str, ...] = ("/healthz", "/readyz", "/livez")
    """Paths anybody may read; a ``*`` at the end stands for any rest. Given, the list replaces these."""
    authorization_webhook_cache_authorized_ttl: float = 10.0
    """Seconds that a SubjectAccessReview's yes is kept."""
    authorization_webhook_cache_unauthorized_ttl: float = 10.0
    """Seconds that its no is kept."""

    enable_watch: bool = False
    """Answer watches, give objects and lists a resourceVersion, and advertise the verb."""
    max_watchers: int = 1000
    """Watches answered at once, those above get 429."""
    max_requests_inflight: int = 400
    """Requests answered at once, those above get 429; 0: no limit."""
    request_timeout: float = 60.0
    """Seconds a request may take, and the longest drain at shutdown."""
    shutdown_delay_duration: float = 0.0
    """Seconds of serving on, unready, between the signal to stop and the drain."""
    shutdown_send_retry_after: bool = False
    """During the drain answer new requests 429 with ``Retry-After`` and ``Connection: close``."""

    peer_service: tuple[PeerTarget, ...] = ()
    """Where other replicas are looked for at start. Empty: nowhere."""
    peer_key_file: str = ""
    """File with the key that all replicas share and prove to each other. Empty: no peer is asked or answered."""

    verbosity: int = 0
    """``-v``: 0 is for operators, 2 says more, 4 and above is for debugging."""
    logging_format: LoggingFormat = "text"
    """``text``: klog's line format; ``json``: one object a line."""

    warnings: tuple[str, ...] = ()
    """What the operator should be told at start, one line each; set by ``parse_settings``, no flag of its own."""
