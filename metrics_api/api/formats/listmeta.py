"""The metadata of a list that is one page of a longer one."""

from __future__ import annotations

from typing import Any, NamedTuple


class ListMeta(NamedTuple):
    """Where the rest of a list is; the last page, and a list that is whole, have none."""

    continue_token: str
    remaining: int | None
    """How many objects follow this page; ``None`` with a selector, when Kubernetes does not say either."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        counted = {} if self.remaining is None else {"remainingItemCount": self.remaining}
        return {"continue": self.continue_token, **counted}
