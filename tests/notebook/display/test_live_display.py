"""Messages to the front end and their times, with a clock and a front end of the test."""

from collections import Counter
from itertools import pairwise
from typing import Any

from codex_jupyter.notebook.display.live_display import GROUPS, LiveDisplay
from codex_jupyter.notebook.display.terminal_display import TerminalDisplay
from codex_jupyter.notebook.render import TURN_MIME, TurnInfo
from codex_jupyter.sdk import AgentMessageItem, CommandExecutionItem, ThreadItem, Turn


class FrontEnd:
    """Keeps what it was sent, and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.shown: dict[str, dict[str, Any]] = {}
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.display = LiveDisplay(TurnInfo(cwd="/w"), self.publish, lambda: self.now)

    def publish(self, bundle: dict[str, Any], display_id: str, update: bool, metadata: dict[str, Any]) -> None:
        assert update == (display_id in self.shown)
        self.shown[display_id] = bundle
        self.sent.append((display_id, bundle))

    @property
    def text(self) -> str:
        return "\n".join(bundle["text/plain"] for bundle in self.shown.values())


def command(number: int, status: str = "in_progress", output: str = "") -> CommandExecutionItem:
    return CommandExecutionItem(id=f"item_{number}", command=f"run {number}", status=status, aggregated_output=output)


def turn(*items: ThreadItem, status: str = "in_progress") -> Turn:
    running = frozenset(item.id for item in items if getattr(item, "status", None) == "in_progress")
    return Turn(thread_id="0199a0c0-0000-7000-8000-000000000001", items=items, open_item_ids=running, status=status)  # type: ignore[arg-type]


def test_outputs_stand_in_the_order_of_the_items() -> None:
    """Header, items, footer, however they came in."""
    front = FrontEnd()
    front.display.update(turn())
    front.display.update(turn(command(0)))
    front.now += 1
    front.display.update(turn(command(0, "completed", "zero"), command(1)))
    front.display.finish(
        turn(command(0, "completed", "zero"), command(1, "completed", "second output"), status="completed"), TurnInfo(elapsed=2.0)
    )
    positions = [front.text.index(part) for part in ("codex", "run 0", "zero", "run 1", "second output", "✓ completed · 2.0 s")]
    assert positions == sorted(positions)
    assert len(front.shown) == 4


def test_a_finished_item_is_sent_once_and_never_again() -> None:
    """Only what changed is sent."""
    front = FrontEnd()
    first, second = command(0, "completed", "zero"), command(1)
    front.display.update(turn(first))
    for _ in range(50):
        front.now += 0.3
        second = second.model_copy()
        front.display.update(turn(first, second))
    front.display.finish(turn(first, second.model_copy(update={"status": "completed"}), status="completed"), TurnInfo(elapsed=9.0))
    assert sum("run 0" in bundle["text/plain"] for _, bundle in front.sent) == 1


def test_a_growing_item_is_sent_seldom_enough() -> None:
    """2,000 updates that total 200 KB cost less than ten times the final size."""
    front = FrontEnd()
    text = ""
    for _ in range(2000):
        text += "x" * 99 + "\n"
        front.now += 0.01
        front.display.update(turn(command(0, output=text)))
    front.display.finish(turn(command(0, "completed", output=text), status="completed"), TurnInfo(elapsed=20.0))
    total = sum(len(bundle["text/html"]) + len(bundle["text/plain"]) for _, bundle in front.sent)
    assert total < 10 * len(text)
    assert "x" * 99 in front.text


def test_a_change_that_is_held_back_is_shown_in_the_end() -> None:
    """The last state is always on screen, however fast it came."""
    front = FrontEnd()
    front.display.update(turn(command(0)))
    front.display.update(turn(command(0, output="early")))
    front.display.finish(turn(command(0, "completed", output="late"), status="completed"), TurnInfo(elapsed=0.1))
    assert "late" in front.text


def test_many_items_make_few_outputs() -> None:
    """A turn of 200 items stays below the number of outputs that JupyterLab folds at, and shows them all."""
    front = FrontEnd()
    items: list[ThreadItem] = []
    for number in range(200):
        items.append(AgentMessageItem(id=f"item_{number}", text=f"message number {number}."))
        front.now += 0.05
        front.display.update(turn(*items))
    front.display.finish(turn(*items, status="completed"), TurnInfo(elapsed=10.0))
    assert len(front.shown) == len(GROUPS) + 3
    for number in range(200):
        assert f"message number {number}." in front.text


def test_a_turn_in_the_background_leaves_few_outputs_empty() -> None:
    """All are created before the turn runs, at most two too many. Each item is in one of them, in order."""
    for count in (1, 2, 3, 8, 9, 60):
        front = FrontEnd()
        front.display.reserve()
        display_ids = list(front.shown)
        items: list[ThreadItem] = []
        for number in range(count):
            items.append(AgentMessageItem(id=f"item_{number}", text=f"message number {number}."))
            front.now += 0.05
            front.display.update(turn(*items))
        front.display.finish(turn(*items, status="completed"), TurnInfo(elapsed=10.0))
        assert list(front.shown) == display_ids
        texts = [bundle["text/plain"] for bundle in front.shown.values()]
        assert texts.count("") <= 2
        assert all(texts[: len(texts) - texts.count("")])
        places = ["\n".join(texts).index(f"message number {number}.") for number in range(count)]
        assert places == sorted(places)
        assert "completed" in "".join(texts).splitlines()[-1]


def test_a_running_item_says_for_how_long() -> None:
    """The running time ticks without an event, once a second and not more."""
    front = FrontEnd()
    item = command(0)
    for _ in range(40):
        front.display.update(turn(item))
        front.now += 0.1
    assert "running · 3." in front.text
    assert max(Counter(display_id for display_id, _ in front.sent).values()) <= 6


def test_a_turn_that_never_started_shows_nothing() -> None:
    """The error alone is enough."""
    front = FrontEnd()
    front.display.update(Turn())
    front.display.finish(Turn(status="failed", error="no executable"), TurnInfo(elapsed=0.1))
    assert front.sent == []


def test_the_footer_holds_the_whole_turn() -> None:
    """The last output carries the turn for later use."""
    front = FrontEnd()
    front.display.finish(turn(command(0, "completed"), status="completed"), TurnInfo(elapsed=1.0))
    assert TURN_MIME in front.sent[-1][1]
    assert sum(TURN_MIME in bundle for _, bundle in front.sent) == 1


def test_a_terminal_gets_each_item_once() -> None:
    """Lines are written when an item has ended, and nothing is written twice."""
    lines: list[str] = []
    display = TerminalDisplay(TurnInfo(), lines.append)
    display.update(turn(command(0)))
    assert "run 0" not in "".join(lines)
    display.update(turn(command(0, "completed", "zero"), command(1)))
    display.finish(turn(command(0, "completed", "zero"), command(1, "interrupted"), status="interrupted"), TurnInfo(elapsed=1.0))
    text = "\n".join(lines)
    assert text.count("run 0") == text.count("run 1") == 1
    assert text.index("zero") < text.index("run 1") < text.index("■ interrupted")


def test_a_terminal_says_what_runs() -> None:
    """In one line, once a second, that is cleared before anything else is written."""
    screen: list[str] = []
    front = FrontEnd()
    display = TerminalDisplay(TurnInfo(), lambda text: screen.append(f"written: {text}"), screen.append, lambda: front.now)
    for _ in range(35):
        display.update(turn(command(0)))
        front.now += 0.1
    ticks = [line for line in screen if line and not line.startswith("written")]
    assert len(ticks) == 4
    assert "running · 3." in ticks[-1]
    assert "run 0" in ticks[-1]
    display.finish(turn(command(0, "completed", "zero"), status="completed"), TurnInfo(elapsed=3.5))
    for line, following in pairwise(screen):
        assert not (following.startswith("written") and line in ticks)
    assert "running" not in screen[-1]
