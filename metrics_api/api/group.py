"""What the API group is made of: its versions and its two resources."""

from __future__ import annotations

from typing import NamedTuple

GROUP = "metrics.k8s.io"
VERSIONS = ("v1", "v1beta1")
"""Preferred first: a client takes the first it knows, and v1 is the stable one.

Behind kube-apiserver the order comes from the APIService objects' versionPriority; ours say the same. The versions have
the same types, so an item's bytes serve both.
"""
VERBS = ("get", "list")
WATCH_VERB = "watch"
"""The verb there is besides when watches are answered."""
DEBUG = "debug"
"""Below a version, in no discovery document: how the server stands. Whoever answers it adds routes to the application.

To authorization it is a resource of that name.
"""


class Resource(NamedTuple):
    """One resource of the group, alike in every version."""

    name: str
    """Plural, as in paths."""
    kind: str
    namespaced: bool

    @property
    def qualified_name(self) -> str:
        """Resource and group, as messages name it."""
        return f"{self.name}.{GROUP}"


NODES = Resource("nodes", "NodeMetrics", namespaced=False)
PODS = Resource("pods", "PodMetrics", namespaced=True)
RESOURCES = {resource.name: resource for resource in (NODES, PODS)}
