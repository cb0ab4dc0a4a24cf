"""Costs of a turn over the app-server, beside `exec` and OpenAI's own Python package. Prints tables; decides nothing about time.

That package is installed into the folder that CODEX_JUPYTER_BENCHMARK_CACHE names; without it there is none.
"""

import json
import os
import subprocess
import sys
import threading
import time
import venv
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import psutil
import pytest

from codex_jupyter.sdk import AgentMessageItem, Codex, locate_codex
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.testing import ScriptedModel, say, shell, wait_for
from tests.benchmarks.sdk_clients import CACHE
from tests.benchmarks.test_sdk import ROUNDS, table
from tests.invented import OLDEST

pytestmark = pytest.mark.benchmark
OFFICIAL = f"openai-codex=={OLDEST}"
TASKS = {"import": 1, "first": 1, "turn": 10, "eight": 3}
"""Tasks of a client, and how often each is done in a round."""
DRIVER = Path(__file__).with_name("live_driver.py")


def pythons() -> dict[str, tuple[str, str, str]]:
    """By name: the client in the driver, the Python that has it, and our transport."""
    clients = {name: ("ours", sys.executable, name) for name in ("exec", "app-server")}
    if cache := os.environ.get(CACHE):
        python = Path(cache) / "openai-codex" / "bin" / "python"
        if not python.exists():
            venv.create(python.parents[1], with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", OFFICIAL], check=True)
        clients["openai-codex"] = ("openai-codex", str(python), "")
    return clients


class Driver:
    """A client in a process of its own, which is ready for the first task."""

    def __init__(self, client: str, python: str, settings: dict[str, Any]) -> None:
        env = os.environ | {"PYTHONPATH": str(DRIVER.parents[2])}
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen([python, DRIVER, client, json.dumps(settings)], stdin=pipe, stdout=pipe, env=env, text=True)
        self._line()

    def do(self, task: str) -> tuple[float, float]:
        """Have a task done.

        Returns:
            The seconds that it took, and those that the client and all that it has started worked on it.
        """
        before = self._worked()
        assert self._popen.stdin is not None
        self._popen.stdin.write(f"{task}\n")
        self._popen.stdin.flush()
        return float(self._line()), self._worked() - before

    def close(self) -> None:
        self._popen.communicate(timeout=60)

    def _line(self) -> str:
        assert self._popen.stdout is not None
        return self._popen.stdout.readline()

    def _worked(self) -> float:
        client = psutil.Process(self._popen.pid)
        times = [client.cpu_times()]
        for child in client.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                times.append(child.cpu_times())
        return times[0].children_user + times[0].children_system + sum(time.user + time.system for time in times)


def test_turns(tmp_path: Path) -> None:
    """The first with the start of the server, warm ones, and eight at once. All clients are there at once, and take turns."""
    clients = pythons()
    samples: dict[str, dict[str, list[tuple[float, float]]]] = {name: {task: [] for task in TASKS} for name in clients}
    for number in range(ROUNDS):
        with ScriptedModel(["Hi!"] * 200, codex_home=tmp_path / "home") as model:
            drivers = {}
            for name, (client, python, transport) in clients.items():
                folder = tmp_path / f"{name}-{number}"
                folder.mkdir()
                settings = {
                    "executable": str(locate_codex().path),
                    "config": model.config,
                    "overrides": render_config_flags(model.config),
                    "env": model.env(),
                    "folder": str(folder),
                    "transport": transport,
                }
                drivers[name] = Driver(client, python, settings)
            for task, times in TASKS.items():
                for _ in range(times):
                    for name, driver in drivers.items():
                        samples[name][task].append(driver.do(task))
            for driver in drivers.values():
                driver.close()
    rows = [["", *(f"{task} {unit}" for task in TASKS for unit in ("ms", "CPU ms")), *(f"{task} / exec" for task in TASKS)]]
    base = {task: median(seconds for seconds, _ in taken) for task, taken in samples["exec"].items()}
    for name, tasks in samples.items():
        middles = [(median(seconds for seconds, _ in taken), median(worked for _, worked in taken)) for taken in tasks.values()]
        ratios = [f"{seconds / base[task]:.2f}" for task, (seconds, _) in zip(TASKS, middles, strict=True)]
        rows.append([name, *(f"{value * 1e3:.0f}" for pair in middles for value in pair), *ratios])
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
