"""Swagger 2.0 documents of several servers made into one.

Source: kube-openapi ``pkg/aggregator``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metrics_api.localcluster.stored import JsonObject

_SECTIONS = ("definitions", "parameters")
_KINDS = "x-kubernetes-group-version-kind"


def keep_paths(document: JsonObject, prefix: str) -> JsonObject:
    """Return a document with the paths below ``prefix`` only, without the definitions that only other paths used.

    A definition that no path uses at all stays, as in kube-openapi.

    Args:
        document: Swagger 2.0; it is not changed, the result shares parts with it.
        prefix: ``/apis/<group>/<version>/``.
    """
    paths = {path: item for path, item in (document.get("paths") or {}).items() if path.startswith(prefix)}
    unused = _reached(document, document.get("paths")) - _reached(document, paths)
    kept = {**document, "paths": paths}
    if "definitions" in document:
        given = document["definitions"] or {}
        kept["definitions"] = {name: each for name, each in given.items() if ("definitions", name) not in unused}
    return kept


def _reached(document: JsonObject, start: Any) -> set[tuple[str, str]]:
    """Return (section, name) of everything that a part of a document refers to, directly or not."""
    reached: set[tuple[str, str]] = set()
    pending = list(references(start))
    while pending:
        section, name = target = pending.pop()
        known = (document.get(section) or {}).get(name)
        if known is not None and target not in reached:
            reached.add(target)
            pending.extend(references(known))
    return reached


def merge(first: JsonObject, second: JsonObject) -> JsonObject:
    """Return ``first`` with the paths of ``second`` added; a path that both have stays as it was.

    A definition of ``second`` whose name stands for something else in ``first`` is renamed ``<name>_v2``, or the next
    free number.
    """
    renamed = _conflicts(first, second)
    if any(renamed.values()):
        second = _rename(second, renamed)
    merged = {**second, **first, "paths": {**(second.get("paths") or {}), **(first.get("paths") or {})}}
    for section in _SECTIONS:
        ours, theirs = first.get(section) or {}, second.get(section) or {}
        if ours or theirs:
            merged[section] = {**theirs, **{name: _with_kinds(each, theirs.get(name)) for name, each in ours.items()}}
    return merged


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Yield (section, name) of everything that a part of a document refers to directly."""
    pending = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            target = each.get("$ref")
            if isinstance(target, str) and (parsed := _parse_reference(target)):
                yield parsed
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)


def _parse_reference(target: str) -> tuple[str, str] | None:
    root, _, rest = target.partition("/")
    section, _, name = rest.partition("/")
    return (section, name) if root == "#" and section in _SECTIONS and name else None


def _conflicts(first: JsonObject, second: JsonObject) -> dict[str, dict[str, str]]:
    """Return section -> old name -> new name."""
    renamed: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for section in _SECTIONS:
        ours, theirs = first.get(section) or {}, second.get(section) or {}
        for name, each in theirs.items():
            if name not in ours or _same(ours[name], each):
                continue
            number = 2
            while (free := f"{name}_v{number}") in theirs or (free in ours and not _same(ours[free], each)):
                number += 1
            renamed[section][name] = free
    return renamed


def _rename(document: JsonObject, renamed: dict[str, dict[str, str]]) -> JsonObject:
    moved = _redirect(document, renamed)
    for section, names in renamed.items():
        if names:
            moved[section] = {names.get(name, name): each for name, each in moved[section].items()}
    result: JsonObject = moved
    return result


def _redirect(node: Any, renamed: dict[str, dict[str, str]]) -> Any:
    if isinstance(node, list):
        return [_redirect(each, renamed) for each in node]
    if not isinstance(node, dict):
        return node
    copy = {key: _redirect(value, renamed) for key, value in node.items()}
    target = node.get("$ref")
    if isinstance(target, str) and (parsed := _parse_reference(target)):
        section, name = parsed
        copy["$ref"] = f"#/{section}/{renamed[section].get(name, name)}"
    return copy


def _same(one: JsonObject, other: JsonObject) -> bool:
    """Whether two definitions say the same; the kinds they are used for may differ."""
    return _without_kinds(one) == _without_kinds(other)


def _without_kinds(definition: JsonObject) -> JsonObject:
    return {key: value for key, value in definition.items() if key != _KINDS}


def _with_kinds(definition: JsonObject, other: JsonObject | None) -> JsonObject:
    added = [each for each in (other or {}).get(_KINDS) or () if each not in (definition.get(_KINDS) or ())]
    return {**definition, _KINDS: [*(definition.get(_KINDS) or ()), *added]} if added else definition
