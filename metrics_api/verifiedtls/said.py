"""What an operator is told: each thing once, and again when it has changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping


class Said:
    """Remembers what was last said of each object.

    Args:
        logger: Where it is said.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last: dict[str, str] = {}

    def note(self, what: str, text: str, level: int = logging.WARNING) -> None:
        """Say how something stands, if it stands otherwise than before; an empty text is all well."""
        before = self._last.get(what, "")
        if text == before:
            return
        self._last[what] = text
        if text:
            self._logger.log(level, "%s: %s", what, text)
        else:
            self._logger.info("%s: all is well again", what)

    def note_all(self, found: Mapping[str, str], kind: str) -> None:
        """Say what was found of each object of a kind; those not named are well."""
        for name, text in found.items():
            self.note(f"{kind} {name}", text)
        for what in [each for each in self._last if each.startswith(f"{kind} ")]:
            if what.removeprefix(f"{kind} ") not in found:
                self.note(what, "")
