"""The metadata of a list: its version, and where the rest of it is when it is one page of a longer one."""

from __future__ import annotations

from typing import Any, NamedTuple


class ListMeta(NamedTuple):
    """What a list says of itself; one that is whole and has no version says nothing."""

    continue_token: str = ""
    """Where the rest is; empty on the last page, and when the list is whole."""
    remaining: int | None = None
    """How many objects follow this page; ``None`` with a selector, when Kubernetes does not say either."""
    version: int = 0
    """``resourceVersion``; 0, and not said, unless changes are numbered."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        versioned = {"resourceVersion": str(self.version)} if self.version else {}
        continued = {"continue": self.continue_token} if self.continue_token else {}
        counted = {} if self.remaining is None else {"remainingItemCount": self.remaining}
        return {**versioned, **continued, **counted}
