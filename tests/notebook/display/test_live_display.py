"""Messages to the front end and their times, with a clock and a front end of the test."""

import dataclasses
import re
from collections import Counter
from itertools import pairwise
from typing import Any

from codex_jupyter.notebook.display.live_display import LiveDisplay
from codex_jupyter.notebook.display.terminal_display import TerminalDisplay
from codex_jupyter.notebook.display.work_window import CHUNK_ITEMS
from codex_jupyter.notebook.render import TURN_MIME, TurnInfo
from codex_jupyter.sdk import AgentMessageItem, ApprovalRequest, CommandExecutionItem, FileChangeItem, FileUpdateChange, ThreadItem, Turn


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

    @property
    def html(self) -> str:
        return "".join(bundle["text/html"] for bundle in self.shown.values())


def size(bundle: dict[str, Any]) -> int:
    return len(bundle["text/html"]) + len(bundle["text/plain"])


def message(number: int, text: str) -> AgentMessageItem:
    return AgentMessageItem(id=f"item_{number}", text=text)


def command(number: int, status: str = "in_progress", output: str = "") -> CommandExecutionItem:
    return CommandExecutionItem(id=f"item_{number}", command=f"run {number}", status=status, aggregated_output=output)


def turn(*items: ThreadItem, status: str = "in_progress") -> Turn:
    running = frozenset(item.id for item in items if getattr(item, "status", None) == "in_progress")
    return Turn(thread_id="0199a0c0-0000-7000-8000-000000000001", items=items, open_item_ids=running, status=status)  # type: ignore[arg-type]


def test_the_answer_is_above_the_work_when_the_turn_has_ended() -> None:
    """While it runs, the status is there. Afterwards one line opens the work."""
    front = FrontEnd()
    front.display.update(turn(command(0)))
    assert "● Running run 0 · 0.0 s · 1 command" in front.text
    front.now += 1
    remark = message(1, "I look again.")
    front.display.update(turn(command(0, "completed", "zero"), remark, command(2)))
    items = (command(0, "completed", "zero"), remark, command(2, "completed", "second"), message(3, "The answer."))
    front.display.finish(turn(*items, status="completed"), TurnInfo(elapsed=2.0))
    positions = [front.text.index(part) for part in ("codex", "The answer.", "run 0", "I look again.", "run 2", "✓ completed · 2.0 s")]
    assert positions == sorted(positions)
    assert "●" not in front.text
    assert front.html.count("<details>") == 1
    assert "Worked for 2.0 s · 2 commands</span></summary>" in front.html
    assert front.html.index("The answer.") < front.html.index("<details>") < front.html.index("I look again.")


def test_the_last_two_or_three_steps_are_visible_and_the_others_folded() -> None:
    """However many commands run, the steps that are not folded are few, and all of them are there once."""
    front = FrontEnd()
    for number in range(30):
        items = [*(command(step, "completed", f"output {step}.") for step in range(number)), command(number)]
        front.now += 5
        front.display.update(turn(*items))
        live = [bundle["text/plain"] for bundle in front.shown.values() if "<details" not in bundle["text/html"]]
        assert sum(text.count("$ run") for text in live) in (2, 3) or number < 2
        assert front.text.count("$ run") == number + 1
    assert len(front.shown) <= 12


def test_a_full_chunk_is_never_sent_again() -> None:
    """Not when more steps follow, and not at the end, when the line about the turn is above the chunks."""
    front = FrontEnd()
    items: list[ThreadItem] = []
    for number in range(2 * CHUNK_ITEMS):
        items.append(command(number, "completed", f"output {number}."))
        front.now += 5
        front.display.update(turn(*items))
    first = next(
        place
        for place, (_, bundle) in enumerate(front.sent)
        if "output 19." in bundle["text/plain"] and "output 0." in bundle["text/plain"]
    )
    front.display.finish(turn(*items, message(99, "The answer."), status="completed"), TurnInfo(elapsed=9.0))
    assert not any("output 0." in bundle["text/plain"] for _, bundle in front.sent[first + 1 :])
    assert front.text.count("output 0.") == 1
    assert front.html.index("The answer.") < front.html.index("Worked for 9.0 s · 40 commands") < front.html.index("output 0.")


def test_what_failed_and_what_changed_stays_visible() -> None:
    """In one line each, outside of the folded work, also while the turn runs."""
    front = FrontEnd()
    change = FileChangeItem(id="f", changes=[FileUpdateChange(path="/w/a.py", kind="update")], status="completed")
    items: list[ThreadItem] = [command(0, "failed", "no such file").model_copy(update={"exit_code": 1}), change]
    items += [command(number, "completed") for number in range(1, 5)]
    front.display.update(turn(*items))
    for _ in range(2):
        seen = re.sub(r"<details>.*?earlier steps.*?</details>|<details>.*?(Worked|commands).*?</details>(?=<div)", "", front.html)
        assert "exit 1 · " in seen
        assert "~ changed " in seen
        front.display.finish(turn(*items, status="completed"), TurnInfo(elapsed=9.0))


def test_unfolded_work_is_open() -> None:
    """With the setting, every step is visible in its place."""
    front = FrontEnd()
    front.display.folded = False
    items = (command(0, "failed", "no"), command(1, "completed"), message(2, "The answer."))
    front.display.finish(turn(*items, status="completed"), TurnInfo(elapsed=9.0))
    assert "<details open>" in front.html
    assert "(below)" not in front.html


