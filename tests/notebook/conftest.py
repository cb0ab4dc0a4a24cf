"""A real kernel, and scripted models for it. The models run in the test, so that a test can hold one back or look at its requests."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.manager import KernelManager

from codex_jupyter.testing import ScriptedModel
from codex_jupyter.testing.script import Script
from tests.codex_home import used_home
from tests.processes import command_line, has_ended

LIMIT = 60.0
"""Seconds after which a cell that should have ended counts as hanging."""


@dataclass
class Execution:
    """Results of a cell."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    """Messages that carry output, in order."""

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """The bundles as they are shown in the end, by display id; what has none is left out."""
        shown: dict[str, dict[str, Any]] = {}
        for message in self.messages:
            if message["msg_type"] in ("display_data", "update_display_data"):
                shown[message["content"]["transient"].get("display_id", str(len(shown)))] = message["content"]["data"]
        return shown

    @property
    def unchanged(self) -> str:
        """The plain text of a front end that ignores updates."""
        shown = [m["content"]["data"]["text/plain"] for m in self.messages if m["msg_type"] in ("display_data", "execute_result")]
        return "\n".join(shown)

    @property
    def text(self) -> str:
        """All that is shown in the end, as plain text."""
        streams = "".join(message["content"]["text"] for message in self.messages if message["msg_type"] == "stream")
        values = [message["content"]["data"]["text/plain"] for message in self.messages if message["msg_type"] == "execute_result"]
        return "\n".join([*filter(None, [streams]), *(bundle["text/plain"] for bundle in self.outputs.values()), *values])

    @property
    def html(self) -> str:
        return "\n".join(bundle.get("text/html", "") for bundle in self.outputs.values())

    @property
    def error(self) -> str | None:
        """Text in place of a traceback. None if the cell succeeded."""
        return next(("\n".join(m["content"]["traceback"]) for m in self.messages if m["msg_type"] == "error"), None)

    @property
    def value(self) -> str | None:
        """The plain text of the cell's value."""
        return next((m["content"]["data"]["text/plain"] for m in self.messages if m["msg_type"] == "execute_result"), None)


