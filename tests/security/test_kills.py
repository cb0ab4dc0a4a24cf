"""When Python dies by a signal or `os._exit`, everything that it has started ends within seconds, and its staged images are removed."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from codex_jupyter.sdk.processes import guardian_program
from codex_jupyter.sdk.processes.guardian import Guardian
from codex_jupyter.testing import shell
from tests.processes import has_ended
from tests.sdk.conftest import Real
from tests.sdk.support.fake import wait_until
from tests.security.pythons import Python, running

DAEMONS = "(nohup sh -c 'sleep 300; sleep 300' >/dev/null 2>&1 &); (setsid sh -c 'sleep 300 & sleep 300' &); sleep 300"
"""Commands that have hidden themselves by a session of their own, and by a second fork. Four `sleep`s run at once."""
TURN = """
    thread = Codex(config=settings["config"], env=settings["env"], transport=settings["transport"]).start_thread(
        sandbox_mode="danger-full-access", working_directory=settings["folder"], skip_git_repo_check=True)
    image = io.BytesIO()
    Image.new("RGB", (1, 1)).save(image, "PNG")
    async def main():
        async with thread.run_streamed([TextInput(text="go"), ImageInput(data=image.getvalue())]) as streamed:
            async for event in streamed.events:
                if event.type == "item.started":
                    print("busy", flush=True)
    threading.Thread(target=anyio.run, args=(main,), daemon=True).start()
    sys.stdin.readline()
    os._exit(0)
"""
STAGING = """
    with staging_folder() as folder:
        (folder / "image-1.png").write_bytes(b"x")
        guardian.ensure()
        print(folder, flush=True)
        sys.stdin.readline()
"""
STAGING_ALONE = STAGING.replace("guardian.ensure()", "pass")
"""A process whose guardian cannot remove the folders of others, because it does not run."""
DEATHS: dict[str, Callable[[Python], object]] = {
    "SIGTERM": lambda python: python.process.terminate(),
    "SIGKILL": lambda python: python.process.kill(),
    "SIGHUP": lambda python: python.process.send_signal(signal.SIGHUP),
    "os._exit": lambda python: python.send("exit"),
}


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def guardian_of(python: Python) -> psutil.Process:
    """Wait for the guardian of a Python process."""
    guardians: list[psutil.Process] = []

    def look() -> bool:
        command = [guardian_program.__file__, str(python.process.pid)]
        processes = psutil.process_iter(["cmdline", "ppid"])
        guardians[:] = [
            process
            for process in processes
            if (process.info["cmdline"] or [])[-2:] == command and process.info["ppid"] != python.process.pid
        ]
        return bool(guardians)

    wait_until(look)
    return guardians[0]


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("transport", ["exec", "app-server"])
def test_a_dead_python_leaves_no_process_and_no_image(real: Real, temporary: Path, transport: str, death: str) -> None:
    """Not even commands that have detached themselves from everything."""
    model = real.play([[[shell(DAEMONS)]]])
    settings = {"config": model.config, "env": real.environment(model), "folder": str(real.workspace), "transport": transport}
    with running(TURN, settings, TMPDIR=str(temporary)) as python:
        assert python.line() == "busy"
        wait_until(lambda: real.sleeps() == 4)
        assert len(list(temporary.glob("codex-jupyter-turn-*/*.png"))) == 1
        guardian = guardian_of(python)
        DEATHS[death](python)
        python.process.wait(10)
        wait_until(lambda: real.processes() == [])
        wait_until(lambda: not guardian.is_running())
        assert list(temporary.iterdir()) == []


@pytest.mark.integration
def test_the_guardian_holds_no_file_no_secret_and_no_place_in_the_process_tree(temporary: Path) -> None:
    """It has neither the output of its owner nor the owner's environment, and no one waits for it at the end."""
    with running(STAGING, {}, TMPDIR=str(temporary), VALUE="hidden") as python:
        python.line()
        guardian = guardian_of(python)
        wait_until(lambda: psutil.Process(python.process.pid).children(recursive=True) == [])
        assert "VALUE" not in guardian.environ()
        assert {os.readlink(f"/proc/{guardian.pid}/fd/{number}") for number in (1, 2)} == {"/dev/null"}
        assert os.getsid(guardian.pid) != os.getsid(python.process.pid)
        assert guardian.cwd() == "/"
        # As a signal to all processes of a terminal or of a service would, before their end.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            guardian.send_signal(number)
        output, errors = python.finish()
        assert (output, errors, python.process.returncode) == ("", "", 0)
        wait_until(lambda: not guardian.is_running())


