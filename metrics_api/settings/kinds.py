"""What a flag's value may look like: the types of pflag and component-base, each with Go's words for a fault.

Rules: pflag ``bool.go``, ``int.go``, ``duration.go``, ``string_slice.go``, ``ip.go``; component-base
``cli/flag/namedcertkey_flag.go`` and ``ciphersuites_flag.go``.
"""

from __future__ import annotations

import csv
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from metrics_api.settings.quoting import quote
from metrics_api.settings.values import Address, NamedCertKey, Network, PeerTarget
from metrics_api.timetext import format_duration, parse_duration

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_INT64 = 1 << 63
_LONGEST_DURATION = _INT64 / 1e9
_TLS_VERSIONS = {
    "": ssl.TLSVersion.TLSv1_2,
    "VersionTLS10": ssl.TLSVersion.TLSv1,
    "VersionTLS11": ssl.TLSVersion.TLSv1_1,
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of value."""

    word: str
    """How help names it."""
    parse: Callable[[str], object]
    """Text -> value; raises ``ValueError`` with the reason."""
    is_boolean: bool = False
    is_list: bool = False
    """``parse`` returns a tuple; the flag's first use replaces the default, further ones append."""


def parse_bool(text: str) -> bool:
    """Return a Go boolean.

    Raises:
        ValueError: with Go's words.
    """
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")


def _parse_int(text: str) -> int:
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise ValueError(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    sign, digits = match.groups()
    if re.fullmatch(r"0[0-7]+", digits):
        digits = f"0o{digits}"  # Go reads a leading zero as octal, as C does
    # 64 bits fit in 66 characters of the longest notation; Python itself refuses thousands of digits
    number = int(sign + digits, 0) if len(digits) <= 66 else _INT64
    if not -_INT64 <= number < _INT64:
        raise ValueError(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return number


def _parse_float(text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    return float(text)


def _parse_duration(text: str) -> float:
    seconds = parse_duration(text)
    if abs(seconds) >= _LONGEST_DURATION:
        raise ValueError(f"time: invalid duration {quote(text)}")
    return seconds


def _parse_strings(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    try:
        return tuple(next(csv.reader([text], strict=True)))
    except csv.Error as error:
        raise ValueError(f"not a comma separated list: {error}") from error


def _parse_words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _parse_strings(text))


def _parse_paths(text: str) -> tuple[str, ...]:
    # Kubernetes compares paths without their first slash, so that both ways of writing one are right
    return tuple(f"/{path.removeprefix('/')}" for path in _parse_strings(text))


def _parse_ip(text: str) -> Address:
    text = text.strip()
    if not text:
        return IPv4Address(0)
    try:
        address = ip_address(text)
    except ValueError as error:
        raise ValueError(f"failed to parse IP: {quote(text)}") from error
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ValueError(f"failed to parse IP: {quote(text)}")
    return address


def _parse_networks(text: str) -> tuple[Network, ...]:
    return tuple(map(_parse_network, _parse_words(text)))


def _parse_network(text: str) -> Network:
    try:
        if "%" in text:
            raise ValueError("a network has no zone")
        return ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"invalid CIDR address: {quote(text)} (it is written like 10.0.0.0/8 or fd00::/8)") from error


_PEER_TARGET = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s/\[\]:]+))(?::([0-9]{1,5}))?")


def _parse_peer_targets(text: str) -> tuple[PeerTarget, ...]:
    return tuple(map(_parse_peer_target, _parse_words(text)))


def _parse_peer_target(text: str) -> PeerTarget:
    match = _PEER_TARGET.fullmatch(text)
    port = int(match[3]) if match and match[3] else None
    if match is None or (port is not None and not 0 < port < 1 << 16):
        raise ValueError(
            f"{quote(text)} is no host with an optional port, such as peers.example:10250 or [fd00::1]:10250"
        )
    return PeerTarget(match[1] or match[2], port)


def _parse_cert_key(text: str) -> tuple[NamedCertKey, ...]:
    pair, colon, names_text = text.partition(":")
    names = tuple(name.strip() for name in names_text.split(",")) if names_text.strip() else ()
    if colon and not names:
        raise ValueError("empty names list is not allowed")
    files = [part.strip() for part in pair.split(",")]
    if len(files) != 2:
        raise ValueError("expected comma separated certificate and key file paths")
    return (NamedCertKey(files[0], files[1], names),)


def _parse_tls_version(text: str) -> ssl.TLSVersion:
    if text not in _TLS_VERSIONS:
        known = ", ".join(name for name in _TLS_VERSIONS if name)
        raise ValueError(f"unknown tls version {quote(text)}: it is one of {known}")
    return _TLS_VERSIONS[text]


def one_of(*words: str) -> Kind:
    """Return the kind of a flag that takes one of a few words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"it must be one of {', '.join(words)}")
        return text

    return Kind("|".join(words), parse)


BOOL = Kind("bool", parse_bool, is_boolean=True)
INT = Kind("int", _parse_int)
FLOAT = Kind("float", _parse_float)
DURATION = Kind("duration", _parse_duration)
STRING = Kind("string", str)
STRINGS = Kind("strings", _parse_strings, is_list=True)
WORDS = Kind("strings", _parse_words, is_list=True)
"""Strings in which spaces around a comma mean nothing."""
PATHS = Kind("strings", _parse_paths, is_list=True)
IP = Kind("ip", _parse_ip)
NETWORKS = Kind("CIDRs", _parse_networks, is_list=True)
PEER_TARGETS = Kind("host[:port]", _parse_peer_targets, is_list=True)
CERT_KEYS = Kind("cert,key[:names]", _parse_cert_key, is_list=True)
TLS_VERSION = Kind("version", _parse_tls_version)


def show(value: object) -> str:
    """Return a setting as it would be written on the command line; its kind's ``parse`` reads it back.

    A ``float`` is a duration in seconds: no other setting has a fraction.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, ssl.TLSVersion):
        return next(name for name, version in _TLS_VERSIONS.items() if name and version is value)
    if isinstance(value, float):
        return f"-{format_duration(-value)}" if value < 0 else format_duration(value)
    if isinstance(value, tuple) and not isinstance(value, NamedCertKey | PeerTarget):
        return ",".join(map(show, value))
    return str(value)
