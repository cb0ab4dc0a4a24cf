"""Build the MIME bundles of turns: header, status, answer, figures, and the turn as a whole."""

from collections.abc import Iterable
from typing import Any

from codex_jupyter.notebook.render import activity, fallback, folded_work, header_footer, plain_text, question
from codex_jupyter.notebook.render.bundles import item_bundle, join, work_bundle
from codex_jupyter.notebook.render.header_footer import TurnInfo
from codex_jupyter.notebook.render.turn_json import TURN_MIME, turn_to_json
from codex_jupyter.sdk.models.approvals import ApprovalChoice, ApprovalRequest
from codex_jupyter.sdk.models.items import ThreadItem
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn


def status_bundle(turn: Turn, info: TurnInfo, *, waiting: bool = False) -> dict[str, Any]:
    """Return the line about what a running turn does, and below it the answer as far as it is written.

    Args:
        turn: The running turn.
        info: What else is known about it. `info.elapsed` is the time.
        waiting: The turn waits for an answer of the user.
    """
    status = fallback.render_or_text(
        lambda: {
            "text/html": folded_work.status_html(turn, info, waiting=waiting),
            "text/plain": folded_work.status_text(turn, info, waiting=waiting),
        },
        lambda: turn.status,
    )
    answer = activity.answer_item(turn)
    return status if answer is None else join([status, item_bundle(answer, streaming=answer.id in turn.open_item_ids)])


def answer_bundle(turn: Turn, info: TurnInfo, *, error: bool = True) -> dict[str, Any]:
    """Return the answer of a turn that has ended, or the reason why there is none, with images and remarks.

    Args:
        turn: The turn.
        info: What else is known about it.
        error: Show the error of the turn. False if it is shown elsewhere.
    """
    answer = activity.answer_item(turn)
    shown = [] if answer is None else [item_bundle(answer)]
    return join([*shown, outcome_bundle(turn, info, error=error)])


def outcome_bundle(turn: Turn, info: TurnInfo, *, error: bool = True) -> dict[str, Any]:
    """Return the error of a turn, the images that it wrote, and the remarks about it. The arguments are those of `answer_bundle`."""
    return fallback.render_or_text(
        lambda: {
            "text/html": folded_work.outcome_html(turn, info, error=error),
            "text/plain": folded_work.outcome_text(turn, info, error=error),
        },
        lambda: turn.error or "",
    )


def question_bundle(request: ApprovalRequest, answers: dict[ApprovalChoice, str], text: str) -> dict[str, Any]:
    """Return the card of a question of the agent.

    Args:
        request: The question.
        answers: What to type for each choice.
        text: The question as plain text.
    """
    return fallback.render_or_text(lambda: {"text/html": question.card_html(request, answers), "text/plain": text}, lambda: text)


def prompt_bundle(prompt: str) -> dict[str, Any]:
    """Return the bundle of a prompt, for places without a cell above that shows it.

    Args:
        prompt: The prompt.

    Returns:
        The bundle, with `text/html` and `text/plain`.
    """
    return fallback.render_or_text(
        lambda: {"text/html": header_footer.prompt_html(prompt), "text/plain": header_footer.prompt_text(prompt)}, lambda: prompt
    )


def header_bundle(info: TurnInfo, rights: EffectiveRights | None = None) -> dict[str, Any]:
    """Return the header of a turn: model, rights, name of the thread, attached data, and the mark of the demo.

    Args:
        info: What is known about the turn.
        rights: The rights that the CLI has reported. Until then the sandbox is marked as requested.

    Returns:
        The bundle, with `text/html` and `text/plain`.
    """
    return fallback.render_or_text(
        lambda: {"text/html": header_footer.header_html(info, rights), "text/plain": header_footer.header_text(info, rights)},
        lambda: header_footer.header_text(info, rights),
        lambda: f"codex: model {info.model}, sandbox {rights.sandbox if rights else info.sandbox}\n{info.context}",
    )


