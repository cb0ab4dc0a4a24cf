"""Costs of a turn, beside other SDKs and the least that is possible. Prints tables; decides nothing about time.

The peers are installed by their own package managers into the folder that CODEX_JUPYTER_BENCHMARK_CACHE names; without it there are none.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pytest

from codex_jupyter.sdk import Codex, ThreadOptions, TurnRequest
from codex_jupyter.sdk.transports.exec.arguments import exec_arguments
from codex_jupyter.testing import ScriptedModel
from tests.benchmarks.sdk_clients import (
    Client,
    clients,
    crowd,
    executable,
    large_events,
    large_items,
    recorded_events,
    small_events,
    ticking,
    without_items,
)

pytestmark = pytest.mark.benchmark
ROUNDS = int(os.environ.get("CODEX_JUPYTER_BENCHMARK_ROUNDS", "5"))
COLUMNS = {"s": "s", "cpu": "CPU s", "mb": "peak MB", "ms": "ms", "p99": "p99 ms"}


@pytest.fixture(scope="module")
def compared() -> list[Client]:
    return clients()


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n\n{title}")
    for row in rows:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def compare(title: str, case: str, path: Path, compared: list[Client], *, count: int = 1, unit: tuple[str, float] | None = None) -> None:
    """Measure all in turns, and print medians, what is done per second, and each one's time as a multiple of ours."""
    samples: dict[str, list[dict[str, float]]] = {client.name: [] for client in compared}
    for number in range(ROUNDS):
        for client in compared:
            if len(samples[client.name]) < number:
                continue  # it has failed, or hung
            if (sample := client.sample(case, path, count)) is not None:
                samples[client.name].append(sample)
    middles = {name: {key: median(sample[key] for sample in taken) for key in taken[0]} for name, taken in samples.items() if taken}
    ours = middles["ours"]
    key = "s" if "s" in ours else "ms"
    shown = [column for column in COLUMNS if column in ours]
    rows = [["", *(COLUMNS[column] for column in shown), *([unit[0]] if unit else []), "time / ours", "CPU / ours"]]
    for name, taken in samples.items():
        if not taken:
            rows.append([name, *["fails"] * (len(rows[0]) - 1)])
            continue
        middle = middles[name]
        rate = [f"{unit[1] / middle[key]:,.0f}"] if unit else []
        cpu = f"{middle['cpu'] / ours['cpu']:.2f}" if "cpu" in ours else ""
        rows.append([name, *(f"{middle[column]:.3f}" for column in shown), *rate, f"{middle[key] / ours[key]:.2f}", cpu])
    table(title, rows)


@pytest.mark.parametrize("items", [None, 10, 33_334])
def test_small_events(compared: list[Client], tmp_path: Path, items: int | None) -> None:
    """100,000 of them, all looked at. Ours keeps the last state of each item, for the turn; the others keep nothing of a stream."""
    events = recorded_events(100_000) if items is None else small_events(100_000, items)
    title = "events as the CLI tells them" if items is None else f"small events of {items:,} commands"
    compare(f"100,003 {title}", "stream", executable(tmp_path, events), compared, unit=("events/s", 100_003))


@pytest.mark.parametrize(("count", "size"), [(1_000, 100_000), (1, 20_000_000), (10, 20_000_000)])
def test_large_events(compared: list[Client], tmp_path: Path, count: int, size: int) -> None:
    """Throughput and memory."""
    path = executable(tmp_path, large_events(count, size))
    megabytes = (tmp_path / "events.jsonl").stat().st_size / 1e6
    compare(f"{count} events of {size:,} bytes", "stream", path, compared, unit=("MB/s", megabytes))


def test_memory(compared: list[Client], tmp_path: Path) -> None:
    """Of a stream whose events are dropped. Our turn keeps its items, unless it must not. The others keep nothing of a stream."""
    path = executable(tmp_path, large_items(1_000, 100_000))
    compare("1,000 items of 100,000 bytes", "stream", path, [*compared, without_items()])


def test_a_turn(compared: list[Client], tmp_path: Path) -> None:
    """Of four events, from the call to its result; the floor spawns the same executable and waits for it. CPU is that of all 100."""
    compare("A turn, one after the other", "turns", executable(tmp_path, small_events(1, 1)), compared, count=100)


def test_latency(compared: list[Client], tmp_path: Path) -> None:
    """From the write to the loop over the events."""
    compare("An event written to seen", "latency", ticking(tmp_path, 300), compared)


