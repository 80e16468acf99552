"""The flags as a page and as plain text, both made from the tables: ``python -m metrics_api.settings.document``.

A flag that does nothing is named, so that a reader who looks for it finds that out, but takes no more room than that.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator

from metrics_api.settings.flag import ENVIRONMENT_PREFIX, Flag, Section
from metrics_api.settings.flags import SECTIONS
from metrics_api.settings.inert import GROUPS, InertGroup

_WIDTH = 100

_OPENING = f"""\
# Flags

Made by `make docs` from the tables in `metrics_api/settings`; changes belong there.

`metrics-api serve` takes metrics-server's flags, as its image's manifest and Helm chart write them, and a few of its
own. `serve` may be left out.

- A value is written `--flag=value` or `--flag value`; a boolean is true when it is named and takes a value only as
  `--flag=false`. `-l` and `-v` may be followed by their value directly. `_` in a name is read as `-`. `--` ends the
  flags; other arguments are refused.
- A flag given twice counts the last time. Lists are separated by commas and add up: the first use replaces the default,
  later ones append.
- Durations are Go's: `15s`, `1m30s`, `250ms`.
- Every flag can be set by an environment variable: `{ENVIRONMENT_PREFIX}` and the name in capitals, with `_` for `-`.
  The command line wins. A variable with that beginning and an unknown name is refused; other variables are not looked
  at.
- All faults are told at once, and the exit code is 2.
- `--help` prints this page as text. `--version` prints the version alone, `v0.1.0`, as metrics-server does;
  `metrics-api version` puts the program's name before it.
"""

_INERT_OPENING = """\
## Accepted without effect

metrics-server knows these, or once knew them. They are accepted, so that no manifest fails to start, and a line in the
log says that they do nothing. Values that metrics-server refuses are refused here too.
"""


def render_page() -> str:
    """Return ``docs/flags.md``."""
    blocks = [_OPENING]
    blocks += ["\n".join([f"## {section.title}", "", *_table(section), ""]) for section in SECTIONS]
    blocks += [_INERT_OPENING, "\n".join([*map(_inert_item, GROUPS), ""])]
    return "\n".join(blocks)


def _table(section: Section) -> Iterator[str]:
    yield "| Flag | Default | Meaning | Environment variable |"
    yield "|---|---|---|---|"
    for flag in section.flags:
        cells = (_code(_label(flag)), _default(flag), flag.meaning, _code(flag.environment))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(flag: Flag) -> str:
    if flag.computed:
        return flag.computed
    return ", ".join(map(_code, flag.default.split(","))) if flag.default else "empty"


def _code(text: str) -> str:
    return f"`{text}`"


def _label(flag: Flag) -> str:
    name = f"-{flag.shorthand}, --{flag.name}" if flag.shorthand else f"--{flag.name}"
    return name if flag.kind.is_boolean else f"{name} {flag.kind.word}"


def _inert_names(group: InertGroup) -> list[str]:
    return sorted([*group.booleans.split(), *group.valued.split()])


def _inert_item(group: InertGroup) -> str:
    names = ", ".join(_code(f"--{name}") for name in _inert_names(group))
    return textwrap.fill(
        f"- **{group.title}** ({group.reason}): {names}.",
        120,
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def render_help() -> str:
    """Return the text of ``metrics-api serve --help``."""
    return "\n".join(_help_lines())


def _help_lines() -> Iterator[str]:
    yield "Serve the resource metrics of nodes and pods (metrics.k8s.io)."
    yield ""
    yield "Usage:"
    yield "  metrics-api [serve] [flags]"
    for section in SECTIONS:
        yield ""
        yield f"{section.title}:"
        for flag in section.flags:
            yield f"  {_label(flag)}"
            yield _wrap(f"{flag.meaning} {_plain_default(flag)}".rstrip(), indent="        ")
    yield ""
    yield "Accepted without effect:"
    for group in GROUPS:
        yield f"  {group.title}"
        yield _wrap(" ".join([f"({group.reason})", *(f"--{name}" for name in _inert_names(group))]), indent="        ")
    yield ""
    yield f"Each flag may also be set by a variable: --metric-resolution by {ENVIRONMENT_PREFIX}METRIC_RESOLUTION."
    yield ""


def _plain_default(flag: Flag) -> str:
    if flag.computed:
        return f"(default {flag.computed})"
    return f"(default {flag.default})" if flag.default and flag.default != "false" else ""


def _wrap(text: str, *, indent: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


if __name__ == "__main__":
    sys.stdout.write(render_page())
