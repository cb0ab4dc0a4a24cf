"""A codex executable that does what a test says: for faults that the real one does not produce on demand."""

import json
import stat
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import psutil
import pytest

from codex_jupyter.sdk import Codex, Thread
from tests.invented import NEWEST
from tests.processes import has_ended

THREAD_ID = "01990000-0000-7000-8000-000000000001"
LIMIT = 30.0
"""Seconds after which something that should have happened counts as hanging."""

_PRELUDE = """\
#!{python} -IS
import json, os, signal, subprocess, sys, time
VERSION = {version!r}
if sys.argv[1:] == ["--version"]:
    print("codex-cli " + VERSION)
    raise SystemExit
FOLDER = {folder!r}
THREAD = {thread!r}
out = sys.stdout.buffer

def record(name, value):
    path = os.path.join(FOLDER, name + "-" + str(os.getpid()))
    with open(path + ".part", "w") as file:
        json.dump(value, file)
    os.rename(path + ".part", path)

def write(data):
    out.write(data)
    out.flush()

def emit(*events):
    write(b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\\n" for event in events))

def started(thread=None):
    emit(dict(type="thread.started", thread_id=thread or THREAD), dict(type="turn.started"))

def item(id, type, event="completed", **fields):
    emit(dict(type="item." + event, item=dict(id=id, type=type, **fields)))

def say(text, id="item_0"):
    item(id, "agent_message", text=text)

def completed(tokens=1):
    emit(dict(type="turn.completed", usage=dict(input_tokens=tokens, cached_input_tokens=0, output_tokens=tokens)))

def failed(message):
    emit(dict(type="error", message=message), dict(type="turn.failed", error=dict(message=message)))

def touch(name):
    open(os.path.join(FOLDER, name), "w").close()

def wait(name, seconds=30):
    end = time.monotonic() + seconds
    while not os.path.exists(os.path.join(FOLDER, name)) and time.monotonic() < end:
        time.sleep(0.005)

def deaf(*names):
    for name in names or ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)

def stay():
    while True:
        time.sleep(60)

record("call", dict(argv=sys.argv[1:], env=dict(os.environ), cwd=os.getcwd(), pid=os.getpid()))
"""


@dataclass(frozen=True)
class FakeCli:
    """A fake executable, and what became of its calls."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / "bin" / "codex"

    def does(self, body: str) -> "FakeCli":
        """Write the executable: `body` is Python, and has the functions of the prelude above."""
        prelude = _PRELUDE.format(python=sys.executable, folder=str(self.folder), thread=THREAD_ID, version=NEWEST)
        self.path.parent.mkdir(exist_ok=True)
        # As in the CLI's own package, so that its version is not asked for.
        (self.folder / "codex-package.json").write_text(json.dumps({"version": NEWEST}))
        self.path.write_text(prelude + textwrap.dedent(body), encoding="utf-8")
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)
        return self

    def codex(self, **options: Any) -> Codex:
        return Codex(codex_path_override=self.path, **(self.options | options))

    def thread(self, thread_id: str | None = None, **options: Any) -> Thread:
        options = {"working_directory": self.folder} | options
        return self.codex().start_thread(**options) if thread_id is None else self.codex().resume_thread(thread_id, **options)

    def records(self, kind: str = "call") -> list[Any]:
        """Return the records of all calls, oldest first."""
        paths = [path for path in self.folder.glob(f"{kind}-*") if path.suffix != ".part"]
        return [json.loads(path.read_text()) for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns)]

    @property
    def argv(self) -> list[str]:
        """The arguments of the last call."""
        return list(self.records()[-1]["argv"])

    @property
    def env(self) -> dict[str, str]:
        """The environment of the last call."""
        return dict(self.records()[-1]["env"])

    @property
    def stdin(self) -> bytes:
        """Return the input of the last call that recorded it."""
        return bytes.fromhex(self.records("stdin")[-1])

    @property
    def pid(self) -> int:
        return int(self.records()[-1]["pid"])

    def kill_child(self) -> None:
        """End the process whose id the body recorded as `child`."""
        child = psutil.Process(self.records("child")[-1])
        child.kill()
        wait_until(lambda: has_ended(child))

    def release(self, name: str) -> None:
        """Let a `wait(name)` of the body continue."""
        (self.folder / name).touch()

    def await_file(self, name: str) -> None:
        """Wait for a `touch(name)` of the body."""
        wait_until((self.folder / name).exists)


def wait_until(condition: Callable[[], object], seconds: float = LIMIT) -> None:
    """Wait, bounded, for something that nothing announces, such as the end of a foreign process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)


async def until(condition: Callable[[], object], seconds: float = LIMIT) -> None:
    """`wait_until` for conditions that other tasks bring about."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - foreign processes set no events
            await anyio.sleep(0.01)


READ_STDIN = 'record("stdin", sys.stdin.buffer.read().hex())'
HAPPY = 'started(); say("Hi!"); completed()'
both_backends = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
"""Runs an async test on both event loops."""

MakeFake: TypeAlias = Callable[..., FakeCli]
