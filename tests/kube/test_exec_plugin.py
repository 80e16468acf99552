from __future__ import annotations

import os
from pathlib import Path

import pytest

from metrics_api.errors import KubeConfigError
from metrics_api.kube.exec_plugin import ExecPlugin


async def test_a_plugin_that_does_not_end_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = 'echo $$ > "$PID_FILE"; exec sleep 600'
    plugin = ExecPlugin("user 'u'", "sh", ("-c", script), {"PID_FILE": str(pid_file)}, "v1", None, "", timeout=0.5)
    with pytest.raises(KubeConfigError, match=r"did not finish within 0\.5 s"):
        await plugin.run()

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
