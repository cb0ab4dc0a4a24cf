"""Build the MIME bundles of items."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from codex_jupyter.notebook.render import activity, fallback, folded_work, html_cards, plain_text, question
from codex_jupyter.notebook.render.many_items import ends
from codex_jupyter.notebook.render.phrases import count
from codex_jupyter.sdk.models.items import AgentMessageItem, CommandExecutionItem, ThreadItem

LIVE_LINES: Final = 8
"""Lines of the output of a step that are shown while the turn runs."""


def item_bundle(
    item: ThreadItem,
    *,
    cwd: str | None = None,
    elapsed: float | None = None,
    diff: str | None = None,
    streaming: bool = False,
) -> dict[str, Any]:
    """Return the bundle of one item.

    Args:
        item: The item, in any state.
        cwd: The working folder; paths inside it are shown relative to it.
        elapsed: Seconds since the item started, shown beside its state. None if unknown.
        diff: A unified diff of the files that a `FileChangeItem` changed. Other items ignore it.
        streaming: Show the text of a message or of reasoning as it is, not as Markdown, and only the start and the newest part of a long
            one. This is cheap enough for every update.

    Returns:
        The bundle, with `text/html` and `text/plain`.
    """
    options: Any = {"cwd": cwd, "elapsed": elapsed, "diff": diff, "streaming": streaming}
    return fallback.render_or_text(
        lambda: {"text/html": html_cards.card(item, **options), "text/plain": plain_text.item_text(item, **options)},
        lambda: plain_text.item_text(item, **options),
        lambda: item.model_dump_json(indent=1),
    )


def items_bundle(
    items: Iterable[ThreadItem],
    *,
    cwd: str | None = None,
    elapsed: Mapping[str, float] | None = None,
    diffs: Mapping[str, str] | None = None,
    streaming: Collection[str] = (),
    complete: bool = False,
) -> dict[str, Any]:
    """Return the bundle of several items that share one output.

    Args:
        items: The items, in order.
        cwd: The working folder; paths inside it are shown relative to it.
        elapsed: Seconds by item id, for the items where they are known.
        diffs: Unified diffs by item id, for the file changes where they are known.
        streaming: The ids of items that may still change, such as `Turn.open_item_ids`. See `item_bundle`.
        complete: Show all items. Otherwise the middle of very many items is left out, see `many_items`.

    Returns:
        The bundle, with `text/html` and `text/plain`. Both are empty if there are no items.
    """
    times, changes = elapsed or {}, diffs or {}

    def render(item: ThreadItem) -> dict[str, Any]:
        return item_bundle(item, cwd=cwd, elapsed=times.get(item.id), diff=changes.get(item.id), streaming=item.id in streaming)

    if complete:
        return join(map(render, items))
    return join(ends(list(items), render, lambda bundle: len(bundle["text/html"]) + len(bundle["text/plain"])))


def live_bundle(
    items: Iterable[ThreadItem],
    *,
    cwd: str | None = None,
    elapsed: Mapping[str, float] | None = None,
    diffs: Mapping[str, str] | None = None,
    streaming: Collection[str] = (),
    answers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the bundle of steps of a running turn that are not folded, with the last lines of their output.

    The arguments are those of `items_bundle` and `work_bundle`.
    """
    times, changes, decided = elapsed or {}, diffs or {}, answers or {}
    return join(
        _step_bundle(_brief(item), cwd, times.get(item.id), changes.get(item.id), decided.get(item.id), streaming=item.id in streaming)
        for item in items
    )


def _brief(item: ThreadItem) -> ThreadItem:
    """Return a step with only the last lines of its output, so that the status of the turn stays in view."""
    if not isinstance(item, CommandExecutionItem):
        return item
    above, *tail = item.aggregated_output.rstrip("\n").rsplit("\n", LIVE_LINES)
    lines = above.count("\n") + 1
    if len(tail) < LIVE_LINES or lines == 1:
        return item
    return item.model_copy(update={"aggregated_output": "\n".join([f"⋯ {count(lines, 'line')} above ⋯", *tail])})


