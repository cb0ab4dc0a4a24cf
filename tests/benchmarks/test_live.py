"""What a turn costs over the live transport, beside `exec` and OpenAI's own Python package. Prints tables; decides nothing about time.

That package is installed into the folder that CODEX_JUPYTER_BENCHMARK_CACHE names; without it there is none.
"""

import json
import os
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import pytest

from codex_jupyter.demo import ScriptedModel, say, shell, wait_for
from codex_jupyter.sdk import AgentMessageItem, Codex, locate_codex
from codex_jupyter.sdk.cli.config import config_overrides
from tests.benchmarks.sdk_clients import CACHE
from tests.benchmarks.test_sdk import ROUNDS, table

pytestmark = pytest.mark.benchmark
OFFICIAL = "openai-codex==0.163.0"
TURNS = 10
DRIVER = Path(__file__).with_name("live_driver.py")


def pythons() -> dict[str, tuple[str, str, str]]:
    """By name: the client in the driver, the Python that has it, and our transport."""
    found = {name: ("ours", sys.executable, name) for name in ("exec", "app-server")}
    if cache := os.environ.get(CACHE):
        python = Path(cache) / "openai-codex" / "bin" / "python"
        if not python.exists():
            venv.create(python.parents[1], with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", OFFICIAL], check=True)
        found["openai-codex"] = ("openai-codex", str(python), "")
    return found


def test_warm_turns(tmp_path: Path) -> None:
    """One after the other on one thread, the first included; and eight at once."""
    clients = pythons()
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in clients}
    for number in range(ROUNDS):
        for name, (client, python, transport) in clients.items():
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            with ScriptedModel(["Hi!"] * 50, codex_home=tmp_path / "home") as model:
                settings = {
                    "executable": str(locate_codex().path),
                    "config": model.config,
                    "overrides": config_overrides(model.config),
                    "env": model.env(),
                    "folder": str(folder),
                    "transport": transport,
                    "turns": TURNS,
                }
                env = os.environ | {"PYTHONPATH": str(DRIVER.parents[2])}
                done = subprocess.run([python, DRIVER, client, json.dumps(settings)], check=True, capture_output=True, env=env, timeout=120)
            sample = json.loads(done.stdout)
            samples[name].append({"first": sample["first"], "warm": median(sample["turns"]), "eight": sample["at once"]})
    base = median(one["warm"] for one in samples["exec"])
    rows = [["", "first ms", "warm ms", "warm / exec", "8 at once ms"]]
    for name, taken in samples.items():
        first, warm, eight = (median(one[key] for one in taken) for key in ("first", "warm", "eight"))
        rows.append([name, f"{first * 1e3:.0f}", f"{warm * 1e3:.0f}", f"{warm / base:.2f}", f"{eight * 1e3:.0f}"])
    table(f"Real turns, medians of {ROUNDS} rounds", rows)


def test_an_interrupt(tmp_path: Path) -> None:
    """With a command that runs, until nothing of the turn runs any more."""
    stopped = []

    async def measure() -> None:
        with ScriptedModel([[[shell("sleep 60")]]] * ROUNDS, codex_home=tmp_path / "home") as model:
            async with Codex(config=model.config, env=model.env(), transport="app-server") as codex:
                for _ in range(ROUNDS):
                    thread = codex.start_thread(working_directory=tmp_path, skip_git_repo_check=True)
                    async with thread.run_streamed("go") as streamed:
                        async for event in streamed.events:
                            if event.type == "item.started":
                                break
                        began = time.perf_counter()
                        await streamed.interrupt()
                        stopped.append(time.perf_counter() - began)

    anyio.run(measure)
    table(
        "An interrupt over the live transport", [["median ms", "worst ms"], [f"{median(stopped) * 1e3:.0f}", f"{max(stopped) * 1e3:.0f}"]]
    )


class Clock(threading.Event):
    """Is set whenever it is asked, and knows when that was."""

    asked = 0.0

    def is_set(self) -> bool:
        self.asked = time.perf_counter()
        return True

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def test_the_first_words(tmp_path: Path) -> None:
    """From the moment that the model says them; the second word is held back until the first was seen."""
    late = []

    async def measure() -> None:
        for _ in range(ROUNDS):
            seen, clock = threading.Event(), Clock()
            parts: list[Any] = [wait_for(clock), say("First words."), wait_for(seen), say("Last words.")]
            with ScriptedModel([[parts]], codex_home=tmp_path / "home") as model:
                async with Codex(config=model.config, env=model.env(), transport="app-server") as codex:
                    thread = codex.start_thread(working_directory=tmp_path, skip_git_repo_check=True)
                    async with thread.run_streamed("go") as streamed:
                        async for event in streamed.events:
                            if isinstance(getattr(event, "item", None), AgentMessageItem) and not seen.is_set():
                                late.append(time.perf_counter() - clock.asked)
                                seen.set()

    anyio.run(measure)
    table("The first words over the live transport", [["median ms", "worst ms"], [f"{median(late) * 1e3:.0f}", f"{max(late) * 1e3:.0f}"]])
