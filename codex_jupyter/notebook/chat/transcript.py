"""Render turns as blocks for the page, and find what changed since they were last sent.

A turn has blocks above its items (what was attached), one for each item, and some below (images that it wrote, time, tokens, errors).
All HTML is made by the renderer of the cells. The output of a command is sent as added text, and once as HTML when it has ended. A message
is sent the same way, but each paragraph is sent as HTML as soon as the next one starts, because later text does not change it.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.display.item_times import ItemTimes
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TurnInfo, fallback, footer_bundle, header_bundle, item_bundle, plain, sanitize
from codex_jupyter.notebook.render.app_server_phrases import kernel_code
from codex_jupyter.notebook.render.approval import always, facts, label, meaning, title
from codex_jupyter.notebook.render.header_footer import remarks_html, rights_html
from codex_jupyter.notebook.render.markdown import code_languages, stable_prefix_length
from codex_jupyter.notebook.render.phrases import duration
from codex_jupyter.notebook.render.plain_text import item_text
from codex_jupyter.notebook.render.rights import IN_CHAT
from codex_jupyter.notebook.render.thumbnails import Thumbnail, attached_html, written_html
from codex_jupyter.sdk import (
    AgentMessageItem,
    ApprovalRequest,
    CommandExecutionItem,
    DynamicToolCallItem,
    ReasoningItem,
    ThreadItem,
    TodoListItem,
    Turn,
)

STREAMED: Final = 100_000
"""Limit of a growing text, in characters. The rest is sent when the item has ended."""
UNSETTLED: Final = 20_000
"""Characters of a single paragraph above which its end is not searched for."""

Block = dict[str, Any]
"""A `protocol.Block`."""


@dataclass(slots=True)
class TurnView:
    """A running turn, and the blocks of it that were sent.

    Args:
        id: Id of the turn in the page.
        prompt: What the user wrote.
        info: The facts about the turn.
        clock: Return seconds; for tests.
    """

    id: str
    prompt: str
    info: TurnInfo
    clock: Callable[[], float] = time.monotonic
    turn: Turn = field(default_factory=Turn)
    _sent: dict[str, tuple[object, Block]] = field(default_factory=dict)
    """For each block, the source it was rendered from, and the block that was sent."""
    _times: ItemTimes = field(default_factory=ItemTimes)
    _asking: str | None = None
    """Id of the item that waits for the user."""
    _rendered_prefix: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Length of the rendered part of a growing message, and its HTML."""

    def state(self) -> dict[str, Any]:
        """Return everything that the page shows of the turn, as it was last sent."""
        blocks = self.running_blocks()
        return {"id": self.id, "prompt": plain(self.prompt), "at": self.info.began, "status": "in_progress", "blocks": blocks}

    def running_blocks(self) -> list[Block]:
        """Return the blocks as they were last sent, with the running times of items that still run."""
        now = self.clock()
        return [
            {**block, "running": self._times.running(name, now)} if "running" in block else block for name, (_, block) in self._sent.items()
        ]

    def pause(self, item_id: str) -> None:
        """Mark an item as waiting for the user, and stop its time."""
        self._asking = item_id
        self._times.pause(item_id, self.clock())

    def resume(self, item_id: str) -> None:
        """Continue the time of an item, which does not wait any more."""
        self._asking = None
        self._times.resume(item_id, self.clock())

    def changes(self, turn: Turn, info: TurnInfo | None = None) -> list[Block]:
        """Bring the view up to date.

        Args:
            turn: The turn now.
            info: The facts about the turn now. None keeps the earlier ones.

        Returns:
            The blocks that are new or have changed. A block that has only grown has `append` instead of `html` and `text`, or `more` HTML
            before a new `text`.
        """
        self.turn, self.info = turn, info or self.info
        now = self.clock()
        self._times.observe(turn, now)
        blocks: list[tuple[object, Block]] = [((turn.thread_id, turn.rights, self.info), block) for block in _above(turn, self.info)]
        for part in _parts(turn, self.info):
            if isinstance(part, SteeredText):
                blocks.append((part, part.block))
                continue
            item = part.model_copy(update={"status": "waiting"}) if part.id == self._asking else part
            if self._is_new(item, turn):
                blocks.append(((item, item.id in turn.open_item_ids), self._block(item, turn, now)))
        if turn.status != "in_progress" or turn.warnings:
            blocks += [((turn.status, turn.usage, turn.warnings, self.info), block) for block in _below(turn, self.info)]
        changes = []
        for source, block in blocks:
            sent = self._sent.get(block["block"])
            if sent is None or sent[0] != source:
                self._sent[block["block"]] = (source, block)
                changes.append(_increment(sent[1] if sent else None, block))
        return changes

    def _is_new(self, item: ThreadItem, turn: Turn) -> bool:
        """Return True if an item must be rendered because it is new or has changed."""
        sent = self._sent.get(item.id)
        return sent is None or sent[0] != (item, item.id in turn.open_item_ids)

    def _block(self, item: ThreadItem, turn: Turn, now: float) -> Block:
        try:
            if isinstance(item, AgentMessageItem) and item.id in turn.open_item_ids:
                return self._growing(item)
        except Exception as error:
            return _plain_block(item, error)
        elapsed = self._times.elapsed(item.id, now) if self._times.ended(item.id) else None
        block = _item(item, turn, self.info, elapsed)
        return (
            block
            if self._times.ended(item.id) or isinstance(item, ReasoningItem | TodoListItem)
            else {**block, "running": self._times.running(item.id, now)}
        )

    def _growing(self, item: AgentMessageItem) -> Block:
        """Return a message that is being written: complete paragraphs as HTML, the last one as text."""
        text = _growing(item.text)
        done, html = self._rendered_prefix.get(item.id, (0, ""))
        rest = text[done:]
        if len(rest) <= UNSETTLED and (length := stable_prefix_length(rest)):
            html += item_bundle(item.model_copy(update={"text": rest[:length]}))["text/html"]
            self._rendered_prefix[item.id] = (done + length, html)
            rest = rest[length:]
        return {"block": item.id, "kind": item.type, "html": html, "text": rest}


