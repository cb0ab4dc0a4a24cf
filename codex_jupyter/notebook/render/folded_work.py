"""Render the work of a turn as one line that opens to everything, the status of a running turn, and the outcome of an ended one."""

from typing import Final

from codex_jupyter.notebook.render import activity, colors, html_parts, phrases, thumbnails
from codex_jupyter.notebook.render.header_footer import UNDONE, TurnInfo, decisions_html, error_html, error_text, remarks_html, remarks_text
from codex_jupyter.notebook.render.sanitizer import IGNORED_BY_MATH, escape, plain, sanitize
from codex_jupyter.sdk.models.turn import Turn

MAX_MESSAGE: Final = 2_000
"""Maximum characters of a message of the CLI that are shown."""
MAX_MESSAGES: Final = 50
_SMALL: Final = f'class="{IGNORED_BY_MATH}" style="font-size:.85em;margin:4px 0'


def status_html(turn: Turn, info: TurnInfo, *, waiting: bool) -> str:
    """Return the line about a running turn as sanitized HTML."""
    symbol, tone = ("◐", colors.TONES["warn"]) if waiting else ("●", colors.TONES["run"])
    action = activity.current_action(turn, asks=waiting)
    facts = "".join(f' · <span style="white-space:nowrap">{escape(fact)}</span>' for fact in _status_facts(turn, info))
    parts = [f'<div {_SMALL}"><span style="{colors.text(tone)}">{symbol}</span> <strong>{escape(action)}</strong>{facts}</div>']
    if turn.warnings:
        # For example a lost connection. It is the reason for the silence, so it must not be folded.
        parts.append(f'<div {_SMALL};white-space:pre-wrap">{escape(phrases.plain_warning(turn.warnings[-1][:MAX_MESSAGE]))}</div>')
    return sanitize("".join(parts))


def status_text(turn: Turn, info: TurnInfo, *, waiting: bool) -> str:
    """Return the line about a running turn as plain text."""
    action = activity.current_action(turn, asks=waiting)
    line = " · ".join([f"{'◐' if waiting else '●'} {action}", *_status_facts(turn, info)])
    return plain("\n".join([line, *(warning[:MAX_MESSAGE] for warning in turn.warnings[-1:])]))


def _status_facts(turn: Turn, info: TurnInfo) -> list[str]:
    return [*([] if info.elapsed is None else [phrases.duration(info.elapsed)]), *activity.work_facts(turn)]


def line_html(turn: Turn, info: TurnInfo) -> str:
    """Return the line about the whole work of a turn as HTML."""
    state = phrases.turn_state(turn)
    symbol = "" if turn.status == "completed" else f'<span style="{colors.text(colors.TONES[state.tone])}">{state.symbol}</span> '
    undone = f"<strong>{UNDONE}</strong> · " if info.undone else ""
    return undone + symbol + escape(activity.work_line(turn, info.elapsed))


def fold_html(line: str, work: str, *, opened: bool) -> str:
    """Return work as sanitized HTML below a line that opens it. Both arguments are HTML. The work is sanitized already."""
    # The parts are sanitized one by one, because sanitizing some megabytes again would take as long as rendering them.
    css = f"{colors.FOCUS};font-size:.9em;margin:2px 0"
    if not work:
        return sanitize(f'<div class="{IGNORED_BY_MATH}" style="font-size:.9em;margin:4px 0;opacity:.8">{line}</div>')
    head = sanitize(f'<summary class="{IGNORED_BY_MATH}" style="{css}"><span style="opacity:.9">{line}</span></summary>')
    return f"<details{' open' if opened else ''}>{head}{work}</details>"


def outcome_html(turn: Turn, info: TurnInfo, *, error: bool) -> str:
    """Return what a turn leaves besides its answer as sanitized HTML: the error, images and remarks."""
    parts = [error_html(turn) if error else "", thumbnails.written_html(info.written)]
    html = sanitize(f'<div class="{IGNORED_BY_MATH}">{"".join(parts)}</div>') if any(parts) else ""
    return html + remarks_html(turn, info)


def outcome_text(turn: Turn, info: TurnInfo, *, error: bool) -> str:
    """Return what a turn leaves besides its answer as plain text."""
    return plain("\n".join(filter(None, [error_text(turn) if error else "", remarks_text(turn, info)])))


def figures_html(turn: Turn, info: TurnInfo) -> str:
    """Return tokens, decisions and messages of the CLI as sanitized HTML, for the end of the folded work."""
    parts = [f"<div>{escape(fact)}</div>" for fact in phrases.token_facts(turn)]
    parts += filter(None, [decisions_html(info)])
    if turn.warnings:
        notes = "".join(
            f'<li style="white-space:pre-wrap">{escape(phrases.plain_warning(note[:MAX_MESSAGE]))}</li>'
            for note in turn.warnings[-MAX_MESSAGES:]
        )
        label = phrases.count(len(turn.warnings), "message") + " of the CLI"
        parts.append(html_parts.fold(label, f'<ul style="margin:2px 0;padding-left:1.7em">{notes}</ul>'))
    return sanitize(f'<div {_SMALL};opacity:.85">{"".join(parts)}</div>') if parts else ""
