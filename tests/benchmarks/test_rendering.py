"""Costs of rendering, as ratios to a floor measured in the same run. Prints tables and decides nothing about time."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from codex_jupyter.notebook.display.live_display import LiveDisplay
from codex_jupyter.notebook.render import TurnInfo, item_bundle
from codex_jupyter.sdk import AgentMessageItem, CommandExecutionItem, ThreadItem, Turn
from tests.benchmarks.hostile import hostile_items, hostile_texts

pytestmark = pytest.mark.benchmark
UPDATES = 2_000
README = (Path(__file__).parents[2] / "README.md").read_text()
OUTPUT = "".join(f"\x1b[32mok\x1b[0m test number {i}\n" for i in range(400))
TYPICAL: dict[str, ThreadItem] = {
    "one line": AgentMessageItem(id="a", text="I'll look at the data first."),
    "2 KB message": AgentMessageItem(id="a", text=README[-2_000:]),
    "20 KB message": AgentMessageItem(id="a", text=(README * 4)[-20_000:]),
    "command": CommandExecutionItem(id="a", command="ls", aggregated_output="a\nb\n", exit_code=0, status="completed"),
    "coloured output": CommandExecutionItem(id="a", command="pytest", aggregated_output=OUTPUT, exit_code=0, status="completed"),
}


def milliseconds(function: Callable[[], Any], times: int = 5) -> float:
    """The shortest of some runs, in processor time."""
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        function()
        best = min(best, time.process_time() - began)
    return best * 1000


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n\n{title}")
    for row in rows:
        print(
            "  "
            + "  ".join(cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in enumerate(zip(row, widths, strict=True)))
        )


def test_bytes_and_time_of_a_growing_turn() -> None:
    """2,000 updates that total 200 KB, at 100 a second: as one message, as one output, and as 20 of each."""
    item_bundle(TYPICAL["2 KB message"])  # imports what rendering needs
    rows = [("turn", "sent / final", "outputs sent", "median ms", "worst ms")]
    for kind in ("message", "output"):
        for count in (1, 20):
            sent, spent, final = _played(kind, count)
            rows.append((f"{count} {kind}(s)", f"{sum(sent) / final:.1f}", f"{len(sent)}", f"{median(spent):.3f}", f"{max(spent):.1f}"))
            assert sum(sent) < 10 * final
    table(f"{UPDATES} updates, 200 KB", rows)


def _played(kind: str, count: int) -> tuple[list[int], list[float], int]:
    """The bytes of each bundle sent, the milliseconds of each update, and the size of the text."""
    sent: list[int] = []
    spent: list[float] = []
    clock = [100.0]
    display = LiveDisplay(
        TurnInfo(),
        lambda bundle, *_: sent.append(sum(len(bundle[mime].encode()) for mime in ("text/html", "text/plain"))),
        clock=lambda: clock[0],
    )
    texts = [""] * count
    items: dict[int, ThreadItem] = {}
    for update in range(UPDATES):
        at = update * count // UPDATES
        texts[at] += "some words of a long line, again and again, and then some more of them until it is full to the end\n"
        items[at] = _item(kind, at, texts[at], ended=False)
        if at and texts[at].count("\n") == 1:
            items[at - 1] = _item(kind, at - 1, texts[at - 1], ended=True)
        turn = Turn(thread_id="t", items=tuple(items.values()), open_item_ids=frozenset({str(at)}))
        clock[0] += 0.01
        began = time.perf_counter()
        display.update(turn)
        spent.append((time.perf_counter() - began) * 1000)
    items[count - 1] = _item(kind, count - 1, texts[-1], ended=True)
    began = time.perf_counter()
    display.finish(Turn(thread_id="t", status="completed", items=tuple(items.values())), TurnInfo(elapsed=20.0))
    spent.append((time.perf_counter() - began) * 1000)
    return sent, spent, sum(map(len, texts))


def _item(kind: str, number: int, text: str, *, ended: bool) -> ThreadItem:
    if kind == "message":
        return AgentMessageItem(id=str(number), text=text)
    status = "completed" if ended else "in_progress"
    return CommandExecutionItem(id=str(number), command="run", aggregated_output=text, status=status)


def test_time_of_an_item() -> None:
    """Ordinary items, and the worst of those that are made to be slow; the floor is the cheapest item."""
    floor = milliseconds(lambda: item_bundle(TYPICAL["one line"]), 200)
    rows = [("item", "ms", "/ floor")]
    for name, item in TYPICAL.items():
        cost = milliseconds(lambda item=item: item_bundle(item))  # type: ignore[misc]
        rows.append((name, f"{cost:.2f}", f"{cost / floor:.0f}"))
    table("ordinary items", rows)
    worst: list[tuple[float, str]] = []
    for length in (20_000, 50_000, 98_000):
        for name, text in hostile_texts(length).items():
            message = AgentMessageItem(id="a", text=text)
            worst.append((milliseconds(lambda item=message: item_bundle(item), 3), f"{length // 1000} KB of {name}"))  # type: ignore[misc]
    worst += [(milliseconds(partial(item_bundle, make()), 3), f"1 MB {name}") for name, make in hostile_items().items()]
    table("hostile items, the slowest", [(name, f"{cost:.1f}", f"{cost / floor:.0f}") for cost, name in sorted(worst, reverse=True)[:12]])


def test_time_to_load_the_extension(tmp_path: Path) -> None:
    """`%load_ext codex_jupyter` in a running kernel against an extension that does nothing."""
    for number in range(5):
        (tmp_path / f"trivial{number}.py").write_text("def load_ipython_extension(shell): pass\n")
    manager, client = start_new_kernel()
    try:
        source = f"""
import sys, time
sys.path.insert(0, {str(tmp_path)!r})
shell = get_ipython()

def load(name):
    began = time.perf_counter()
    shell.run_line_magic("load_ext", name)
    return (time.perf_counter() - began) * 1000

floors = sorted(load(f"trivial{{n}}") for n in range(5))
spent = []
for _ in range(5):
    spent.append(load("codex_jupyter"))
    shell.run_line_magic("unload_ext", "codex_jupyter")
    for name in [name for name in sys.modules if name.startswith("codex_jupyter")]:
        del sys.modules[name]
spent.sort()
print(floors[2], spent[0], spent[2], spent[4])
"""
        said: list[str] = []
        client.execute_interactive(source, timeout=60, output_hook=lambda message: said.append(message["content"].get("text", "")))
        floor, best, middle, worst = map(float, "".join(said).split())
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    rows = [
        ("", "ms", "/ floor"),
        ("trivial extension", f"{floor:.2f}", "1"),
        ("codex_jupyter, best", f"{best:.2f}", f"{best / floor:.1f}"),
    ]
    table("%load_ext", [*rows, ("median", f"{middle:.2f}", f"{middle / floor:.1f}"), ("worst", f"{worst:.2f}", f"{worst / floor:.1f}")])