@pytest.mark.parametrize("count", [200])
def test_latency_in_a_crowd(compared: list[Client], tmp_path: Path, count: int) -> None:
    """Of the events of ten turns, while 190 other turns start, run for a second, and end."""
    others = [client for client in compared if client.name != "floor"]
    compare(f"An event written to seen, {count} turns at once", "crowd", crowd(tmp_path), others, count=count)


@pytest.mark.parametrize("count", [50, 200])
def test_turns_at_once(compared: list[Client], tmp_path: Path, count: int) -> None:
    """Each of one second."""
    path = executable(tmp_path, small_events(1, 1), sleep=1)
    compare(f"{count} turns at once", "many", path, [client for client in compared if client.name != "floor"], count=count)


def test_cost_is_linear(tmp_path: Path) -> None:
    """In events, bytes and turns: what one costs, at three sizes."""
    (ours,) = (client for client in clients() if client.name == "ours")
    rows = [["", "size", "CPU us each"]]
    for size in (25_000, 50_000, 100_000):
        path = executable(tmp_path / f"e{size}", small_events(size, size))
        rows.append(["events", f"{size:,}", _each(ours, "stream", path, 1, size)])
    for size in (50, 100, 200):
        path = executable(tmp_path / f"b{size}", large_events(size, 100_000))
        rows.append(["events of 100 KB", f"{size:,}", _each(ours, "stream", path, 1, size)])
    path = executable(tmp_path / "turns", small_events(1, 1))
    rows += [["turns at once", f"{size:,}", _each(ours, "many", path, size, size)] for size in (50, 100, 200)]
    table("Cost by size", rows)


def _each(client: Client, case: str, path: Path, count: int, size: int) -> str:
    samples = [sample for _ in range(ROUNDS) if (sample := client.sample(case, path, count)) is not None]
    return f"{median(sample['cpu'] for sample in samples) / size * 1e6:,.1f}"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_real_turn(tmp_path: Path) -> None:
    """The CLI by itself, and in a turn, in turns."""
    spent: dict[str, list[float]] = {"direct": [], "turn": []}
    with ScriptedModel(["Hi!"] * (12 * ROUNDS + 2), codex_home=tmp_path / "home") as model:
        codex = Codex(config=model.config, env=model.env())
        thread = ThreadOptions(working_directory=tmp_path, skip_git_repo_check=True)
        command = [str((await codex.locate()).path), *exec_arguments(TurnRequest(input=(), options=thread), codex.options, env=model.env())]

        async def direct() -> None:
            subprocess.run(command, input=b"go", env=model.env(), check=True, capture_output=True)  # noqa: ASYNC221 - nothing else runs

        async def turn() -> None:
            await codex.start_thread(thread).run("go")

        for number in range(6 * ROUNDS + 1):
            # The CLI slows down with each thread that it keeps, so each is the first in turns.
            for run in (turn, direct) if number % 2 else (direct, turn):
                began = time.perf_counter()
                await run()
                spent[run.__name__].append(time.perf_counter() - began)
    # The ratio of neighbours: what else the machine does slows both alike.
    ratio = median(ours / alone for ours, alone in zip(spent["turn"][1:], spent["direct"][1:], strict=True))
    alone, turns = (median(times[1:]) * 1e3 for times in (spent["direct"], spent["turn"]))
    table("A real turn", [["CLI ms", "turn ms", "ratio"], [f"{alone:.0f}", f"{turns:.0f}", f"{ratio:.3f}"]])


def test_import() -> None:
    """Measure the time that our import adds to the libraries that it needs, with the byte code that every installed package has."""
    rows = [["", "ms", "CPU ms"]]
    base = "import time, pydantic, anyio, pydantic.main, pydantic.types; t, c = time.perf_counter(), time.process_time(); "
    first = 'from codex_jupyter import parse_event; parse_event(b\'{"type":"turn.started"}\')'
    cases = {"codex_jupyter": "import codex_jupyter", "its SDK": "from codex_jupyter import Codex", "first events": first}
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    spent: dict[str, list[list[float]]] = {name: [] for name in cases}
    for number in range(2 * ROUNDS + 1):
        for name, statement in cases.items():
            code = f"{base}{statement}; print(time.perf_counter() - t, time.process_time() - c)"
            done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=env)
            if number:  # the first writes the byte code
                spent[name].append([float(text) * 1e3 for text in done.stdout.split()])
    for name, samples in spent.items():
        rows.append([name, *(f"{median(column):.1f}" for column in zip(*samples, strict=True))])
    table("Import, over `import pydantic, anyio`", rows)
