"""The header and the footer of a turn, as HTML and as plain text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from codex_jupyter.notebook.render import colors, html_parts, phrases, thumbnails
from codex_jupyter.notebook.render.approval import CONTINUED, wrapped
from codex_jupyter.notebook.render.rights import (
    IN_CELLS,
    KERNEL_RUN,
    NAMED,
    Remedies,
    cautions,
    kernel_access,
    refusal,
    sandbox,
    sent_along,
    sent_summary,
)
from codex_jupyter.notebook.render.sanitizer import IGNORED_BY_MATH, escape, plain, sanitize
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn

UNDONE: Final = "↶ undone"
MAX_ERROR: Final = 4_000
"""Maximum characters of an error that are shown."""
_FAINT: Final = '"opacity:.9"'
_BADGE: Final = f"border:1px solid {colors.LINE};border-radius:8px;padding:0 6px;white-space:nowrap"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnInfo:
    """Facts about a turn that are not part of the turn. Each of them may be unknown."""

    model: str | None = None
    sandbox: str | None = None
    """The sandbox mode, such as `read-only`."""
    cwd: str | None = None
    """The working folder. Paths inside it are shown relative to it."""
    thread_name: str | None = None
    """The name that the thread has in this notebook."""
    preset: str = ""
    """The name of the preset of rights, as users see it, or `Custom`. Empty, or `Default`, is not shown."""
    kernel: str = "off"
    """Rights of the agent in the kernel: `off`, `read`, `ask`, `once` or `run`. Empty: the user is asked before the first use."""
    demo: bool = False
    """True if a script, not a model, wrote the answers."""
    elapsed: float | None = None
    """Running time of the turn in seconds."""
    context: str = ""
    """Context from the kernel that was sent with the prompt."""
    context_summary: str = ""
    """One line that describes `context`."""
    attached: tuple[thumbnails.Thumbnail, ...] = ()
    """The images that were sent with the prompt."""
    written: tuple[thumbnails.Thumbnail, ...] = ()
    """The images that the turn wrote into its folder. Set when the turn has ended."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """The user's decisions in words, by the id of the item that each is about."""
    decisions: tuple[str, ...] = ()
    """The user's decisions on requests of the agent, one line each."""
    notes: tuple[str, ...] = ()
    """Notes to show before the turn, one line each."""
    remarks: tuple[str, ...] = ()
    """Remarks to show after the turn, one line each."""
    undone: bool = False
    """True if the turn was undone. Its output stays, and says so."""
    prompt: str = ""
    """The prompt as the user wrote it. It is not shown, because the cell above contains it."""
    began: float | None = None
    """Time at which the turn started, in seconds since the epoch. Saved notebooks contain this name."""
    steered: tuple[tuple[int, str], ...] = ()
    """The texts that the user added while the turn ran, each with the number of items before it."""


def prompt_html(prompt: str) -> str:
    """Return a prompt as sanitized HTML, for places without a cell above that shows it."""
    css = "margin:14px 0 4px;padding:6px 10px;border-radius:6px;background:rgba(127,127,127,.12);white-space:pre-wrap"
    return sanitize(f'<div style="{css}">{escape(prompt)}</div>')


def prompt_text(prompt: str) -> str:
    """Return a prompt as plain text."""
    return "\n".join(f"> {line}" for line in plain(prompt).splitlines())


def header_html(info: TurnInfo, rights: EffectiveRights | None = None) -> str:
    """Return the header as sanitized HTML."""
    badge = f' <span style="{_BADGE}">{phrases.DEMO}</span>' if info.demo else ""
    line = " · ".join([f"<strong>codex</strong>{badge}", *(_fact_html(text, tone) for text, tone in _facts(info, rights))])
    lines = [f"{phrases.WARNING.symbol} {KERNEL_RUN}"] if info.kernel == "run" else []
    note = "".join(f"<div>{escape(line)}</div>" for line in (*lines, *info.notes))
    note += "".join(f"<div>{phrases.WARNING.symbol} {escape(caution)}</div>" for caution in cautions(rights, info.cwd))
    if names := sent_along(rights, info.cwd):
        summary = escape(sent_summary(names))
        note += html_parts.fold(summary, html_parts.block(escape("\n".join(names)))) if len(names) > NAMED else f"<div>{summary}</div>"
    if info.context:
        note += html_parts.fold(escape(info.context_summary), html_parts.block(escape(info.context)))
    attributes = f'class="{IGNORED_BY_MATH}" style="font-size:.85em;margin:2px 0 6px"'
    header = f"<div {attributes}><div>{line}</div>{f'<div style={_FAINT}>{note}</div>' if note else ''}</div>"
    return sanitize(header + thumbnails.attached_html(info.attached))


