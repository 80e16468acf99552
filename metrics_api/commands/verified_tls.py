"""``metrics-api verified-tls``: how kube-apiserver verifies us, the one patch that undoes it, and what lifts that.

APIServices are read and patched with the rights of a kubeconfig; the server itself need not run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from metrics_api.commands.columns import columns
from metrics_api.commands.connecting import find_kubeconfig, open_cluster
from metrics_api.errors import KubeError, KubeStatusError
from metrics_api.objects import WRITTEN, APIServiceState
from metrics_api.timetext import format_rfc3339
from metrics_api.verifiedtls.decide import API_SERVICES, OFF, SWITCH
from metrics_api.verifiedtls.material import ends_of

_ATTEMPTS = 5
_CONFLICT = 409
_HEADER = ("APISERVICE", "SERVICE", "VERIFIED", "AUTHORITIES END", "SET BY")


class TrustStore(Protocol):
    """Where the APIServices are."""

    async def find(self, names: Sequence[str]) -> list[APIServiceState]:
        """Return those that exist; may raise ``KubeError``."""
        ...

    async def set_trust(
        self, api_service: APIServiceState, ca_bundle: bytes | None, annotations: Mapping[str, str | None]
    ) -> None:
        """Patch it, once: verified by this bundle, or not at all; may raise ``KubeError``."""
        ...


def run(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(perform(options.action, find_kubeconfig(options.kubeconfig)))
    except KubeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="metrics-api verified-tls", description="How kube-apiserver verifies the server's certificate."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="show|undo|allow")
    for name, meaning in (
        ("show", "print what the APIServices say"),
        (
            "undo",
            "verify nothing any more, in one patch each; the server keeps away until allow. First step of going back",
        ),
        ("allow", "let the server have itself verified again"),
    ):
        action = actions.add_parser(name, help=meaning, description=meaning)
        action.add_argument(
            "--kubeconfig", default="", help="default: $KUBECONFIG, then ~/.kube/config, then in-cluster"
        )
    return parser


async def perform(action: str, kubeconfig: str) -> int:
    """Do one of ``show``, ``undo`` and ``allow``; return the exit code.

    Raises:
        KubeError: kube-apiserver did not do as asked.
    """
    from metrics_api.kube.written import ApiServices

    async with open_cluster(kubeconfig) as client:
        store = ApiServices(client)
        found = await store.find(API_SERVICES)
        if not found:
            print(f"error: there is no APIService {' or '.join(API_SERVICES)}", file=sys.stderr)
            return 1
        if action == "show":
            print(table(found, time.time()))
        elif action == "undo":
            await undo_all(store, found)
        else:
            for each in found:
                print(f"{each.name}: {await insist(store, each.name, allow)}")
    return 0


async def undo_all(store: TrustStore, found: Sequence[APIServiceState]) -> None:
    """Undo it in each APIService of the Service that the server wrote for, and print what was done.

    One that it has not come to yet is kept from it as well; those of other Services are left alone. Where it wrote
    nothing so far nobody can tell which Service is its, so it is kept from each that is not verified.
    """
    ours = frozenset(each.service for each in found if WRITTEN in each.annotations)
    ours = ours or frozenset(each.service for each in found if each.is_insecure and each.service is not None)
    for each in found:
        if each.service in ours or each.annotations.get(SWITCH) == OFF:
            print(f"{each.name}: {await insist(store, each.name, undo)}")
        else:
            print(f"{each.name}: {_not_ours(each)}")


def _not_ours(each: APIServiceState) -> str:
    if not each.ca_bundle:
        return "metrics-api has set nothing for its Service: left alone"
    patch = '{"spec":{"insecureSkipTLSVerify":true,"caBundle":null}}'
    return (
        "its caBundle was not set by this server: left alone. To remove it by hand: "
        f"kubectl patch apiservice {each.name} --type=merge -p '{patch}'"
    )


async def insist(store: TrustStore, name: str, change: Callable[[TrustStore, APIServiceState], Awaitable[str]]) -> str:
    """Make a change, looking again when somebody else, such as the server itself, wrote in between."""
    for attempt in range(_ATTEMPTS):
        for each in await store.find([name]):
            try:
                return await change(store, each)
            except KubeStatusError as error:
                if error.code != _CONFLICT or attempt == _ATTEMPTS - 1:
                    raise
    return "it is gone"


def table(found: Sequence[APIServiceState], now: float) -> str:
    """Return how kube-apiserver verifies who serves the API."""
    return columns(_HEADER, [_row(each, now) for each in found])


def _row(each: APIServiceState, now: float) -> tuple[str, ...]:
    ends = ends_of(each.ca_bundle)
    if each.is_insecure:
        verified = "no"
    elif not each.ca_bundle:
        verified = "by kube-apiserver's own roots"
    else:
        verified = "yes" if any(end > now for end in ends) else "impossible"
    setter = "metrics-api" if WRITTEN in each.annotations else "another"
    return (
        each.name,
        "-" if each.service is None else str(each.service),
        f"{verified} (undone)" if each.annotations.get(SWITCH) == OFF else verified,
        ",".join(map(format_rfc3339, ends)) or "-",
        setter if each.ca_bundle else "-",
    )


async def undo(store: TrustStore, api_service: APIServiceState) -> str:
    """Have an APIService verified no more, and the server keep away from it; return what was done."""
    if api_service.annotations.get(SWITCH) == OFF and api_service.is_insecure:
        return "was undone before"
    await store.set_trust(api_service, None, {SWITCH: OFF, WRITTEN: None})
    if api_service.is_insecure:
        return "was not verified, and the server keeps away from it now"
    return "is verified no more (insecureSkipTLSVerify: true, no caBundle)"


async def allow(store: TrustStore, api_service: APIServiceState) -> str:
    """Lift ``undo``; return what was done."""
    if api_service.annotations.get(SWITCH) != OFF:
        return "was not undone"
    # Verified by no bundle is verified by kube-apiserver's own roots, and stays so
    await store.set_trust(api_service, None if api_service.is_insecure else api_service.ca_bundle, {SWITCH: None})
    return "the server may have itself verified again"
