"""Looks, serves what the Secret holds, and where this replica leads, takes the steps that ``decide`` names."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from metrics_api.clock import Clock
from metrics_api.errors import KubeError, KubeStatusError, ServingSecretError, StartupError
from metrics_api.objects import WRITTEN, APIServiceState, Endpoint, ObjectName, SecretState
from metrics_api.pki import KeyPair
from metrics_api.timetext import format_rfc3339
from metrics_api.verifiedtls import material
from metrics_api.verifiedtls.cluster import Cluster
from metrics_api.verifiedtls.decide import (
    MANAGED,
    ROTATE,
    SWITCH,
    Observed,
    Presented,
    Publish,
    Rest,
    Step,
    Trust,
    Wait,
    Write,
    decide,
    digest,
    findings,
    is_published,
    trust_in,
    verifies,
)
from metrics_api.verifiedtls.dial import dial_all
from metrics_api.verifiedtls.election import Election
from metrics_api.verifiedtls.material import Change, Lifetimes, Material
from metrics_api.verifiedtls.said import Said

_log = logging.getLogger(__name__)
_CONFLICT, _FORBIDDEN = 409, 403
_FAREWELL = 3.0  # seconds that giving up the Lease may take at shutdown
_SECRET, _LEASE, _LISTENER, _API_SERVER, _NEXT = "Secret", "Lease", "Listener", "kube-apiserver", "Verified TLS"
_HELD_BACK = (
    "kube-apiserver does not trust its authority, or not for long enough; what was served is served on meanwhile"
)
Dial = Callable[[Sequence[Endpoint], str], Awaitable[Sequence[Presented]]]
"""Finds out what endpoints show when they are asked for a name."""


class Timing(NamedTuple):
    """Seconds."""

    period: float = 20.0
    """From one look to the next when all is well."""
    soon: float = 2.0
    """The same after a step, and as long as this replica is not ready."""
    settle: float = 300.0
    """For which an authority stays published before it signs, so that every kube-apiserver has heard of it."""
    lease: float = 60.0
    """After which a leader that is gone is replaced."""


class VerifiedTls:
    """One replica's part in it.

    Args:
        cluster: Kubernetes.
        service: Our Service.
        clock: Time.
        serve: Serves new connections with a pair; raises ``StartupError`` when it is not usable.
        identity: Who this replica is among the others.
        shown: What is served before the Secret was read, DER; ``None`` for a certificate that nobody verifies.
        timing: How often and how long.
        lifetimes: Of certificates.
        dial: Asks the endpoints of our Service.
    """

    def __init__(
        self,
        cluster: Cluster,
        service: ObjectName,
        clock: Clock,
        serve: Callable[[KeyPair], None],
        *,
        identity: str,
        shown: bytes | None = None,
        timing: Timing = Timing(),  # noqa: B008 - a tuple
        lifetimes: Lifetimes = Lifetimes(),  # noqa: B008 - a tuple
        dial: Dial = dial_all,
    ) -> None:
        self._cluster = cluster
        self._service = service
        self._clock = clock
        self._serve = serve
        self._timing = timing
        self._lifetimes = lifetimes
        self._dial = dial
        self._election = Election(clock, identity, timing.lease)
        self._shown = shown
        self._served: Material | None = None
        self._obstacle: str | None = "it is not known yet whether kube-apiserver verifies this server"
        self._settled_since: float | None = None
        self._held_until = 0.0
        self._said = Said(_log)

    def readiness(self) -> str | None:
        """Return why this replica must not be asked yet; ``None`` for good once it was believed."""
        return self._obstacle

    async def run(self) -> None:
        """Look and act until cancelled; then let another lead at once."""
        try:
            while True:
                await self._clock.sleep(await self._turn())
        finally:
            await self._resign()

    async def _turn(self) -> float:
        """Look once, act, and return the seconds to the next time."""
        try:
            step = await self._look_and_act()
        except KubeError as error:
            code = error.code if isinstance(error, KubeStatusError) else None
            if code == _CONFLICT:
                _log.debug("Somebody else wrote first: %s", error)
            else:
                advice = "; the overlay verified-tls grants it" if code == _FORBIDDEN else ""
                self._said.note(_API_SERVER, f"{error}{advice}; what was served before is served on")
            return self._timing.soon if code == _CONFLICT or self._obstacle else self._timing.period
        self._said.note(_API_SERVER, "")
        return self._timing.soon if isinstance(step, Write | Publish) or self._obstacle else self._timing.period

    async def _look_and_act(self) -> Step:
        secret = await self._cluster.secret()
        api_services = await self._cluster.api_services()
        held, fault = self._take(secret, api_services)
        self._judge(api_services)
        self._note_settled(held, api_services)
        if not await self._lead():
            return Rest()
        seen = Observed(
            service=self._service,
            now=self._clock.now(),
            has_secret=secret is not None,
            is_managed=secret is not None and secret.annotations.get(SWITCH) == MANAGED,
            is_rotation_wanted=secret is not None and ROTATE in secret.annotations,
            material=held,
            fault=fault,
            remembered=self._served,
            api_services=api_services,
            endpoints=await self._dial(await self._cluster.endpoints(), material.server_name(self._service)),
            settled=0.0 if self._settled_since is None else self._clock.monotonic() - self._settled_since,
        )
        step = decide(seen, self._lifetimes, self._timing.settle)
        self._said.note_all(findings(seen), "APIService")
        self._said.note(_NEXT, step.why if isinstance(step, Wait) else "", logging.INFO)
        if self._election.leads:  # the dialling may have taken long
            await self._act(step, seen, secret)
        return step

    def _take(self, secret: SecretState | None, api_services: Sequence[APIServiceState]) -> tuple[Material | None, str]:
        """Serve what the Secret holds, if that may be; return it, and what is wrong with it."""
        if secret is None:
            self._said.note(_SECRET, "it is gone; what it said last is served on")
            return None, ""
        try:
            held = material.read(secret.data)
        except ServingSecretError as error:
            self._said.note(_SECRET, f"it is of no use: {error}; what was served before is served on")
            return None, str(error)
        is_held_back = False
        if held is not None and held != self._served:
            is_held_back = not self._may_show(held, api_services)
            if not is_held_back:
                self._take_over(held)
        self._said.note(_SECRET, _HELD_BACK if is_held_back else "")
        return held, ""

    def _may_show(self, held: Material, api_services: Sequence[APIServiceState]) -> bool:
        """Return whether no kube-apiserver would stop believing us: the Secret may have been exchanged for another."""
        leaf, monotonic = material.shown(held.leaf.certificate), self._clock.monotonic()
        trust = trust_in(leaf, self._shown, api_services, self._service, self._clock.now())
        if trust is Trust.MISSING:
            self._held_until = monotonic + self._timing.settle
        return trust is Trust.NOTHING_TO_LOSE or (trust is Trust.GIVEN and monotonic >= self._held_until)

    def _take_over(self, held: Material) -> None:
        self._settled_since = None
        if self._served is None or held.leaf != self._served.leaf:
            try:
                self._serve(held.leaf)
            except StartupError as error:
                self._said.note(_LISTENER, str(error))
                return
            self._shown = material.shown(held.leaf.certificate)
            self._said.note(_LISTENER, "")
            _log.info("Serving the certificate of the Secret", extra={"fields": {"expires": _end(held)}})
        self._served = held

    def _judge(self, api_services: Sequence[APIServiceState]) -> None:
        """Find out whether kube-apiserver would believe this replica. Once believed, it is never taken back here."""
        if self._obstacle is None:
            return
        verifying = [each for each in api_services if verifies(each, self._service)]
        name, now = material.server_name(self._service), self._clock.now()
        doubting = [each.name for each in verifying if not material.believes(each.ca_bundle, self._shown, name, now)]
        self._obstacle = (
            f"kube-apiserver would not believe this server's certificate: it is not signed by the caBundle of "
            f"{doubting[0]}"
            if doubting
            else None
        )

    def _note_settled(self, held: Material | None, api_services: Sequence[APIServiceState]) -> None:
        if held is None or not is_published(api_services, self._service, held):
            self._settled_since = None
        elif self._settled_since is None:
            self._settled_since = self._clock.monotonic()

    async def _lead(self) -> bool:
        lease = await self._cluster.lease()
        if lease is None:
            self._election.lost()
            self._said.note(_LEASE, "it is gone: nobody leads, and nothing is renewed; apply the manifest again")
            return False
        self._said.note(_LEASE, "")
        bid = self._election.bid(lease)
        if bid is None:
            self._election.lost()
            return False
        led = self._election.leads
        await self._cluster.write_lease(bid)
        self._election.won()
        if not led:
            _log.info("This replica looks after the serving certificate", extra={"fields": {"service": self._service}})
        return True

    async def _act(self, step: Step, seen: Observed, secret: SecretState | None) -> None:
        if isinstance(step, Write) and secret is not None:
            before = seen.remembered if step.change is Change.RESTORE else seen.material
            after = material.change(step.change, before, self._service, self._lifetimes, seen.now)
            marks = {SWITCH: MANAGED, **({ROTATE: None} if step.change is Change.ADD_NEXT else {})}
            await self._cluster.write_secret(secret.version, material.write(after), marks)
            _log.info("Secret: %s", step.change.value, extra={"fields": {"expires": _end(after)}})
        elif isinstance(step, Publish):
            await self._cluster.set_trust(step.api_service, step.bundle, {WRITTEN: digest(step.bundle)})
            _log.info("APIService %s: caBundle set: %s", step.api_service.name, step.why)

    async def _resign(self) -> None:
        if not self._election.leads:
            return
        self._election.lost()
        try:
            async with asyncio.timeout(_FAREWELL):
                lease = await self._cluster.lease()
                given_up = None if lease is None else self._election.resignation(lease)
                if given_up is not None:
                    await self._cluster.write_lease(given_up)
        except (KubeError, TimeoutError) as error:
            _log.debug("The Lease is left to expire: %s", error)


def _end(held: Material) -> str:
    return format_rfc3339(material.expiry(held.leaf.certificate))
