"""From a command line and an environment to ``Settings``, or to every fault in them at once."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from metrics_api.errors import SelectorError, SettingsError
from metrics_api.selectors import parse_label_selector
from metrics_api.settings import kinds
from metrics_api.settings.cipher_suites import TLS13_SUITES
from metrics_api.settings.flag import ENVIRONMENT_PREFIX, environment_name
from metrics_api.settings.flags import FLAGS, FRONT_PROXY_RULES, REQUESTS
from metrics_api.settings.inert import INERT
from metrics_api.settings.pflag import Grammar, Occurrence, normalize, read_arguments, suggest
from metrics_api.settings.quoting import one_line, quote
from metrics_api.settings.rules import find_faults
from metrics_api.settings.values import Settings, default_max_metric_age

_GRAMMAR = Grammar(
    is_boolean={
        **{name: flag.kind.is_boolean for name, flag in FLAGS.items()},
        **{name: flag.kind.is_boolean for name, flag in INERT.items()},
        **dict.fromkeys(REQUESTS, True),
    },
    shorthands={
        **{flag.shorthand: name for name, flag in FLAGS.items() if flag.shorthand},
        **{letter: name for name, letter in REQUESTS.items() if letter},
    },
)
_VARIABLES = {environment_name(name): name for name in (*FLAGS, *INERT)}


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings that flags and environment variables ask for.

    A flag wins over its variable ``METRICS_API_FLAG_...``; of several uses the last wins, lists are joined. Other
    variables are not looked at: Kubernetes injects ``METRICS_API_SERVICE_HOST`` and the like for a Service of that
    name. ``--help`` and ``--version`` change nothing here; see ``find_request``.

    Raises:
        SettingsError: with every fault of both.
    """
    reading = read_arguments(arguments, _GRAMMAR)
    on_line = {occurrence.name for occurrence in reading.occurrences}
    variables, faults = _read_environment(environment)
    collected = _Collected([*faults, *reading.faults])
    for occurrence in (*(use for use in variables if use.name not in on_line), *reading.occurrences):
        collected.add(occurrence)
    settings = collected.finish()
    faults = [*collected.faults, *find_faults(settings, collected.unreadable)]
    if faults:
        raise SettingsError(faults)
    return settings


def find_request(arguments: Sequence[str]) -> Literal["help", "version"] | None:
    """Return what the arguments ask to be printed instead of run, ``None`` when nothing; help comes first."""
    asked = {use.name: use.value for use in read_arguments(arguments, _GRAMMAR).occurrences if use.name in REQUESTS}
    for name in ("help", "version"):
        try:
            if kinds.parse_bool(asked.get(name, "false")):
                return name
        except ValueError:
            continue  # a fault of the settings, told by parse_settings
    return None


def _read_environment(environment: Mapping[str, str]) -> tuple[list[Occurrence], list[str]]:
    occurrences, faults = [], []
    for variable in sorted(name for name in environment if name.startswith(ENVIRONMENT_PREFIX)):
        if variable in _VARIABLES:
            occurrences.append(
                Occurrence(_VARIABLES[variable], environment[variable], f"environment variable {variable}")
            )
            continue
        nearest = suggest(normalize(variable.removeprefix(ENVIRONMENT_PREFIX).lower()), {**FLAGS, **INERT})
        hint = f" (did you mean {environment_name(nearest)}?)" if nearest else ""
        faults.append(f"unknown flag in environment variable {one_line(variable)}{hint}")
    return occurrences, faults


