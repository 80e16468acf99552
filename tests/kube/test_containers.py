from __future__ import annotations

from typing import Any

import msgspec
import pytest

from metrics_api.kube import containers
from metrics_api.kube.documents import PodSpec, PodStatus

_RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
_WAITING = {"waiting": {"reason": "CrashLoopBackOff"}}
_SUCCEEDED = {"terminated": {"exitCode": 0}}
_FAILED = {"terminated": {"exitCode": 1}}


def _status(
    app: dict[str, Any] | None = None, init: dict[str, Any] | None = None, debug: dict[str, Any] | None = None
) -> dict[str, Any]:
    kinds = {"containerStatuses": app, "initContainerStatuses": init, "ephemeralContainerStatuses": debug}
    return {
        kind: [{"name": name, "state": state} for name, state in states.items()]
        for kind, states in kinds.items()
        if states is not None
    }


def _spec(*names: str, policy: str = "Always", **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": name} for name in names], "restartPolicy": policy, **more}


_INIT = [{"name": "setup"}, {"name": "proxy", "restartPolicy": "Always"}]


@pytest.mark.parametrize(
    ("spec", "status", "required", "finished"),
    [
        pytest.param(_spec("a", "b"), _status(app={"a": _RUNNING, "b": _RUNNING}), {"a", "b"}, set(), id="running"),
        pytest.param(_spec("a", "b"), {}, {"a", "b"}, set(), id="no-status-yet"),
        pytest.param(_spec("a", "b"), _status(app={"a": _RUNNING, "b": _WAITING}), {"a"}, set(), id="back-off"),
        pytest.param(_spec("a"), _status(app={"a": _WAITING}), set(), set(), id="nothing-runs"),
        pytest.param(_spec("a"), _status(app={"a": {}}), set(), set(), id="no-state-is-waiting"),
        pytest.param(_spec("a"), {"containerStatuses": [{"name": "a", "state": None}]}, set(), set(), id="null-state"),
        pytest.param(_spec("a", "b"), _status(app={"a": _RUNNING, "b": _FAILED}), {"a"}, set(), id="about-to-restart"),
        pytest.param(
            _spec("a", "b"), _status(app={"a": _RUNNING, "b": _SUCCEEDED}), {"a"}, set(), id="always-restarts"
        ),
        pytest.param(
            _spec("a", "b", policy="Never"), _status(app={"a": _RUNNING, "b": _FAILED}), {"a"}, {"b"}, id="never"
        ),
        pytest.param(
            _spec("a", "b", "c", policy="OnFailure"),
            _status(app={"a": _RUNNING, "b": _SUCCEEDED, "c": _FAILED}),
            {"a"},
            {"b"},
            id="on-failure",
        ),
        pytest.param(
            {"restartPolicy": "Always", "containers": [{"name": "a"}, {"name": "b", "restartPolicy": "Never"}]},
            _status(app={"a": _RUNNING, "b": _FAILED}),
            {"a"},
            {"b"},
            id="the-containers-own-policy",
        ),
        pytest.param(
            {"restartPolicy": "Never", "containers": [{"name": "a", "restartPolicyRules": [{"action": "Restart"}]}]},
            _status(app={"a": _FAILED}),
            set(),
            set(),
            id="rules-may-restart-it",
        ),
        pytest.param(
            _spec("a", initContainers=_INIT),
            _status(app={"a": _RUNNING}, init={"setup": _SUCCEEDED, "proxy": _RUNNING}),
            {"a", "proxy"},
            {"setup"},
            id="sidecar",
        ),
        pytest.param(
            _spec("a", initContainers=_INIT),
            _status(app={"a": _RUNNING}, init={"setup": _SUCCEEDED, "proxy": _WAITING}),
            {"a"},
            {"setup"},
            id="sidecar-in-back-off",
        ),
        pytest.param(
            _spec("a", initContainers=_INIT),
            _status(app={"a": _WAITING}, init={"setup": _RUNNING, "proxy": _WAITING}),
            set(),
            set(),
            id="init-runs-again",
        ),
        pytest.param(_spec("a", initContainers=_INIT), {}, {"a"}, {"setup"}, id="init-without-status"),
        pytest.param(
            _spec("a"),
            _status(app={"a": _RUNNING}, debug={"debug": _RUNNING}),
            {"a"},
            set(),
            id="debugging",
        ),
        pytest.param(
            _spec("a"),
            _status(app={"a": _RUNNING}, debug={"debug": _SUCCEEDED}),
            {"a"},
            {"debug"},
            id="debugging-over",
        ),
    ],
)
def test_required_and_finished_follow_the_status(
    spec: dict[str, Any], status: dict[str, Any], required: set[str], finished: set[str]
) -> None:
    typed_spec = msgspec.json.decode(msgspec.json.encode(spec), type=PodSpec)
    typed_status = msgspec.json.decode(msgspec.json.encode(status), type=PodStatus)

    assert set(containers.required(typed_spec, typed_status)) == required
    assert set(containers.finished(typed_spec, typed_status)) == finished
