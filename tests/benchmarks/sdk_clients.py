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

from tests.invented import NEWEST, OLDEST

CACHE = "CODEX_JUPYTER_BENCHMARK_CACHE"
"""The environment variable with the folder for the environments of the peers. Without it there are no peers."""
_HERE = Path(__file__).parent
_PYPI = {"openai-codex-sdk": "0.1.11", "codex-sdk-python": "0.117.0"}
_TYPESCRIPT = OLDEST
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


def without_items() -> Client:
    """Ours with `keep_items=False`, for streams."""
    name = "ours, without items"
    return Client(name, (sys.executable, str(_HERE / "sdk_driver.py"), name))


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
    """A fake codex that reads the prompt, waits, and prints a turn with these events between its first and its last. It is logged in.

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
        f"""[ "$1" = login ] && exit
read -r prompt
[ "$prompt" = warm ] && exec cat '{folder}/warm.jsonl'
{wait}
exec cat '{folder}/events.jsonl'
""",
    )


def ticking(folder: Path, count: int) -> Path:
    """Return a fake codex that says the time, in nanoseconds of the monotonic clock, every two milliseconds."""
    folder.mkdir(parents=True, exist_ok=True)
    return _script(
        folder, f'import sys\nif sys.argv[1] == "login": sys.exit()\nsys.stdin.read()\n{_ticks(count, 0.002)}', interpreter=_PYTHON
    )


def crowd(folder: Path) -> Path:
    """Return a fake codex that takes a second for a turn, and says the time for five seconds if the prompt is "tick"."""
    path = executable(folder, small_events(1, 1), sleep=1)
    ticks = folder / "ticks"
    ticks.write_text(f"#!{_PYTHON}\n{_ticks(500, 0.01)}")
    ticks.chmod(0o755)
    start, sleep, end = path.read_text().partition("sleep 1")
    path.write_text(f"{start}[ \"$prompt\" = tick ] && exec '{ticks}'\n{sleep}{end}")
    return path


_PYTHON = f"{sys.executable} -IS"


def _ticks(count: int, interval: float) -> str:
    """Return a program that writes a turn with the current time in each event."""
    return f"""import json, sys, time
def say(**event): print(json.dumps(event), flush=True)
say(type="thread.started", thread_id="01990000-0000-7000-8000-000000000001")
say(type="turn.started")
for number in range({count}):
    time.sleep({interval})
    say(type="item.completed", item=dict(id=f"item_{{number}}", type="agent_message", text=str(time.monotonic_ns())))
say(type="turn.completed", usage=dict(input_tokens=1, cached_input_tokens=0, output_tokens=1))
"""


def _script(folder: Path, text: str, *, interpreter: str = "/bin/sh") -> Path:
    path = folder / "bin" / "codex"
    path.parent.mkdir()
    path.write_text(f"#!{interpreter}\n{text}")
    path.chmod(0o755)
    # As in the CLI's own package, so that its version is not asked for.
    (folder / "codex-package.json").write_text(json.dumps({"version": NEWEST}))
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


def large_items(count: int, size: int) -> Iterable[Any]:
    """So many messages, each of so many bytes."""
    for number, event in enumerate(large_events(count, size)):
        yield {"type": "item.completed", "item": event["item"] | {"id": f"item_{number}"}}


def large_events(count: int, size: int) -> Iterable[Any]:
    """So many states of one message, each of so many bytes."""
    text = ('A line of text, with a "quote" and an é.\n' * (size // 40 + 1))[:size]
    for number in range(count):
        yield {"type": "item.updated", "item": {"id": "item_0", "type": "agent_message", "text": f"{number}{text}"}}
