"""Authentication and authorization, joined: the gate, what it trusts, and the reviews it asks for."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from metrics_api.app.connections import Connections, LatePoster
from metrics_api.auth.access import Authorizer
from metrics_api.auth.authentication import Authenticator
from metrics_api.auth.gate import Gate, InFlightLimit, Scope
from metrics_api.auth.lookup import NAME, NAMESPACE, TrustFlags, TrustLookup
from metrics_api.auth.peers import PeerJudge
from metrics_api.auth.reviews import Reviewer
from metrics_api.auth.tokens import TokenAuthenticator
from metrics_api.auth.trust import FrontProxyRules, Trust
from metrics_api.clock import Clock
from metrics_api.settings.values import Settings


class ReviewCounts(Protocol):
    """What a cache of reviews has counted."""

    hits: int
    misses: int

    def __len__(self) -> int:
        """Return how many answers it remembers."""
        ...


class Admission:
    """Who may pass.

    Args:
        settings: Flags of delegated authentication and authorization.
        clock: Time.
        trust_tls: Gives the TLS layer the authorities to verify client certificates against; raises ``ValueError``.
        peer_chain: Returns the verified certificates of a request's connection.
        in_flight: Bounds the requests that are being answered; ``None`` for no bound.

    Raises:
        StartupError: a CA file is not usable.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        trust_tls: Callable[[bytes], None],
        peer_chain: Callable[[Scope], tuple[bytes, ...]],
        in_flight: InFlightLimit | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._trust_tls = trust_tls
        self._peer_chain = peer_chain
        self._in_flight = in_flight
        self._authentication, self._authorization = LatePoster(), LatePoster()
        self._judge = PeerJudge(Trust())
        self._lookup = TrustLookup(_flags(settings), self._apply)
        self._lookup.start()
        self._has_looked_up: Callable[[], bool] = lambda: settings.authentication_skip_lookup
        self.review_caches: dict[str, ReviewCounts] = {}
        """``tokens`` and ``access`` -> what is remembered of kube-apiserver's answers."""
        self.gate = self._build_gate()

    @property
    def is_complete(self) -> bool:
        """Whether the cluster's authentication configuration is known, or need not be."""
        return self._settings.authentication_tolerate_lookup_failure or self._has_looked_up()

    @property
    def trust(self) -> Trust:
        """Whose certificates and headers are believed now."""
        return self._judge.trust

    @property
    def trust_fault(self) -> str:
        """Why what is configured is not in force; empty when it is."""
        return self._lookup.fault

    @property
    def peer_faults(self) -> tuple[str, ...]:
        """Why certificates of clients that verify prove less than they seem to."""
        return self._judge.faults

    @property
    def found_config_map(self) -> bool:
        """Whether the cluster's authentication configuration has been seen."""
        return self._lookup.found

    async def run(self, connections: Connections) -> None:
        """Connect to kube-apiserver and follow its authentication configuration until cancelled.

        Raises:
            KubeConfigError: there is no usable way.
        """
        _, reviewer_of_tokens = await connections.open(self._settings.authentication_kubeconfig)
        _, reviewer_of_access = await connections.open(self._settings.authorization_kubeconfig)
        self._authentication.client, self._authorization.client = reviewer_of_tokens, reviewer_of_access
        if self._settings.authentication_skip_lookup:
            return
        from metrics_api.kube.config_maps import one_config_map  # brings the Kubernetes client
        from metrics_api.kube.reflector import Reflector

        rng = random.Random()  # noqa: S311 - jitter, not a secret
        watch = Reflector(reviewer_of_tokens, one_config_map(NAMESPACE, NAME), self._lookup, clock=self._clock, rng=rng)
        self._has_looked_up = lambda: watch.has_synced
        await watch.run()

    def refresh(self) -> None:
        """Read CA files again that may have changed."""
        self._lookup.refresh()

    def _apply(self, trust: Trust) -> None:
        """Trust in both places or in neither: a certificate that verifies must also be judged, and the reverse."""
        before = self._judge.trust
        self._judge.set_trust(trust)
        try:
            self._trust_tls(trust.bundle)
        except ValueError:
            self._judge.set_trust(before)
            raise

    def _build_gate(self) -> Gate:
        settings, clock = self._settings, self._clock
        tokens = TokenAuthenticator(
            Reviewer(self._authentication, clock), clock, lifetime=settings.authentication_token_webhook_cache_ttl
        )
        authorizer = Authorizer(
            Reviewer(self._authorization, clock),
            clock,
            allowed_lifetime=settings.authorization_webhook_cache_authorized_ttl,
            denied_lifetime=settings.authorization_webhook_cache_unauthorized_ttl,
        )
        self.review_caches = {"tokens": tokens.cache, "access": authorizer.cache}
        return Gate(
            self._judge,
            Authenticator(self._judge, tokens, clock),
            authorizer,
            peer_chain=self._peer_chain,
            always_allowed=settings.authorization_always_allow_paths,
            in_flight=self._in_flight,
        )


def asks_for_certificates(settings: Settings) -> bool:
    """Return whether clients may prove who they are by a certificate at all."""
    files = settings.client_ca_file or settings.requestheader_client_ca_file
    return bool(files) or not settings.authentication_skip_lookup


def _flags(settings: Settings) -> TrustFlags:
    rules = FrontProxyRules(
        allowed_names=settings.requestheader_allowed_names,
        username_headers=_lower(settings.requestheader_username_headers),
        group_headers=_lower(settings.requestheader_group_headers),
        uid_headers=_lower(settings.requestheader_uid_headers),
        extra_prefixes=_lower(settings.requestheader_extra_headers_prefix),
    )
    return TrustFlags(settings.client_ca_file, settings.requestheader_client_ca_file, rules)


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)