def rights_html(info: TurnInfo, rights: EffectiveRights | None) -> str:
    """Return rights above read-only as sanitized HTML, for places where the header is folded. Empty if there are none."""
    summary = sandbox(rights, info.sandbox)
    kernel = kernel_access(info.kernel) if info.kernel not in ("", "off") else None
    shown = [fact for fact in (summary, kernel) if fact is not None]
    # A quiet sandbox is shown beside a kernel that is not: never "read-only" alone, where code runs in the kernel.
    if all(fact.tone == "quiet" for fact in shown):
        return ""
    facts = " · ".join(_fact_html(*fact) for fact in shown)
    if info.kernel == "run":
        facts += f"<div style={_FAINT}>{phrases.WARNING.symbol} {KERNEL_RUN}</div>"
    lines = "".join(f"<div style={_FAINT}>{phrases.WARNING.symbol} {escape(caution)}</div>" for caution in cautions(rights, info.cwd))
    return sanitize(f'<div class="{IGNORED_BY_MATH}" style="font-size:.85em;margin:2px 0 6px"><div>{facts}</div>{lines}</div>')


def remarks_html(turn: Turn, info: TurnInfo, remedies: Remedies = IN_CELLS) -> str:
    """Return the remarks after a turn as sanitized HTML. Empty if there are none."""
    lines = (f"{phrases.WARNING.symbol} {html_parts.inline_code(remark)}" for remark in _remarks(turn, info, remedies))
    return sanitize("".join(f'<div style="font-size:.9em">{line}</div>' for line in lines))


def remarks_text(turn: Turn, info: TurnInfo) -> str:
    """Return the images that the turn wrote and the remarks after it as plain text, in lines. Empty if there are none."""
    lines = [thumbnails.written_text(info.written), *(f"{phrases.WARNING.symbol} {remark}" for remark in _remarks(turn, info))]
    return "\n".join(filter(None, lines))


def _remarks(turn: Turn, info: TurnInfo, remedies: Remedies = IN_CELLS) -> list[str]:
    return [*filter(None, [refusal(turn, info.cwd, remedies)]), *info.remarks]


def header_text(info: TurnInfo, rights: EffectiveRights | None = None) -> str:
    """Return the header as plain text."""
    facts = [text if tone == "quiet" else f"{phrases.WARNING.symbol} {text}" for text, tone in _facts(info, rights)]
    lines = [" · ".join([f"codex ({phrases.DEMO})" if info.demo else "codex", *facts]), *info.notes]
    lines += [f"{phrases.WARNING.symbol} {KERNEL_RUN}"] if info.kernel == "run" else []
    lines += [f"{phrases.WARNING.symbol} {caution}" for caution in cautions(rights, info.cwd)]
    lines += [sent_summary(sent_along(rights, info.cwd)), info.context_summary]
    lines.append(thumbnails.attached_text(info.attached))
    return plain("\n".join(filter(None, lines)))


def _facts(info: TurnInfo, rights: EffectiveRights | None) -> list[tuple[str, colors.Tone]]:
    """Return the known parts of the header line. Parts that must be seen at once have another tone than `quiet`."""
    model = rights.model if rights is not None and rights.model else info.model
    # The answers of a demo come from no model.
    facts: list[tuple[str, colors.Tone]] = [(model, "quiet")] if model and not info.demo else []
    facts += [summary] if (summary := sandbox(rights, info.sandbox)) is not None else []
    facts += [kernel_access(info.kernel)] if info.kernel not in ("", "off") else []
    facts += [(f"preset {info.preset}", "quiet")] if info.preset not in ("", "Default") else []
    return facts + ([(f"thread {info.thread_name}", "quiet")] if info.thread_name else [])