@pytest.mark.integration
def test_a_guardian_that_someone_has_killed_is_replaced(temporary: Path) -> None:
    """At the next start of a codex process."""
    script = """
        while sys.stdin.readline():
            guardian.ensure()
            print("ready", flush=True)
    """
    with running(script, {}, TMPDIR=str(temporary)) as python:
        python.send("go")
        python.line()
        first = guardian_of(python)
        first.kill()
        wait_until(lambda: not first.is_running())
        python.send("go")
        python.line()
        assert guardian_of(python).pid != first.pid


@pytest.mark.integration
def test_images_of_dead_processes_are_removed_at_the_next_start_and_those_of_living_ones_stay(temporary: Path) -> None:
    """A lock decides that, which ends with its owner: a process id may be that of another process by now."""
    with running(STAGING_ALONE, {}, TMPDIR=str(temporary)) as living, running(STAGING, {}, TMPDIR=str(temporary)) as dead:
        kept, removed = Path(living.line()), Path(dead.line())
        guardian = guardian_of(dead)
        guardian.kill()
        # Otherwise it could notice the end of its owner before its own.
        wait_until(lambda: has_ended(guardian))
        dead.process.kill()
        dead.process.wait(10)
        assert removed.exists()
        with running("guardian.ensure(); sys.stdin.readline()", {}, TMPDIR=str(temporary)) as after:
            wait_until(lambda: not removed.exists())
            after.finish()
        assert [path.name for path in kept.iterdir()] == ["image-1.png"]


@pytest.fixture
def tree() -> Iterator[list[subprocess.Popen[str]]]:
    """A process that ignores SIGTERM, has a child, and does not end if the child ends first."""
    with subprocess.Popen(
        ["sh", "-c", "trap '' TERM; sleep 300 & echo $!; while :; do wait; done"], stdout=subprocess.PIPE, text=True
    ) as popen:
        yield [popen]
        popen.kill()


@pytest.mark.integration
def test_without_marks_the_guardian_ends_process_trees(tree: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems that do not show the environment of processes; SIGKILL follows on a SIGTERM that is ignored."""
    assert tree[0].stdout is not None
    child = psutil.Process(int(tree[0].stdout.readline()))
    monkeypatch.setattr(guardian_program, "HAS_PROC", False)
    monkeypatch.setattr(guardian_program, "TERM_GRACE", 0.1)
    guardian_program.end_processes(b"", {tree[0].pid})
    assert tree[0].wait(5) == -signal.SIGKILL
    wait_until(lambda: not child.is_running())


def test_the_guardian_learns_which_processes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot find them by their marks, the messages of its owner say what has started and ended."""
    state, received = guardian_program.State(), list[int]()
    guardian = Guardian()

    def start(_: Sequence[str], *, stdin: int, **options: Any) -> SimpleNamespace:
        received.append(os.dup(stdin))
        return SimpleNamespace(wait=lambda: None)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # the guardian cleans it
    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr("codex_jupyter.sdk.processes.guardian.HAS_PROC", False)
    guardian.ensure()
    for pid in (1, 2):
        guardian.started(pid)
    guardian.ended(1)
    guardian.close()
    with open(received[0], "rb") as pipe:
        messages = pipe.read()
    for message in messages.split(b"\0")[:-1]:
        state.take(message)
    assert state.running == {2}


@pytest.mark.integration
def test_the_guardian_program_needs_the_standard_library_alone() -> None:
    """It is run isolated, so that no file of the folder or of the user becomes part of it."""
    command = [sys.executable, "-I", "-S", guardian_program.__file__, str(os.getpid())]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