def test_the_answer_streams_in_its_place_if_the_agent_names_it() -> None:
    """A message in the phase `final_answer` is above the work from the start. Other messages are steps until the turn has ended."""
    front = FrontEnd()
    growing = message(1, "The answ").model_copy(update={"phase": "final_answer"})
    shown = dataclasses.replace(turn(command(0, "completed"), growing), open_item_ids=frozenset({growing.id}))
    front.display.update(shown)
    assert front.text.index("● Writing") < front.text.index("The answ") < front.text.index("run 0")


def test_a_step_that_waits_for_the_user_does_not_run() -> None:
    """The question is a card with the whole command. Afterwards one line is at the step, and the wait does not count as its time."""
    front = FrontEnd()
    request = ApprovalRequest(kind="command", message="", choices=("accept", "decline"), command="rm -rf build\u202e", item_id="item_0")
    front.display.update(turn(command(0)))
    front.now += 2
    assert front.display.ask(turn(command(0)), request, {"accept": "y", "decline": "n"}, "the question as text")
    assert "◐ Waiting for your answer · 2.0 s" in front.text
    assert "→ waiting for you\n" in front.text + "\n"
    assert "running" not in front.text
    assert "Run this command?" in front.html
    assert r"rm -rf build\u202e" in front.html
    front.now += 600
    front.display.answered("you allowed this once")
    front.now += 1
    front.display.update(turn(command(0)))
    assert "Run this command?" not in front.html
    assert "running · 3.0 s" in front.text
    assert front.text.index("run 0") < front.text.index("↳ you allowed this once")
    front.display.finish(
        turn(command(0, "completed"), status="completed"), TurnInfo(elapsed=3.0, answers={"item_0": "you allowed this once"})
    )
    assert front.text.count("you allowed this once") == 1


def test_a_front_end_that_may_ignore_updates_gets_the_question_in_the_prompt() -> None:
    """A card that replaces another output may not be visible there."""
    front = FrontEnd()
    front.display.repeat_answer = True
    request = ApprovalRequest(kind="command", message="", choices=("accept", "decline"), command="rm x", item_id="item_0")
    assert not front.display.ask(turn(command(0)), request, {"accept": "y", "decline": "n"}, "the question as text")
    assert "rm x" not in front.text


def test_the_error_of_a_turn_is_said_once() -> None:
    """If the cell raises it, the outputs only say that the turn failed."""
    for shows_error, count in ((True, 1), (False, 0)):
        front = FrontEnd()
        front.display.shows_error = shows_error
        failed = dataclasses.replace(turn(command(0, "completed"), status="failed"), error="429 Too Many")
        front.display.finish(failed, TurnInfo(elapsed=1.0))
        assert front.html.count("429 Too Many") == count
        assert "Failed after 1.0 s" in front.html


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
    """A turn of 140 items has at most 12 outputs, and shows each item once."""
    front = FrontEnd()
    items: list[ThreadItem] = []
    for number in range(140):
        items.append(message(number, f"message number {number}."))
        front.now += 0.05
        front.display.update(turn(*items))
    front.display.finish(turn(*items, status="completed"), TurnInfo(elapsed=10.0))
    assert len(front.shown) <= 12
    assert all(front.text.count(f"message number {number}.") == 1 for number in range(140))


def test_fast_steps_cost_little() -> None:
    """300 steps, 100 a second, cost less than ten times the final size."""
    front = FrontEnd()
    items: list[ThreadItem] = []
    for number in range(300):
        items.append(command(number, "completed", f"{number} " * 20))
        front.now += 0.01
        front.display.update(turn(*items))
    front.display.finish(turn(*items, status="completed"), TurnInfo(elapsed=20.0))
    assert sum(map(size, (bundle for _, bundle in front.sent))) < 10 * sum(map(size, front.shown.values()))


def test_a_turn_in_the_background_uses_the_outputs_that_its_cell_created() -> None:
    """All are created before the turn runs. Each item is in one of them, in order."""
    for count in (1, 3, 8, 30):
        front = FrontEnd()
        front.display.reserve()
        display_ids = list(front.shown)
        items: list[ThreadItem] = []
        for number in range(count):
            items.append(command(number, "completed", f"output number {number}."))
            front.now += 0.05
            front.display.update(turn(*items))
        front.display.finish(turn(*items, status="completed"), TurnInfo(elapsed=10.0))
        assert list(front.shown) == display_ids
        texts = [bundle["text/plain"] for bundle in front.shown.values()]
        places = ["\n".join(texts).index(f"output number {number}.") for number in range(count)]
        assert places == sorted(places)


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


def test_the_answer_holds_the_whole_turn() -> None:
    """One output carries the turn for later use."""
    front = FrontEnd()
    front.display.finish(turn(command(0, "completed"), status="completed"), TurnInfo(elapsed=1.0))
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


def test_a_long_output_does_not_push_the_status_out_of_view() -> None:
    """While the turn runs, a step shows the last lines of its output. Afterwards the folded work has all lines."""
    front = FrontEnd()
    output = "".join(f"line {number}.\n" for number in range(20))
    front.display.update(turn(command(0, output=output)))
    assert "⋯ 12 lines above ⋯" in front.text
    assert ("line 11." in front.text, "line 12." in front.text) == (False, True)
    front.display.finish(turn(command(0, "completed", output), status="completed"), TurnInfo(elapsed=1.0))
    assert all(f"line {number}." in front.text for number in range(20))