def work_bundle(
    items: Iterable[ThreadItem],
    *,
    line: str = "",
    end: dict[str, Any] | None = None,
    cwd: str | None = None,
    elapsed: Mapping[str, float] | None = None,
    diffs: Mapping[str, str] | None = None,
    answers: Mapping[str, str] | None = None,
    folded: bool = True,
    complete: bool = False,
) -> dict[str, Any]:
    """Return the bundle of work that has been done: one line, which opens to all of it, and what stays visible.

    Failed and refused actions, changed files and images stay visible below the line, see `activity.stands_out`.

    Args:
        items: The items, in order.
        line: The line. Empty counts the items.
        end: A bundle that follows the items, when the line is open.
        cwd: The working folder; paths inside it are shown relative to it.
        elapsed: Seconds by item id, for the items where they are known.
        diffs: Unified diffs by item id, for the file changes where they are known.
        answers: Decisions of the user in words, by the ids of the items that they are about.
        folded: Fold the work. Otherwise it is open, and everything is in its place.
        complete: Show all items. Otherwise the middle of very many items is left out, see `many_items`.
    """
    times, changes, decided, shown = elapsed or {}, diffs or {}, answers or {}, list(items)
    visible: dict[str, str] = {}

    def render(item: ThreadItem) -> dict[str, Any]:
        if not folded or not activity.stands_out(item):
            return _step_bundle(item, cwd, times.get(item.id), changes.get(item.id), decided.get(item.id))
        line, reference = _line_bundles(item, cwd, times.get(item.id), changes.get(item.id))
        visible[item.id] = line["text/html"]
        return reference

    bundles = list(map(render, shown)) if complete else ends(shown, render, lambda bundle: sum(map(len, bundle.values())))
    work = join([*bundles, *([end] if end is not None else [])])
    label = line or activity.steps(shown) or "earlier steps"
    lines = "".join(visible[item.id] for item in shown if item.id in visible)
    return fallback.render_or_text(
        lambda: {**work, "text/html": folded_work.fold_html(label, work["text/html"], opened=not folded) + lines},
        lambda: str(work["text/plain"]),
    )


def _step_bundle(
    item: ThreadItem, cwd: str | None, elapsed: float | None, diff: str | None, decided: str | None, *, streaming: bool = False
) -> dict[str, Any]:
    """Return the bundle of a step of the work. A message that is not the answer is a remark."""
    bundle = item_bundle(item, cwd=cwd, elapsed=elapsed, diff=diff, streaming=streaming)
    if decided is not None:
        bundle = join([bundle, fallback.render_or_text(lambda: question.decision_bundle(decided), lambda: decided)])
    if not isinstance(item, AgentMessageItem):
        return bundle
    return fallback.render_or_text(
        lambda: {**bundle, "text/html": html_cards.remark(item, streaming=streaming)}, lambda: str(bundle["text/plain"])
    )


def _line_bundles(item: ThreadItem, cwd: str | None, elapsed: float | None, diff: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the bundles of an item in one line, and of the reference to it. Only one of them has plain text."""
    text = fallback.render_or_text(
        lambda: {"text/html": "", "text/plain": plain_text.item_text(item, cwd=cwd, elapsed=elapsed, diff=diff)},
        lambda: item.model_dump_json(indent=1),
    )
    line = fallback.render_or_text(
        lambda: {"text/html": html_cards.line(item, cwd=cwd, elapsed=elapsed, diff=diff), "text/plain": ""},
        lambda: str(text["text/plain"]),
    )
    reference = fallback.render_or_text(lambda: {**text, "text/html": html_cards.reference(item, cwd=cwd)}, lambda: str(text["text/plain"]))
    return line, reference


def join(bundles: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put bundles below each other. A blank line separates their plain texts as Markdown blocks."""
    parts = list(bundles)
    return {
        "text/html": "".join(part["text/html"] for part in parts),
        "text/plain": "\n\n".join(part["text/plain"] for part in parts if part["text/plain"]),
    }