def contains(past: FinishedTurn, text: str) -> bool:
    """Return whether a text in lower case is in a turn as it is shown: in its prompt, in what was added to it, or in an item."""
    cwd, diffs = past.info.cwd, past.turn.diffs
    said = (past.prompt, *(steered for _, steered in past.info.steered))
    shown = (item_text(item, cwd=cwd, elapsed=None, diff=diffs.get(item.id)) for item in past.turn.items)
    return any(text in part.lower() for parts in (said, shown) for part in parts)


def finished_turn(past: FinishedTurn) -> dict[str, Any]:
    """Return a finished turn as the page shows it, without its `id`."""
    turn, info = past.turn, past.info
    parts = (part.block if isinstance(part, SteeredText) else _item(part, turn, info) for part in _parts(turn, info))
    blocks = [*_above(turn, info), *parts, *_below(turn, info)]
    state = {"prompt": plain(past.prompt), "at": info.began, "took": took(info), "status": turn.status, "blocks": blocks}
    return {**state, "undone": True} if info.undone else state


def diff_html(history: Sequence[FinishedTurn]) -> str:
    """Return the changes of files by all turns, one after the other, as HTML. Empty if there are none, or they are not known."""
    diff = "\n".join(past.turn.diff.rstrip("\n") for past in history if past.turn.diff)
    if not diff:
        return ""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", diff)), default=0))
    html: str = item_bundle(AgentMessageItem(id="diff", text=f"{fence}diff\n{diff}\n{fence}"))["text/html"]
    return html


def question_card(request: ApprovalRequest) -> dict[str, Any]:
    """Return a question of the agent as a card, in full and as exact text.

    The title, the names of facts and the meanings are the package's. All other texts are untrusted.
    """
    asked = [
        {
            "id": question.id,
            "text": reveal(question.text),
            "optional": not question.required,
            "options": [reveal(option, one_line=True) for option in question.options],
            "hints": [reveal(hint, one_line=True) for hint in question.option_descriptions],
            "secret": question.secret,
            "value": reveal(question.default, one_line=True),
        }
        for question in request.questions
    ]
    choices = [
        {"choice": choice, "meaning": meaning(choice, request), **({"label": own} if (own := label(choice, request)) else {})}
        for choice in request.choices
    ]
    shown = [{"name": fact.name, "text": fact.text} for fact in (*facts(request), *always(request))]
    return {"item": request.item_id, "title": title(request), "facts": shown, "choices": choices, "questions": asked}


def typed_answers(request: ApprovalRequest, answers: Mapping[str, str]) -> dict[str, str]:
    """Return the answers of a card with the options and defaults that were shown through `reveal` as they are."""
    originals = {
        question.id: {reveal(text, one_line=True): text for text in (*question.options, question.default)} for question in request.questions
    }
    return {name: originals.get(name, {}).get(answer, answer) for name, answer in answers.items()}


class SteeredText(NamedTuple):
    """A text that the user added while the turn ran."""

    number: int
    text: str

    @property
    def block(self) -> Block:
        """The block of the page. Its text is the `source`."""
        return {"block": f"steered:{self.number}", "kind": "steered", "source": plain(self.text)}


