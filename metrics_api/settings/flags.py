"""The flags that change something here: one table, from which the parser, ``--help`` and ``docs/flags.md`` are made."""

from __future__ import annotations

from metrics_api.settings import kinds
from metrics_api.settings.flag import Flag, Section

REQUESTS = {"help": "h", "version": ""}
"""Flags that ask for something to be printed, and their shorthands; they are no settings and have no variable."""

_METRICS = Section(
    "Metrics",
    (
        Flag(
            "metric-resolution",
            kinds.DURATION,
            "How often each node is asked, at least 10s. Kubelets measure every 10 to 15 s: below 15s little is won.",
        ),
        Flag(
            "max-metric-age",
            kinds.DURATION,
            "How long the last usage of a node or pod is served when no newer one comes. Not in metrics-server.",
            computed="the larger of 90s and 2 x metric-resolution + 45s",
        ),
        Flag(
            "kubeconfig",
            kinds.STRING,
            "Kubeconfig file for kube-apiserver; its credentials and authorities also serve for the kubelets. "
            "Empty: the service account of the pod.",
        ),
        Flag(
            "node-selector",
            kinds.STRING,
            "Label selector, such as type!=virtual-kubelet: only these nodes are asked and served. Empty: all nodes.",
            shorthand="l",
        ),
        Flag(
            "per-node-metrics",
            kinds.BOOL,
            "Whether /metrics has metrics-server's two families by node, 15 series a node. No other family grows with "
            "the cluster. Not in metrics-server.",
        ),
    ),
)

_KUBELETS = Section(
    "Kubelets",
    (
        Flag(
            "kubelet-endpoint",
            kinds.one_of("auto", "summary", "resource"),
            "What kubelets are asked for: summary is /stats/summary (RBAC nodes/stats), resource is /metrics/resource "
            "(RBAC nodes/metrics), auto takes the first and falls back to the second where it is refused. "
            "Not in metrics-server.",
        ),
        Flag(
            "kubelet-request-timeout",
            kinds.DURATION,
            "How long a kubelet may take to answer. A node known to be slow may get more, up to two periods.",
        ),
        Flag(
            "kubelet-preferred-address-types",
            kinds.WORDS,
            "Which of a node's addresses to use: the first type in this list that the node has.",
        ),
        Flag("kubelet-port", kinds.INT, "Port of the kubelets."),
        Flag(
            "kubelet-use-node-status-port",
            kinds.BOOL,
            "Use the port that the Node object names; --kubelet-port is for nodes that name none.",
        ),
        Flag(
            "kubelet-denied-cidrs",
            kinds.NETWORKS,
            "Addresses never asked, whatever a Node object says, because our token goes with the question. "
            "An empty value denies none. Not in metrics-server.",
        ),
        Flag(
            "kubelet-certificate-authority",
            kinds.STRING,
            "PEM file with the authorities that sign kubelets' serving certificates. Empty: those of the kubeconfig or "
            "of the service account.",
        ),
        Flag(
            "kubelet-insecure-tls",
            kinds.BOOL,
            "Believe any serving certificate of a kubelet. For tests: whoever answers at a node's address gets our "
            "token.",
        ),
        Flag(
            "kubelet-tls-verify",
            kinds.one_of("full", "node-name", "pin", "none"),
            "What a kubelet's serving certificate must prove: full is an authority and the address dialled, node-name "
            "an authority and the node's name at any address, pin the key that the node had when it was first met (for "
            "kubelets that sign their own certificate), none nothing. Not in metrics-server.",
            computed="full, or none with --kubelet-insecure-tls",
        ),
        Flag(
            "kubelet-client-certificate",
            kinds.STRING,
            "PEM file with a client certificate for kubelets, with --kubelet-client-key.",
        ),
        Flag("kubelet-client-key", kinds.STRING, "PEM file with the key of --kubelet-client-certificate."),
        Flag(
            "deprecated-kubelet-completely-insecure",
            kinds.BOOL,
            "Ask kubelets over plain HTTP and without credentials.",
        ),
    ),
)

_SERVING = Section(
    "Serving",
    (
        Flag("bind-address", kinds.IP, "IP address to listen on; 0.0.0.0 and :: mean all interfaces, both families."),
        Flag("secure-port", kinds.INT, "HTTPS port; 0 takes a free one."),
        Flag(
            "cert-dir",
            kinds.STRING,
            "Directory of the self-signed pair apiserver.crt and apiserver.key, which is made when --tls-cert-file is "
            "not given.",
        ),
        Flag("tls-cert-file", kinds.STRING, "PEM file with the serving certificate, its chain after it."),
        Flag("tls-private-key-file", kinds.STRING, "PEM file with the key of --tls-cert-file."),
        Flag(
            "tls-sni-cert-key",
            kinds.CERT_KEYS,
            "Another pair, for clients that ask for certain names: a.crt,a.key:*.example.com,example.com. Without "
            "names those in the certificate count. Repeatable.",
        ),
        Flag(
            "tls-min-version",
            kinds.TLS_VERSION,
            "Oldest TLS version spoken: VersionTLS12 or VersionTLS13. VersionTLS10 and VersionTLS11 are raised to 1.2.",
        ),
        Flag(
            "tls-cipher-suites",
            kinds.WORDS,
            "Cipher suites of TLS 1.2 by Go's names; those of TLS 1.3 are always on. Empty: OpenSSL's choice.",
        ),
        Flag(
            "verified-tls",
            kinds.STRING,
            "NAMESPACE/NAME of this server's Service: its replicas then share a certificate in the Secret "
            "NAME-serving, renew it, and have kube-apiserver verify it (caBundle). The overlay verified-tls has what "
            "that needs. Not in metrics-server.",
        ),
        Flag("disable-http2-serving", kinds.BOOL, "No HTTP/2. Only HTTP/1.1 is spoken in any case."),
        Flag("permit-address-sharing", kinds.BOOL, "Listen with SO_REUSEADDR. It is set in any case, as Go sets it."),
        Flag("permit-port-sharing", kinds.BOOL, "Listen with SO_REUSEPORT, so that several processes share the port."),
    ),
)

