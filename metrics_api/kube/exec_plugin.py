"""Runs a kubeconfig's exec plugin, the program that hands out short-lived credentials.

Contract: ``client.authentication.k8s.io`` v1 and v1beta1, "client-go credential plugins" in Kubernetes' documentation.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from metrics_api.errors import KubeConfigError
from metrics_api.kube.credential_files import check_key_pair, check_token
from metrics_api.timetext import parse_rfc3339

_TIMEOUT = 60.0
_LARGEST_OUTPUT = 1 << 20


class PluginCredentials(NamedTuple):
    """What a run gave: a token, a client certificate, or both."""

    token: str | None
    certificate: bytes | None
    key: bytes | None
    expires: float | None
    """Unix time; ``None`` when the plugin does not say, then they are good until they are refused."""


class _Status(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: str | None = None


class _ExecCredential(msgspec.Struct, rename="camel"):
    kind: str
    api_version: str
    status: _Status | None = None


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """One plugin, as a user of a kubeconfig names it."""

    what: str
    """For messages."""
    command: str
    args: Sequence[str]
    environment: Mapping[str, str]
    """Added to this process's own."""
    api_version: str
    cluster: Mapping[str, Any] | None
    """``spec.cluster`` of what it is told, when it wants that."""
    install_hint: str
    timeout: float = _TIMEOUT

    async def run(self) -> PluginCredentials:
        """Run the program to its end.

        Raises:
            KubeConfigError: It does not start, fails, takes too long, or answers with something else.
        """
        output = await self._output()
        try:
            answer = msgspec.json.decode(output, type=_ExecCredential)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise self._error(f"did not print an ExecCredential object as JSON ({error})") from error
        if answer.kind != "ExecCredential" or answer.api_version != self.api_version:
            raise self._error(
                f"printed {answer.kind!r:.80} of {answer.api_version!r:.80}, not ExecCredential of {self.api_version!r}"
            )
        return self._credentials(answer.status or _Status())

    def _credentials(self, status: _Status) -> PluginCredentials:
        token = check_token(status.token, f"{self.what}: what the plugin printed") if status.token else None
        certificate = key = expires = None
        if status.client_certificate_data and status.client_key_data:
            certificate, key = status.client_certificate_data.encode(), status.client_key_data.encode()
            check_key_pair(certificate, key, f"{self.what}: what the plugin printed")
        if token is None and certificate is None:
            raise self._error("printed neither a token nor a client certificate with its key")
        if status.expiration_timestamp:
            try:
                expires = parse_rfc3339(status.expiration_timestamp)
            except ValueError as error:
                raise self._error(f"printed an expirationTimestamp that is no time ({error})") from error
        return PluginCredentials(token, certificate, key, expires)

    async def _output(self) -> bytes:
        spec: dict[str, Any] = {"interactive": False}
        if self.cluster is not None:
            spec["cluster"] = self.cluster
        told = {"kind": "ExecCredential", "apiVersion": self.api_version, "spec": spec}
        environment = {**os.environ, **self.environment, "KUBERNETES_EXEC_INFO": msgspec.json.encode(told).decode()}
        try:
            process = await asyncio.create_subprocess_exec(
                self.command, *self.args, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
            )
        except (OSError, ValueError) as error:
            hint = f"; {self.install_hint}" if self.install_hint else ""
            raise self._error(f"cannot be started ({error}){hint}") from error
        try:
            async with asyncio.timeout(self.timeout):
                output, complaint = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
                code = await process.wait()
        except TimeoutError as error:
            raise self._error(f"did not finish within {self.timeout:g} s; it must not ask anybody anything") from error
        finally:
            await _reap(process)
        if code != 0:
            raise self._error(f"ended with code {code}: {complaint.decode('utf-8', 'replace').strip()!r:.300}")
        return output

    def _error(self, problem: str) -> KubeConfigError:
        return KubeConfigError(f"{self.what}: the exec plugin {self.command!r} {problem}")


async def _bounded(stream: asyncio.StreamReader | None) -> bytes:
    """Read to the end, so that the program never waits for us, and keep the start."""
    kept = bytearray()
    while stream is not None and (chunk := await stream.read(65_536)):
        kept += chunk[: _LARGEST_OUTPUT - len(kept)]
    return bytes(kept)


async def _reap(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