def _parts(turn: Turn, info: TurnInfo) -> Iterator[ThreadItem | SteeredText]:
    """Yield the items of a turn, and between them what the user added."""
    added = deque((position, SteeredText(number, text)) for number, (position, text) in enumerate(info.steered))
    for position, item in enumerate(turn.items):
        while added and added[0][0] <= position:
            yield added.popleft()[1]
        yield item
    yield from (text for _, text in added)


def took(info: TurnInfo) -> str:
    """Return how long a turn took, in words, or an empty text if it is unknown."""
    return "" if info.elapsed is None else duration(info.elapsed)


def _above(turn: Turn, info: TurnInfo) -> list[Block]:
    if turn.thread_id is None:
        return []
    head = header_bundle(replace(info, attached=()), turn.rights)
    blocks = [{"block": "head", "kind": "head", "html": head["text/html"]}]
    # The page folds the header. Rights above read-only must always be visible.
    if shown := _html(lambda: rights_html(info, turn.rights)):
        blocks.append({"block": "rights", "kind": "rights", "html": shown})
    if info.attached:
        blocks.append({"block": "attached", "kind": "attached", "html": _images(attached_html, info.attached)})
    return blocks


def _below(turn: Turn, info: TurnInfo) -> list[Block]:
    foot = footer_bundle(turn, replace(info, written=()), remarks=False)
    blocks = [{"block": "foot", "kind": "foot", "html": foot["text/html"]}]
    if shown := _html(lambda: remarks_html(turn, info, IN_CHAT)):
        blocks.insert(0, {"block": "remarks", "kind": "remarks", "html": shown})
    if info.written:
        blocks.insert(0, {"block": "written", "kind": "written", "html": _images(written_html, info.written)})
    return blocks


def _images(html: Callable[[tuple[Thumbnail, ...]], str], thumbnails: tuple[Thumbnail, ...]) -> str:
    return _html(lambda: sanitize(html(_unlinked(thumbnails))), lambda: "\n".join(thumbnail.caption for thumbnail in thumbnails))


def _html(render: Callable[[], str], *texts: Callable[[], str]) -> str:
    try:
        return render()
    except Exception as error:
        return str(fallback.bundle(error, *texts)["text/html"])


def _unlinked(thumbnails: tuple[Thumbnail, ...]) -> tuple[Thumbnail, ...]:
    # Their links are relative to the notebook, which only the front end's own outputs can resolve.
    return tuple(replace(thumbnail, path="") for thumbnail in thumbnails)


def _item(item: ThreadItem, turn: Turn, info: TurnInfo, elapsed: float | None = None) -> Block:
    try:
        return _rendered(item, turn, info, elapsed)
    except Exception as error:
        return _plain_block(item, error)


def _plain_block(item: ThreadItem, error: Exception) -> Block:
    return {"block": item.id, "kind": item.type, "html": fallback.bundle(error, lambda: item.model_dump_json(indent=1))["text/html"]}


def _rendered(item: ThreadItem, turn: Turn, info: TurnInfo, elapsed: float | None) -> Block:
    block: Block = {"block": item.id, "kind": item.type}
    streaming = item.id in turn.open_item_ids
    if streaming and isinstance(item, ReasoningItem):
        return {**block, "text": _growing(item.text)}
    if streaming and isinstance(item, CommandExecutionItem):
        block["text"] = _growing(item.aggregated_output)
        item = item.model_copy(update={"aggregated_output": ""})
    bundle = item_bundle(item, cwd=info.cwd, elapsed=elapsed, diff=turn.diffs.get(item.id), streaming=streaming)
    if isinstance(item, AgentMessageItem):
        block |= {"source": item.text, "languages": code_languages(item.text)}
    elif isinstance(item, DynamicToolCallItem) and not streaming and (code := kernel_code(item)) is not None:
        block |= {"source": code, "languages": ["python"]}
    return {**block, "html": bundle["text/html"]}


def _growing(text: str) -> str:
    return plain(text if len(text) <= STREAMED else f"{text[:STREAMED]}\n… the rest is shown when it has ended")


def _increment(sent: Block | None, block: Block) -> Block:
    if sent is None or "text" not in sent or "text" not in block:
        return block
    name: Block = {"block": block["block"], "kind": block["kind"]}
    before, html = sent.get("html", ""), block.get("html", "")
    if before == html and sent["text"] and block["text"].startswith(sent["text"]):
        return {**name, "append": block["text"][len(sent["text"]) :]}
    if block["kind"] == "agent_message" and html != before and html.startswith(before):
        return {**name, "more": html[len(before) :], "text": block["text"]}
    return block