class Kernel:
    """A running kernel, seen as a front end sees it."""

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.received: list[dict[str, Any]] = []
        """All that the kernel has published and the test has read."""
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=LIMIT)

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def send(self, code: str, *, cell: bool = True, **content: Any) -> str:
        """Send a cell as JupyterLab does, or without the id of a cell; return the id of the message."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True, **content}
        metadata = {"cellId": str(uuid.uuid4())} if cell else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def execute(
        self, code: str, on_message: Callable[[dict[str, Any]], None] | None = None, *, cell: bool = True, **content: Any
    ) -> Execution:
        """Run a cell to its end; `on_message` sees each output as it arrives."""
        execution = Execution()
        request = self.send(code, cell=cell, **content)
        deadline = time.monotonic() + LIMIT
        while True:
            message = self.receive(deadline - time.monotonic())
            kind = message["msg_type"]
            # Front ends find the output of an update by its display id alone.
            if message["parent_header"].get("msg_id") != request and kind != "update_display_data":
                continue
            if kind == "status" and message["content"]["execution_state"] == "idle":
                break
            if kind not in ("status", "execute_input"):
                execution.messages.append(message)
                if on_message is not None:
                    on_message(message)
        while self.client.get_shell_msg(timeout=LIMIT)["parent_header"].get("msg_id") != request:
            pass
        return execution

    def receive(self, timeout: float) -> dict[str, Any]:
        """Read the next message that the kernel publishes.

        Args:
            timeout: Seconds.
        """
        message: dict[str, Any] = self.client.get_iopub_msg(timeout=max(0.1, timeout))
        self.received.append(message)
        return message

    def outputs_of(self, request: str) -> list[dict[str, Any]]:
        """Read to the end of a request without a reply, and return what it published."""
        published: list[dict[str, Any]] = []
        deadline = time.monotonic() + LIMIT
        while True:
            message = self.receive(deadline - time.monotonic())
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] != "status":
                published.append(message)
            elif message["content"]["execution_state"] == "idle":
                return published

    def use(self, model: ScriptedModel, transport: str = "auto", **env: str) -> None:
        """Point the notebook at a scripted model of the test, in a new thread."""
        options = json.dumps({"config": model.config, "env": {**model.env(), **env}})
        client = f"codex_jupyter.Codex(transport={transport!r}, **json.loads({options!r}))"
        done = self.execute(f"import json, codex_jupyter\nclient = {client}\n%codex use client")
        assert done.error is None

    def close(self, *, now: bool = False) -> None:
        """Shut the kernel down.

        Args:
            now: Kill it. The fixtures do so, because an orderly end takes half a second of the processor. Tests of the end ask for it.
        """
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=now)
        self.manager.cleanup_resources()


@contextmanager
def kernels_in(folder: Path) -> Iterator[Callable[..., Kernel]]:
    """Start kernels in a folder, with the extension loaded unless `load` is false; with arguments and variables if given."""
    kernels: list[Kernel] = []

    def start(*arguments: str, load: bool = True, **env: str) -> Kernel:
        manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(folder / f"kernel-{len(kernels)}"))
        # Jupyter ends a kernel with SIGTERM after half of this time. On a busy machine, an orderly end with a turn takes longer than 2.5 s.
        manager.shutdown_wait_time = 60
        manager.start_kernel(
            cwd=str(folder), extra_arguments=list(arguments), env={**os.environ, "XDG_STATE_HOME": str(folder / "user-state"), **env}
        )
        kernels.append(Kernel(manager))
        if load:
            assert kernels[-1].execute("%load_ext codex_jupyter").messages == []
        return kernels[-1]

    try:
        yield start
    finally:
        for kernel in kernels:
            kernel.close(now=True)


@pytest.fixture
def new_kernel(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """Start kernels in the test's folder; see `kernels_in`."""
    with kernels_in(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    base = tmp_path_factory.mktemp("kernel")
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(base / "kernel"))
    manager.start_kernel(cwd=str(base), env={**os.environ, "XDG_STATE_HOME": str(base / "user-state")})
    kernel = Kernel(manager)
    kernel.execute("%load_ext codex_jupyter")
    yield kernel
    kernel.close(now=True)


@pytest.fixture
def kernel(shared_kernel: Kernel, tmp_path: Path) -> Kernel:
    """The kernel of the module, with settings as at its start, working in the test's folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    shared_kernel.execute(f"%cd -q {folder}\n%codex demo off\n%codex new\n%config CodexMagics.context = 'none'")
    return shared_kernel


@pytest.fixture
def codex_home() -> Path:
    """Return a CODEX_HOME in the home of the user, as real ones are.

    In a folder that the agent may write, such as the one for temporary files, it would be a read-only part. The sandbox of each command
    would then take three times as long.
    """
    return used_home(Path(os.environ["HOME"], f"codex-{uuid.uuid4().hex}"))


@pytest.fixture
def scripted(kernel: Kernel, tmp_path: Path, codex_home: Path) -> Iterator[Callable[..., ScriptedModel]]:
    """Have a script answer the kernel's prompts. Options are those of the model."""
    models: list[ScriptedModel] = []
    # The CLI wants its home outside the temporary folder.
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def start(script: Script, **options: Any) -> ScriptedModel:
        models.append(ScriptedModel(script, codex_home=codex_home, **options).start())
        kernel.use(models[-1], TMPDIR=str(temporary))
        return models[-1]

    yield start
    for model in models:
        model.close()


def running_below(process: psutil.Process, mark: str = "") -> list[str]:
    """The command lines, with a mark, of what a process has started and is still running."""
    lines = [" ".join(command_line(child)) for child in process.children(recursive=True) if not has_ended(child)]
    return [line for line in lines if line and mark in line]
