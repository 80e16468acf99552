"""What the contract suite runs against: an API server with an aggregation layer, whoever plays it.

A backend differs in how it is started and in how time passes; everything that is asserted goes over the wire and is the
same for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Protocol

from metrics_api.localcluster.authorities import Authorities
from metrics_api.localcluster.users import MASTERS_GROUP, User
from tests.localcluster.aggregation.extension_server import authority

ROBOT = User("robot", uid="42", groups=(MASTERS_GROUP,))
ROBOT_TOKEN = "robots-own-token"
READER = User("reader", uid="43", groups=("readers",))
READER_TOKEN = "readers-own-token"
ACTOR = User("actor", uid="44", groups=(MASTERS_GROUP,))
"""May do everything, and acts as others in one test only: kube-apiserver tries that mode first which worked last."""
ACTOR_TOKEN = "actors-own-token"
TOKENS = {ROBOT_TOKEN: ROBOT, READER_TOKEN: READER, ACTOR_TOKEN: ACTOR}
"""The bearer tokens that every backend knows from the start."""


@cache
def authorities() -> Authorities:
    """Return the cluster's and the front proxy's, the same for every backend."""
    return Authorities(authority("cluster-ca"), authority("front-proxy-ca"))


@dataclass(frozen=True)
class Place:
    """Where a backend is."""

    url: str
    """``https://<host>:<port>``."""
    host: str
    """An address of this machine that EndpointSlices may name: extension servers listen there."""
    request_limit: float = 60.0
    """Seconds that a request may take which is not long-running."""
    dials_services: bool = True
    """Whether ``ExternalName`` and a missing ClusterIP mean something; not where endpoints are dialled directly."""
    aggregates_roles: bool = True
    """Whether somebody gathers the rules of labelled roles, as kube-controller-manager does."""


class Backend(Protocol):
    """A running API server."""

    place: Place

    async def pass_time(self, seconds: float) -> None:
        """Let that much time pass for the API server, and what is due be done."""
        ...
