"""The SDKs that are compared, each in an environment of its own, and the fake executables that they run."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

CACHE = "CODEX_JUPYTER_BENCHMARK_CACHE"
"""The environment variable with the folder for the environments of the peers. Without it there are no peers."""
_HERE = Path(__file__).parent
_PYPI = {"openai-codex-sdk": "0.1.11", "codex-sdk-python": "0.117.0"}
_TYPESCRIPT = "0.163.0"
SAMPLE_TIMEOUT = 30
"""Seconds for a sample; a peer that hangs, or fails on a long line, has none."""


@dataclass(frozen=True)
class Client:
    """An SDK, and how a sample of it is started."""

    name: str
    command: tuple[str, ...]

    def sample(self, case: str, executable: Path, count: int = 1) -> dict[str, float] | None:
        """Measure once in a fresh process. None if it fails."""
        root = str(_HERE.parents[1])
        command = [*self.command, case, str(executable), str(count)]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=SAMPLE_TIMEOUT, cwd=executable.parent, env=os.environ | {"PYTHONPATH": root}
            )
        except subprocess.TimeoutExpired:
            return None
        result: dict[str, float] | None = json.loads(done.stdout) if done.returncode == 0 else None
        return result


def clients() -> list[Client]:
    """Ours, the floor, and the peers that can be had here."""
    driver = str(_HERE / "sdk_driver.py")
    clients = [Client(name, (sys.executable, driver, name)) for name in ("ours", "floor")]
    cache = os.environ.get(CACHE)
    if cache:
        if shutil.which("npm"):
            clients.append(Client("typescript", ("node", str(_HERE / "sdk_driver.mjs"), str(_typescript(Path(cache))))))
        clients += [Client(name, (str(_python(Path(cache), name)), driver, name)) for name in _PYPI]
    return clients


def _typescript(cache: Path) -> Path:
    folder = cache / "typescript"
    module = folder / "node_modules" / "@openai" / "codex-sdk" / "dist" / "index.js"
    if not module.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder)]
        subprocess.run([*command, f"@openai/codex-sdk@{_TYPESCRIPT}"], check=True)
    return module


def _python(cache: Path, name: str) -> Path:
    python = cache / name / "bin" / "python"
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{name}=={_PYPI[name]}"], check=True)
    return python


def executable(folder: Path, events: Iterable[Any], *, sleep: float = 0) -> Path:
    """A fake codex that reads the prompt, waits, and prints a turn with these events between its first and its last.

    The prompt "warm" gets a turn of no events: what a client loads and builds at its first turn is then behind it.
    """
    first = [{"type": "thread.started", "thread_id": "01990000-0000-7000-8000-000000000001"}, {"type": "turn.started"}]
    last = {"type": "turn.completed", "usage": {"input_tokens": 1, "cached_input_tokens": 0, "output_tokens": 1}}
    folder.mkdir(parents=True, exist_ok=True)
    for name, between in (("warm", ()), ("events", events)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for event in (*first, *between, last):
                # As the CLI writes it: without spaces, and nothing escaped that need not be.
                file.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
    wait = f"sleep {sleep}" if sleep else ":"
    return _script(
        folder,
        f"""#!/bin/sh
read -r prompt
[ "$prompt" = warm ] && exec cat '{folder}/warm.jsonl'
{wait}
exec cat '{folder}/events.jsonl'
""",
    )


def ticking(folder: Path, count: int) -> Path:
    """A fake codex that says the time, in nanoseconds of the monotonic clock, every two milliseconds."""
    folder.mkdir(parents=True, exist_ok=True)
    body = f"""#!{sys.executable} -IS
import json, sys, time
def say(**event): print(json.dumps(event), flush=True)
sys.stdin.read()
say(type="thread.started", thread_id="01990000-0000-7000-8000-000000000001")
say(type="turn.started")
for number in range({count}):
    time.sleep(0.002)
    say(type="item.completed", item=dict(id=f"item_{{number}}", type="agent_message", text=str(time.monotonic_ns())))
say(type="turn.completed", usage=dict(input_tokens=1, cached_input_tokens=0, output_tokens=1))
"""
    return _script(folder, body)


def _script(folder: Path, text: str) -> Path:
    path = folder / "bin" / "codex"
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o755)
    # As in the CLI's own package, so that its version is not asked for.
    (folder / "codex-package.json").write_text('{"version": "0.169.0"}')
    return path


def small_events(count: int, items: int) -> Iterable[Any]:
    """Return commands that start, print and end, as they are on the wire, with a number of events in all, of a number of items."""
    for number in range(count):
        item: dict[str, Any] = {"id": f"item_{number // 3 % items}", "type": "command_execution", "command": "ls"}
        kind = ("started", "updated", "completed")[number % 3]
        exit_code = 0 if kind == "completed" else None
        status = "completed" if kind == "completed" else "in_progress"
        yield {"type": f"item.{kind}", "item": item | {"aggregated_output": "a\nb\n", "exit_code": exit_code, "status": status}}


def recorded_events(count: int) -> Iterable[Any]:
    """Return the items of the recordings of the real CLI, repeated, with a number of events in all."""
    files = sorted((_HERE.parent / "recordings").glob("exec_*.jsonl"))
    events = [json.loads(line) for file in files for line in file.read_bytes().splitlines() if line.startswith(b'{"type":"item.')]
    return islice(cycle(events), count)


def large_events(count: int, size: int) -> Iterable[Any]:
    """So many states of one message, each of so many bytes."""
    text = ('A line of text, with a "quote" and an é.\n' * (size // 40 + 1))[:size]
    for number in range(count):
        yield {"type": "item.updated", "item": {"id": "item_0", "type": "agent_message", "text": f"{number}{text}"}}
