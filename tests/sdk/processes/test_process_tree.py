"""The processes that codex has left behind are found and killed."""

import os
import signal
import subprocess
import uuid

import psutil
import pytest

from codex_jupyter.sdk.processes.process_tree import MARKER, kill_left


@pytest.mark.integration
def test_a_process_that_is_just_being_started_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its start and that of its program it has the environment of its parent, so that the first look does not recognise it."""
    mark, looks = uuid.uuid4().hex, list[int]()
    environ = psutil.Process.environ

    def at_its_start(process: psutil.Process) -> dict[str, str]:
        if process.pid != popen.pid:
            return environ(process)
        looks.append(process.pid)
        return {} if len(looks) == 1 else environ(process)

    monkeypatch.setattr(psutil.Process, "environ", at_its_start)
    with subprocess.Popen(["sleep", "300"], env=os.environ | {MARKER: mark}) as popen:
        try:
            kill_left((), mark)
            assert popen.wait(10) == -signal.SIGKILL
        finally:
            popen.kill()
