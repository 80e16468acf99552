"""The text of ``/stats/summary``, with gaps for what changes.

The shape, the order of keys and the indentation are what a kubelet 1.36 sends (Go's ``json.MarshalIndent`` with one
space). Filling the gaps of a text costs a tenth of encoding the same document, and many kubelets share one core here.
A gap for optional members takes their whole text with the comma that belongs to it, or nothing.
"""

from __future__ import annotations


def _indent(depth: int, text: str) -> str:
    pad = " " * depth
    return "\n".join(pad + line for line in text.splitlines())


def _usage(depth: int, *, available: bool) -> str:
    # time, rate member, counter, pressure; time, [available], usage, working set, resident, faults, pressure
    limit = ' "availableBytes": %d,\n' if available else ""
    return _indent(
        depth,
        f"""\
"cpu": {{
 "time": "%s",%s
 "usageCoreNanoSeconds": %d%s
}},
"memory": {{
 "time": "%s",
{limit} "usageBytes": %d,
 "workingSetBytes": %d,
 "rssBytes": %d,
 "pageFaults": %d,
 "majorPageFaults": 0%s
}},""",
    )


def _swap(depth: int, *, available: bool) -> str:
    limit = ' "swapAvailableBytes": 0,\n' if available else ""
    return _indent(depth, f'"swap": {{\n "time": "%s",\n{limit} "swapUsageBytes": 0\n}}')


CONTAINER = f"""\
    {{
     "name": "%s",
     "startTime": "%s",
{_usage(5, available=True)}%s
{_swap(5, available=True)}
    }}"""
"""Name, start; usage; more members; time."""


def _pod(*, available: bool) -> str:
    return f"""\
  {{
   "podRef": {{
    "name": "%s",
    "namespace": "%s",
    "uid": "%s"
   }},
   "startTime": "%s",
   "containers": [
%s
   ],
{_usage(3, available=available)}%s
{_swap(3, available=False)}
  }}"""


POD = _pod(available=False)
"""Name, namespace, uid, start, containers; usage; more members; time."""
POD_WITH_LIMIT = _pod(available=True)
"""The same with a gap for the available memory."""


def _system_container(*, available: bool) -> str:
    return f"""\
   {{
    "name": "%s",
    "startTime": "%s",
{_usage(4, available=available)}%s
{_swap(4, available=False)}
   }}"""


SYSTEM_CONTAINER = _system_container(available=False)
"""Name, start; usage; more members; time."""
PODS_CGROUP = _system_container(available=True)
"""The same with a gap for the available memory."""

DOCUMENT = f"""\
{{
 "node": {{
  "nodeName": "%s",
  "systemContainers": [
%s
  ],
  "startTime": "%s",
{_usage(2, available=True)}%s
{_swap(2, available=True)}
 }},
 "pods": %s
}}"""
"""Node name, system containers, start; usage; more members; time; pods."""

# -- pressure stall information, from 1.34 on --

_AVERAGES = (("0", "0", "0"), ("0", "0", "0.02"), ("0.18", "0.07", "0.01"), ("1.05", "0.62", "0.31"))


def _pressure(depth: int, total: str, averages: tuple[str, str, str]) -> str:
    blocks = [
        f'\n "{kind}": {{\n  "total": {time},\n  "avg10": {ten},\n  "avg60": {sixty},\n  "avg300": {five_minutes}\n }}'
        for kind, time, (ten, sixty, five_minutes) in (("full", "0", _AVERAGES[0]), ("some", total, averages))
    ]
    return ",\n" + _indent(depth, f'"psi": {{{",".join(blocks)}\n}}')


CPU_PRESSURE = {depth: tuple(_pressure(depth + 1, "%d", averages) for averages in _AVERAGES) for depth in (2, 3, 4, 5)}
"""Depth of the ``cpu`` member -> ``psi`` members with a gap for the stalled time, from calm to busy."""
NO_PRESSURE = {depth: _pressure(depth + 1, "0", _AVERAGES[0]) for depth in (2, 3, 4, 5)}
"""Depth of the member it belongs to -> a ``psi`` member of zeros."""

# -- what only the full document has --

_FILE_SYSTEM = """\
"{name}": {{
 "time": "{time}",
 "availableBytes": 75817918464,
 "capacityBytes": 111669149696,
 "usedBytes": {used},
 "inodesFree": 6612308,
 "inodes": 6946816,
 "inodesUsed": {inodes}
}}"""


def _file_system(name: str, time: str, used: int, inodes: int) -> str:
    return _FILE_SYSTEM.format(name=name, time=time, used=used, inodes=inodes)


def _io(time: str, pressure: str) -> str:
    return f'"io": {{\n "time": "{time}"{pressure}\n}}'


def container_extras(time: str, *, pressure: bool) -> str:
    """Return a container's members of the full document; ``time`` is the text of its sample's time."""
    members = [
        _io(time, _pressure(1, "0", _AVERAGES[0]) if pressure else ""),
        _file_system("rootfs", time, 2_031_616, 24),
        _file_system("logs", time, 32_768, 2),
    ]
    return "\n" + _indent(5, ",\n".join(members) + ",")


def pod_extras(time: str, *, pressure: bool) -> str:
    """Return a pod's members of the full document."""
    members = [_file_system("ephemeral-storage", time, 4_067_328, 52)]
    if pressure:
        members.insert(0, _io(time, _pressure(1, "0", _AVERAGES[0])))
    return "\n" + _indent(3, ",\n".join(members) + ",")


def system_container_extras(time: str, *, pressure: bool) -> str:
    """Return a system container's members of the full document."""
    return "\n" + _indent(4, _io(time, _pressure(1, "0", _AVERAGES[0])) + ",") if pressure else ""


_NETWORK = """\
"network": {{
 "time": "{time}",
 "name": "eth0",
 "rxBytes": 278427223,
 "rxErrors": 0,
 "txBytes": 536977,
 "txErrors": 0,
 "interfaces": [
  {{
   "name": "eth0",
   "rxBytes": 278427223,
   "rxErrors": 0,
   "txBytes": 536977,
   "txErrors": 0
  }}
 ]
}}"""


def node_extras(time: str, *, pressure: bool) -> str:
    """Return the node's members of the full document."""
    runtime = ",\n".join(_file_system(name, time, 64_376_832, 354) for name in ("imageFs", "containerFs"))
    members = [
        *([_io(time, _pressure(1, "0", _AVERAGES[0]))] if pressure else []),
        _NETWORK.format(time=time),
        _file_system("fs", time, 35_851_231_232, 334_508),
        f'"runtime": {{\n{_indent(1, runtime)}\n}}',
        f'"rlimit": {{\n "time": "{time}",\n "maxpid": 32768,\n "curproc": 242\n}}',
    ]
    return "\n" + _indent(2, ",\n".join(members) + ",")