class _Collected:
    """The values read so far, and what was wrong with them."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        self.unreadable: set[str] = set()
        self._values: dict[str, object] = {}
        self._inert: dict[str, str] = {}
        """Name -> warning; a dict keeps the order and drops repetitions."""

    def add(self, use: Occurrence) -> None:
        """Take one use of a flag."""
        flag, inert = FLAGS.get(use.name), INERT.get(use.name)
        kind = flag.kind if flag else inert.kind if inert else kinds.BOOL
        try:
            value = kind.parse(use.value)
        except ValueError as error:
            self.unreadable.add(use.name)
            self.faults.append(_invalid(use.value, use.where, error))
            return
        if flag:
            before = self._values.get(flag.field)
            if kind.is_list and isinstance(before, tuple) and isinstance(value, tuple):
                value = (*before, *value)
            self._values[flag.field] = value
        elif inert:
            self._inert[use.name] = f"--{use.name} does nothing here: {inert.reason}"
            if inert.check and (fault := inert.check(value)) is not None:
                self.faults.append(fault)

    def finish(self) -> Settings:
        """Return the settings with what follows from others filled in."""
        values = self._values
        for name in ("authentication_kubeconfig", "authorization_kubeconfig"):
            values.setdefault(name, values.get("kubeconfig", ""))
        settings = dataclasses.replace(Settings(), **values)  # type: ignore[arg-type]  # kinds fit fields: tested
        if "max_metric_age" not in values:
            settings = dataclasses.replace(settings, max_metric_age=default_max_metric_age(settings.metric_resolution))
        if "kubelet_tls_verify" not in values and settings.kubelet_insecure_tls:
            settings = dataclasses.replace(settings, kubelet_tls_verify="none")
        settings, tls_warnings = _raise_tls(settings)
        settings = self._with_selector(settings)
        warnings = (
            *self._inert.values(),
            *tls_warnings,
            *_insecure(settings),
            *_unusual_headers(settings),
            *_without_authority(settings),
        )
        return dataclasses.replace(settings, warnings=warnings)

    def _with_selector(self, settings: Settings) -> Settings:
        if not settings.node_selector:
            return settings
        try:
            selector = parse_label_selector(settings.node_selector)
        except SelectorError as error:
            self.faults.append(_invalid(settings.node_selector, '"-l, --node-selector" flag', error))
            return settings
        return dataclasses.replace(settings, node_label_selector=selector)


def _invalid(value: str, where: str, error: Exception) -> str:
    return f"invalid argument {quote(value)} for {where}: {one_line(str(error), 1000)}"


def _raise_tls(settings: Settings) -> tuple[Settings, list[str]]:
    version, suites, warnings = settings.tls_min_version, settings.tls_cipher_suites, []
    if version < ssl.TLSVersion.TLSv1_2:
        warnings.append(f"--tls-min-version={kinds.show(version)} is raised to VersionTLS12: older TLS is not secure")
        version = ssl.TLSVersion.TLSv1_2
    if suites and TLS13_SUITES.issuperset(suites) and version < ssl.TLSVersion.TLSv1_3:
        warnings.append("--tls-cipher-suites names suites of TLS 1.3 only: older TLS is not spoken")
        version = ssl.TLSVersion.TLSv1_3
    return dataclasses.replace(settings, tls_min_version=version), warnings


def _insecure(settings: Settings) -> Iterator[str]:
    if settings.kubelet_tls_verify == "none":
        flag = "--kubelet-insecure-tls" if settings.kubelet_insecure_tls else "--kubelet-tls-verify=none"
        yield (
            f"{flag}: kubelets' certificates are not verified; whoever answers at a node's address "
            "receives this program's credentials"
        )
    if settings.kubelet_tls_verify == "pin":
        yield (
            "--kubelet-tls-verify=pin: after each start, the first to answer at a node's address is believed and "
            "receives this program's credentials; serverTLSBootstrap in the kubelets' configuration makes node-name "
            "possible, which needs no such trust"
        )
    if settings.deprecated_kubelet_completely_insecure:
        yield "--deprecated-kubelet-completely-insecure: anybody between here and a kubelet can read and forge metrics"


def _unusual_headers(settings: Settings) -> Iterator[str]:
    """Yield the generic API server's words for a list without what kube-apiserver sends by default."""
    for flag, usual, what in (
        ("requestheader-username-headers", "X-Remote-User", "header"),
        ("requestheader-group-headers", "X-Remote-Group", "header"),
        ("requestheader-uid-headers", "X-Remote-Uid", "header"),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-", "header prefix"),
    ):
        names = [name.lower() for name in getattr(settings, FLAGS[flag].field)]
        if names and usual.lower() not in names:
            yield f"--{flag} is set without specifying the standard {usual} {what} - API aggregation will not work"


def _without_authority(settings: Settings) -> Iterator[str]:
    """Yield what has no effect, or trusts nobody, for want of a file of authorities."""
    if settings.requestheader_client_ca_file:
        return
    usual = Settings()
    for flag in FRONT_PROXY_RULES:
        given, default = (getattr(each, FLAGS[flag].field) for each in (settings, usual))
        if [name.lower() for name in given] != list(default):
            yield (
                f"--{flag} has no effect without --requestheader-client-ca-file: what the ConfigMap "
                "kube-system/extension-apiserver-authentication says counts"
            )
    if settings.authentication_skip_lookup:
        yield (
            "--authentication-skip-lookup without --requestheader-client-ca-file: no front proxy is believed, so "
            "kube-apiserver gets no answer"
        )