def footer_bundle(turn: Turn, info: TurnInfo, *, remarks: bool = True, error: bool = True) -> dict[str, Any]:
    """Return the footer of a turn: status, time, tokens, counts, remarks, the error, and messages of the CLI.

    Args:
        turn: The turn, running or ended.
        info: What else is known about it. `info.elapsed` is the time.
        remarks: If False, leave the remarks out of the HTML, because `remarks_html` shows them in another place.
        error: If False, leave the error out, because it is shown in another place.

    Returns:
        The bundle, with `text/html` and `text/plain`.
    """
    return fallback.render_or_text(
        lambda: {
            "text/html": header_footer.footer_html(turn, info, remarks=remarks, error=error),
            "text/plain": header_footer.footer_text(turn, info, error=error),
        },
        lambda: header_footer.footer_text(turn, info),
        lambda: "\n".join([turn.status, turn.error or "", *info.remarks, *info.decisions, *turn.warnings]),
    )


def closing_bundle(turn: Turn, info: TurnInfo, *, error: bool = True) -> dict[str, Any]:
    """Return the footer of a turn that has ended, and the turn itself as JSON.

    Args:
        turn: The turn.
        info: What else is known about it.
        error: Show the error of the turn. False if it is shown elsewhere.

    Returns:
        The bundle, with `text/html`, `text/plain` and `TURN_MIME`. `TURN_MIME` is missing if the turn has no JSON form.
    """
    return with_saved_turn(footer_bundle(turn, info, error=error), turn, info)


def turn_bundle(turn: Turn, info: TurnInfo, *, complete: bool = False, folded: bool = True) -> dict[str, Any]:
    """Return the bundle of a whole turn: header, answer, folded work, and the turn itself as JSON. The plain text has the items in order.

    Args:
        turn: The turn, running or ended.
        info: What else is known about it.
        complete: Show all items. Otherwise the middle of very many items is left out.
        folded: Fold the work.

    Returns:
        The bundle, with `text/html`, `text/plain` and `TURN_MIME`.
    """
    header = header_bundle(info, turn.rights)
    running = turn.status == "in_progress"
    answer = status_bundle(turn, info) if running else answer_bundle(turn, info)
    steps, figures = activity.work_items(turn), _figures_bundle(turn, info, outcome=True)
    work = work_bundle(
        steps,
        line=folded_work.line_html(turn, info),
        end={**figures, "text/plain": ""},
        cwd=info.cwd,
        diffs=turn.diffs,
        answers=info.answers,
        folded=folded,
        complete=complete,
    )
    message = activity.answer_item(turn)
    said = [] if message is None else [plain_text.item_text(message, cwd=info.cwd, elapsed=None, diff=None)]
    texts = [header["text/plain"], work["text/plain"], *said, figures["text/plain"]]
    html = "".join(part["text/html"] for part in (header, answer, work))
    return with_saved_turn({"text/html": html, "text/plain": "\n\n".join(filter(None, texts))}, turn, info)


def undone_bundle() -> dict[str, Any]:
    """Return the mark above the saved output of a turn that was undone later."""
    return fallback.render_or_text(
        lambda: {"text/html": header_footer.undone_html(), "text/plain": header_footer.UNDONE}, lambda: header_footer.UNDONE
    )


def _figures_bundle(turn: Turn, info: TurnInfo, *, outcome: bool) -> dict[str, Any]:
    """Return the figures of a turn. `outcome_bundle` has its error and remarks, too; the plain text has them only if `outcome` is true."""
    return fallback.render_or_text(
        lambda: {
            "text/html": folded_work.figures_html(turn, info),
            "text/plain": header_footer.footer_text(turn, info, remarks=outcome, error=outcome),
        },
        lambda: "\n".join([turn.status, *info.decisions, *turn.warnings]),
    )


def last_work_bundle(items: Iterable[ThreadItem], turn: Turn, info: TurnInfo, **options: Any) -> dict[str, Any]:
    """Return the bundle of the last work of a turn: its line is about the whole turn, and the figures of the turn follow the items.

    Args:
        items: The last items.
        turn: The turn.
        info: What else is known about it.
        options: Further arguments of `work_bundle`.
    """
    options = {"cwd": info.cwd, "diffs": turn.diffs, "answers": info.answers, "line": folded_work.line_html(turn, info), **options}
    return work_bundle(items, end=_figures_bundle(turn, info, outcome=False), **options)


def with_saved_turn(bundle: dict[str, Any], turn: Turn, info: TurnInfo) -> dict[str, Any]:
    """Return a bundle with the turn as JSON under `TURN_MIME`, or with a note if the turn has no JSON form."""
    try:
        return {**bundle, TURN_MIME: turn_to_json(turn, info)}
    except Exception as error:
        return join([bundle, fallback.bundle(error, lambda: "A saved notebook cannot show this turn again.")])
