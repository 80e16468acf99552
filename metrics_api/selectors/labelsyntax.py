"""What a label's key and value may look like, and the words in which Kubernetes says that one does not.

Rules and texts: apimachinery ``pkg/util/validation``.
"""

from __future__ import annotations

import re

_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_NAME})?"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL_LENGTH = 63
_PREFIX_LENGTH = 253

_NAME_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
)
_KEY_RULE = f"a valid label key {_NAME_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
    f"regex used for validation is '{_VALUE}')"
)
_SUBDOMAIN_RULE = (
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', "
    f"regex used for validation is '{_SUBDOMAIN}')"
)


def key_faults(key: str) -> list[str]:
    """Return what is wrong with a label key (a qualified name)."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return [_KEY_RULE]
    faults = []
    if slash and not prefix:
        faults.append("prefix part must be non-empty")
    elif slash:
        faults += _length_fault("prefix part ", prefix, _PREFIX_LENGTH)
        faults += [] if re.fullmatch(_SUBDOMAIN, prefix) else [_SUBDOMAIN_RULE]
    faults += _length_fault("name part ", name, _LABEL_LENGTH) if name else ["name part must be non-empty"]
    return faults if re.fullmatch(_NAME, name) else [*faults, f"name part {_NAME_RULE}"]


def value_faults(value: str) -> list[str]:
    """Return what is wrong with a label's value, in Kubernetes' words; empty when nothing is."""
    faults = _length_fault("", value, _LABEL_LENGTH)
    return faults if re.fullmatch(_VALUE, value) else [*faults, _VALUE_RULE]


def _length_fault(what: str, text: str, limit: int) -> list[str]:
    return [f"{what}must be no more than {limit} bytes"] if len(text.encode(errors="replace")) > limit else []
