"""Build the MIME bundles of turns and items."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from codex_jupyter.notebook.render import fallback, header_footer, html_cards, plain_text
from codex_jupyter.notebook.render.header_footer import TurnInfo
from codex_jupyter.notebook.render.many_items import ends
from codex_jupyter.notebook.render.turn_json import TURN_MIME, turn_to_json
from codex_jupyter.sdk.models.items import ThreadItem
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn


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
    return _render_or_fallback(
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
        return _join(map(render, items))
    return _join(ends(list(items), render, lambda bundle: len(bundle["text/html"]) + len(bundle["text/plain"])))


def prompt_bundle(prompt: str) -> dict[str, Any]:
    """Return the bundle of a prompt, for places without a cell above that shows it.

    Args:
        prompt: The prompt.

    Returns:
        The bundle, with `text/html` and `text/plain`.
    """
    return _render_or_fallback(
        lambda: {"text/html": header_footer.prompt_html(prompt), "text/plain": header_footer.prompt_text(prompt)}, lambda: prompt
    )


def header_bundle(info: TurnInfo, thread_id: str | None = None, rights: EffectiveRights | None = None) -> dict[str, Any]:
    """Return the header of a turn: model, rights, thread, attached data, and the demo note.

    Args:
        info: What is known about the turn.
        thread_id: The thread's id once it is known.
        rights: The rights that the CLI has reported. Until then the sandbox is marked as requested.

    Returns:
        The bundle, with `text/html` and `text/plain`.
    """
    return _render_or_fallback(
        lambda: {
            "text/html": header_footer.header_html(info, thread_id, rights),
            "text/plain": header_footer.header_text(info, thread_id, rights),
        },
        lambda: header_footer.header_text(info, thread_id, rights),
        lambda: f"codex: model {info.model}, sandbox {rights.sandbox if rights else info.sandbox}, thread {thread_id}\n{info.context}",
    )


def footer_bundle(turn: Turn, info: TurnInfo, *, remarks: bool = True) -> dict[str, Any]:
    """Return the footer of a turn: status, time, tokens, counts, remarks, the error, and messages of the CLI.

    Args:
        turn: The turn, running or ended.
        info: What else is known about it. `info.elapsed` is the time.
        remarks: If False, leave the remarks out of the HTML, because `remarks_html` shows them in another place.

    Returns:
        The bundle, with `text/html` and `text/plain`.
    """
    return _render_or_fallback(
        lambda: {"text/html": header_footer.footer_html(turn, info, remarks=remarks), "text/plain": header_footer.footer_text(turn, info)},
        lambda: header_footer.footer_text(turn, info),
        lambda: "\n".join([turn.status, turn.error or "", *info.remarks, *info.decisions, *turn.warnings]),
    )


def closing_bundle(turn: Turn, info: TurnInfo) -> dict[str, Any]:
    """Return the footer of a turn that has ended, and the turn itself as JSON.

    Args:
        turn: The turn.
        info: What else is known about it.

    Returns:
        The bundle, with `text/html`, `text/plain` and `TURN_MIME`. `TURN_MIME` is missing if the turn has no JSON form.
    """
    footer = footer_bundle(turn, info)
    try:
        return {**footer, TURN_MIME: turn_to_json(turn, info)}
    except Exception as error:
        return _join([footer, fallback.bundle(error, lambda: "A saved notebook cannot show this turn again.")])


def turn_bundle(turn: Turn, info: TurnInfo, *, complete: bool = False) -> dict[str, Any]:
    """Return the bundle of a whole turn: header, items, footer, and the turn itself as JSON.

    Args:
        turn: The turn, running or ended.
        info: What else is known about it.
        complete: Show all items. Otherwise the middle of very many items is left out.

    Returns:
        The bundle, with `text/html`, `text/plain` and `TURN_MIME`.
    """
    closing = closing_bundle(turn, info)
    parts = (
        header_bundle(info, turn.thread_id, turn.rights),
        items_bundle(turn.items, cwd=info.cwd, diffs=turn.diffs, streaming=turn.open_item_ids, complete=complete),
        closing,
    )
    return {**closing, **_join(parts)}


def _render_or_fallback(render: Callable[[], dict[str, Any]], *texts: Callable[[], str]) -> dict[str, Any]:
    """Return the result of `render`. If it fails, return the first of the texts that can be made."""
    try:
        return render()
    except Exception as error:
        return fallback.bundle(error, *texts)


def _join(bundles: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put bundles below each other. A blank line separates their plain texts as Markdown blocks."""
    parts = list(bundles)
    return {
        "text/html": "".join(part["text/html"] for part in parts),
        "text/plain": "\n\n".join(part["text/plain"] for part in parts if part["text/plain"]),
    }
