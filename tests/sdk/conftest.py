"""A real CLI and a fake one, each with a folder of its own; and what must not be left behind."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import psutil
import pytest

from codex_jupyter.sdk import Codex, Thread, locate_codex
from codex_jupyter.sdk.processes import turn_process
from codex_jupyter.sdk.transports.app_server import connection
from codex_jupyter.sdk.transports.exec.transport import ExecTransport
from codex_jupyter.testing import Script, ScriptedModel
from tests.codex_home import used_home
from tests.processes import name_of
from tests.sdk.support.fake import FakeCli, wait_until

TAG = "SDK_TEST"
"""The environment variable by which the processes of one test are known."""


@dataclass
class Real:
    """The bundled CLI against a scripted model, in folders of its own."""

    folder: Path
    stack: ExitStack
    tag: str = field(default_factory=lambda: uuid4().hex)
    env: dict[str, str] = field(default_factory=dict)
    transport: Any = "exec"
    """Transport of the turns, unless the test chooses another."""
    servers: list[Codex] = field(default_factory=list)
    """The clients that hold a process between their turns."""

    @property
    def workspace(self) -> Path:
        path = self.folder / "workspace"
        path.mkdir(exist_ok=True)
        return path

    def play(self, script: Script, **options: Any) -> ScriptedModel:
        """Start a scripted model; it is closed after the test."""
        return self.stack.enter_context(ScriptedModel(script, codex_home=used_home(self.folder / "home"), **options))

    def environment(self, model: ScriptedModel) -> dict[str, str]:
        # The home lies under the default temporary folder, where the CLI would do without a part of its tools.
        # And the CLI runs the user's login shell to learn its settings; what that starts is not ours to judge.
        folders = {"TMPDIR": self.folder / "temporary", "HOME": self.folder / "user"}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        return model.env() | {name: str(folder) for name, folder in folders.items()} | {TAG: self.tag} | self.env

    def codex(self, model: ScriptedModel, **options: Any) -> Codex:
        config = model.config | options.pop("config", {})
        codex = Codex(**({"config": config, "env": self.environment(model), "transport": self.transport} | options))
        if not isinstance(codex.transport, ExecTransport):
            self.servers.append(codex)
        return codex

    def thread(self, script: Script | ScriptedModel, thread_id: str | None = None, **options: Any) -> Thread:
        """A thread in the workspace."""
        model = script if isinstance(script, ScriptedModel) else self.play(script)
        options = dict[str, Any](working_directory=self.workspace, skip_git_repo_check=True) | options
        codex = self.codex(model)
        return codex.start_thread(**options) if thread_id is None else codex.resume_thread(thread_id, **options)

    def processes(self) -> list[psutil.Process]:
        """Return the running processes of this test."""
        return tagged(self.tag)

    def sleeps(self) -> int:
        """Count the `sleep`s among them."""
        return sum(name_of(process) == "sleep" for process in self.processes())


def tagged(tag: str) -> list[psutil.Process]:
    """Return the running processes with this tag in their environment, which every descendant inherits."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(TAG) == tag and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
        except (psutil.Error, OSError):
            continue
    return processes


def assert_none_left(tag: str) -> None:
    """Fail if something stays, and end it.

    The CLI looks at the user's shell in the background, which may last a little longer than a turn.
    """
    with suppress(AssertionError):
        wait_until(lambda: not tagged(tag), 5)
    left = tagged(tag)
    names = [str(process) for process in left]
    for process in left:
        process.kill()
    assert not names, "left behind"


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    with ExitStack() as stack:
        cli = Real(tmp_path, stack)
        yield cli
        for codex in cli.servers:
            anyio.run(codex.aclose)
        assert_none_left(cli.tag)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Callable[..., FakeCli]]:
    """Make a fake CLI from the body of its script."""
    tag = uuid4().hex

    def make(body: str, **options: Any) -> FakeCli:
        folder = tmp_path / "fake"
        folder.mkdir(exist_ok=True)
        # It is logged in, as far as can be seen from outside.
        return FakeCli(folder, {"env": os.environ | {TAG: tag, "CODEX_ACCESS_TOKEN": "fake"}, **options}).does(body)

    yield make
    assert_none_left(tag)


class SentSignals(list[tuple[int, str]]):
    """The signals that were sent to child processes, as their ids and names of signals."""

    @property
    def names(self) -> list[str]:
        return [name for _, name in self]


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> SentSignals:
    sent, send = SentSignals(), subprocess.Popen[bytes].send_signal

    def record(popen: subprocess.Popen[bytes], number: int) -> None:
        sent.append((popen.pid, signal.Signals(number).name))
        send(popen, number)

    monkeypatch.setattr(subprocess.Popen, "send_signal", record)
    return sent


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stop wait so long after each step that a process which obeys needs one step, also on a slow machine."""
    monkeypatch.setattr(turn_process, "STOP_STEPS", tuple((name, 60.0) for name, _ in turn_process.STOP_STEPS))
    monkeypatch.setattr(connection, "EOF_GRACE", 60.0)


@pytest.fixture
def spied(real: Real, tmp_path: Path) -> FakeCli:
    """An executable that notes how it is called and becomes the real one."""
    folder = tmp_path / "spy"
    folder.mkdir()
    executable = str(locate_codex().path)
    return FakeCli(folder).does(f"os.execv({executable!r}, [{executable!r}, *sys.argv[1:]])")
