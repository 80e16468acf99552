"""Counts the work of a piece of code instead of timing it: the same on every machine, however busy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple


class Work(NamedTuple):
    """What running something took."""

    calls: int
    """Of functions, whether written in Python or in C."""
    lines: int
    """Executed, of Python code."""


def count(run: Callable[[], object]) -> Work:
    """Run something and return its work."""
    calls = lines = 0

    def on_call(_: FrameType, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def on_line(_: FrameType, event: str, __: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return on_line

    sys.setprofile(on_call)
    sys.settrace(on_line)
    try:
        run()
    finally:
        sys.settrace(None)
        sys.setprofile(None)
    return Work(calls, lines)


def kept_blocks(run: Callable[[], object]) -> int:
    """Run something and return by how many the blocks of memory that are in use have grown."""
    before = sys.getallocatedblocks()
    run()
    return sys.getallocatedblocks() - before