_AUTHENTICATION = Section(
    "Authentication",
    (
        Flag(
            "authentication-kubeconfig",
            kinds.STRING,
            "Kubeconfig file for TokenReviews and for the ConfigMap kube-system/extension-apiserver-authentication. "
            "An explicit empty value means the service account of the pod.",
            computed="as --kubeconfig",
        ),
        Flag(
            "authentication-skip-lookup",
            kinds.BOOL,
            "Do not read that ConfigMap; the flags below must say what it would.",
        ),
        Flag(
            "authentication-tolerate-lookup-failure",
            kinds.BOOL,
            "Start although that ConfigMap cannot be read: then only tokens tell who asks.",
        ),
        Flag("authentication-token-webhook-cache-ttl", kinds.DURATION, "How long a TokenReview's answer is kept."),
        Flag(
            "client-ca-file",
            kinds.STRING,
            "PEM file with the authorities of users' client certificates. Empty: from the ConfigMap.",
        ),
        Flag(
            "requestheader-client-ca-file",
            kinds.STRING,
            "PEM file with the authorities of the front proxy, which is kube-apiserver. Empty: from the ConfigMap, "
            "and the next five have no effect.",
        ),
        Flag(
            "requestheader-allowed-names",
            kinds.STRINGS,
            "Common names that a front proxy's certificate may have. Empty: any that those authorities signed.",
        ),
        Flag("requestheader-username-headers", kinds.WORDS, "Headers in which the front proxy names the user."),
        Flag("requestheader-group-headers", kinds.WORDS, "Headers in which it names the user's groups."),
        Flag("requestheader-uid-headers", kinds.WORDS, "Headers in which it names the user's uid. Empty: none."),
        Flag(
            "requestheader-extra-headers-prefix",
            kinds.WORDS,
            "How the names of the headers with further facts of the user begin.",
        ),
    ),
)

_AUTHORIZATION = Section(
    "Authorization",
    (
        Flag(
            "authorization-always-allow-paths",
            kinds.PATHS,
            "Paths that anybody may read; a * at the end stands for any rest. The list replaces the default one.",
        ),
        Flag(
            "authorization-kubeconfig",
            kinds.STRING,
            "Kubeconfig file for SubjectAccessReviews. An explicit empty value means the service account of the pod.",
            computed="as --kubeconfig",
        ),
        Flag("authorization-webhook-cache-authorized-ttl", kinds.DURATION, "How long a review's yes is kept."),
        Flag("authorization-webhook-cache-unauthorized-ttl", kinds.DURATION, "How long a review's no is kept."),
    ),
)

_REQUESTS = Section(
    "Requests and shutdown",
    (
        Flag(
            "enable-watch",
            kinds.BOOL,
            "Answer watches: each new sample is an event. Objects and lists then have a resourceVersion, and discovery "
            "has the verb. Not in metrics-server.",
        ),
        Flag(
            "max-watchers",
            kinds.INT,
            "Watches answered at once, half of them for one user; more get 429. They do not count as requests in "
            "flight, and --request-timeout does not end them. Not in metrics-server.",
        ),
        Flag("max-requests-inflight", kinds.INT, "Requests answered at once; more get 429. 0: no limit."),
        Flag("request-timeout", kinds.DURATION, "Longest time for one request, and for the drain at shutdown."),
        Flag(
            "shutdown-delay-duration",
            kinds.DURATION,
            "After SIGTERM serve on for this long, not ready, so that kube-apiserver turns to another replica.",
        ),
        Flag(
            "shutdown-send-retry-after",
            kinds.BOOL,
            "While requests under way end, answer new ones 429 with Retry-After instead of refusing the connection.",
        ),
    ),
)

_PEERS = Section(
    "Peers",
    (
        Flag(
            "peer-service",
            kinds.PEER_TARGETS,
            "Where other replicas are found, such as metrics-server-peers.kube-system.svc: one that starts takes over "
            "the samples of one that runs. With a port where it is not --secure-port. Empty: every start is a cold "
            "one. Not in metrics-server.",
        ),
        Flag(
            "peer-key-file",
            kinds.STRING,
            "File with the key that all replicas share, at least 32 bytes that cannot be guessed; read anew each time. "
            "Not in metrics-server.",
        ),
    ),
)

_LOGGING = Section(
    "Logging",
    (
        Flag(
            "v",
            kinds.INT,
            "How much is logged: 0 for operation, 2 says more, 4 is for debugging.",
            shorthand="v",
            setting="verbosity",
        ),
        Flag("logging-format", kinds.one_of("text", "json"), "One line of text, or one JSON object, for each record."),
    ),
)

SECTIONS = (_METRICS, _KUBELETS, _SERVING, _AUTHENTICATION, _AUTHORIZATION, _REQUESTS, _PEERS, _LOGGING)

FLAGS = {flag.name: flag for section in SECTIONS for flag in section.flags}
"""Name -> flag, in the order of the sections."""

FRONT_PROXY_RULES = (
    "requestheader-allowed-names",
    "requestheader-username-headers",
    "requestheader-group-headers",
    "requestheader-uid-headers",
    "requestheader-extra-headers-prefix",
)
"""Flags that say what a front proxy's certificate and headers must be; they count with its authority's file only."""
