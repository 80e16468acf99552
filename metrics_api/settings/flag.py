"""What a flag is: its name on the command line, in the environment and in ``Settings``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from metrics_api.settings import kinds
from metrics_api.settings.kinds import Kind
from metrics_api.settings.values import Settings

ENVIRONMENT_PREFIX = "METRICS_API_FLAG_"

_DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag."""

    name: str
    kind: Kind
    meaning: str
    shorthand: str = ""
    setting: str = ""
    """The field of ``Settings`` when it is not the name with underscores."""
    computed: str = ""
    """In words what the default is, when it depends on other flags."""

    @property
    def field(self) -> str:
        """Return the field of ``Settings`` that holds the value."""
        return self.setting or self.name.replace("-", "_")

    @property
    def environment(self) -> str:
        """Return the environment variable that sets the same."""
        return environment_name(self.name)

    @property
    def default(self) -> str:
        """Return the default as written on the command line, or in words; empty for an empty one."""
        return self.computed or kinds.show(getattr(_DEFAULTS, self.field))


class Section(NamedTuple):
    """Flags that belong together."""

    title: str
    flags: tuple[Flag, ...]


def environment_name(name: str) -> str:
    """Return the environment variable of a flag."""
    return ENVIRONMENT_PREFIX + name.replace("-", "_").upper()