def _fact_html(text: str, tone: colors.Tone) -> str:
    if tone == "quiet":
        return f"<span style={_FAINT}>{escape(text)}</span>"
    return f'<span style="{colors.text(colors.TONES[tone])};font-weight:600">{phrases.WARNING.symbol} {escape(text)}</span>'


def error_html(turn: Turn) -> str:
    """Return the error of a turn as HTML. Empty if there is none."""
    if not turn.error:
        return ""
    edge = colors.accent(colors.TONES[phrases.turn_state(turn).tone], 0.75)
    css = f"border-left:2px solid {edge};padding:2px 0 2px 12px;margin:6px 0;white-space:pre-wrap"
    return f'<div style="{css}">{html_parts.code_spans(escape(error_text(turn)))}</div>'


def error_text(turn: Turn) -> str:
    """Return the error of a turn, or the start of a long one. Empty if there is none."""
    return "\n".join(phrases.excerpt(turn.error, MAX_ERROR).front) if turn.error else ""


def decisions_html(info: TurnInfo) -> str:
    """Return the user's decisions as HTML, below their number. Empty if there are none."""
    if not info.decisions:
        return ""
    decided = "".join(f'<li style="white-space:pre-wrap">{phrases.bounded(decision)}</li>' for decision in info.decisions)
    return html_parts.fold(phrases.count(len(info.decisions), "decision"), f"<ul>{decided}</ul>")


def undone_html() -> str:
    """Return the mark of a turn that was undone as sanitized HTML."""
    return sanitize(f'<div style="font-size:.85em"><strong>{UNDONE}</strong></div>')


def footer_html(turn: Turn, info: TurnInfo, *, remarks: bool = True, error: bool = True) -> str:
    """Return the footer as sanitized HTML. Leave the remarks or the error out if they are shown elsewhere."""
    state = phrases.turn_state(turn)
    undone = [f"<strong>{UNDONE}</strong>"] if info.undone else []
    line = " · ".join([html_parts.badge(state), *undone, *(escape(fact) for fact in phrases.turn_facts(turn, info.elapsed))])
    parts = [thumbnails.written_html(info.written), f'<div style="font-size:.85em;opacity:.85">{line}</div>']
    parts.insert(1, remarks_html(turn, info) if remarks else "")
    parts.insert(1, decisions_html(info))
    parts.insert(0, error_html(turn) if error else "")
    if turn.warnings and turn.status == "in_progress":
        # For example a lost connection. It is the reason for the silence, so it must not be folded.
        parts.append(f'<div style="font-size:.85em;white-space:pre-wrap">{escape(turn.warnings[-1][:2_000])}</div>')
    if turn.warnings:
        notes = "".join(f'<li style="white-space:pre-wrap">{escape(warning[:2_000])}</li>' for warning in turn.warnings[-50:])
        label = phrases.count(len(turn.warnings), "message") + " of the CLI"
        parts.append(html_parts.fold(label, f'<ul style="margin:2px 0;padding-left:1.7em;font-size:.9em">{notes}</ul>'))
    return sanitize(f'<div class="{IGNORED_BY_MATH}" style="margin:6px 0 2px">{"".join(parts)}</div>')


def footer_text(turn: Turn, info: TurnInfo, *, remarks: bool = True, error: bool = True) -> str:
    """Return the footer as plain text. Leave the written images and the remarks, or the error, out if they are shown elsewhere."""
    state = phrases.turn_state(turn)
    # A line that the terminal wraps could be mistaken for a line of this package.
    decided = (
        "\n  ".join([first, *(CONTINUED + rest for rest in more)])
        for first, *more in (wrapped(decision, 76) for decision in info.decisions)
    )
    lines = [remarks_text(turn, info) if remarks else "", *decided]
    lines.append(error_text(turn) if error else "")
    lines.append(" · ".join([f"{state.symbol} {state.word}", *([UNDONE] if info.undone else []), *phrases.turn_facts(turn, info.elapsed)]))
    lines += [f"  note: {warning[:2_000]}" for warning in turn.warnings[-50:]]
    return plain("\n".join(filter(None, lines)))
