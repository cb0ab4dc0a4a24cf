"""The header and the footer of a turn, as HTML and as plain text."""

from dataclasses import dataclass
from typing import Final

from codex_jupyter.notebook.render import colors, html_parts, phrases, thumbnails
from codex_jupyter.notebook.render.approval import CONTINUED, wrapped
from codex_jupyter.notebook.render.rights import KERNEL_RUN, NAMED, cautions, kernel_access, refusal, sandbox, sent_along, sent_summary
from codex_jupyter.notebook.render.sanitizer import IGNORED_BY_MATH, escape, plain, sanitize
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn

_FAINT: Final = '"opacity:.8"'


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
    kernel: str = "off"
    """Rights of the agent in the kernel: `off`, `read`, `ask` or `run`."""
    demo: bool = False
    """True if a script, not a model, wrote the answers."""
    elapsed: float | None = None
    """Running time of the turn in seconds."""
    cli_version: str | None = None
    """The version of the codex CLI, such as `0.169.0`."""
    context: str = ""
    """Context from the kernel that was sent with the prompt."""
    context_summary: str = ""
    """One line that describes `context`."""
    attached: tuple[thumbnails.Thumbnail, ...] = ()
    """The images that were sent with the prompt."""
    written: tuple[thumbnails.Thumbnail, ...] = ()
    """The images that the turn wrote into its folder. Set when the turn has ended."""
    decisions: tuple[str, ...] = ()
    """The user's decisions on requests of the agent, one line each."""
    notes: tuple[str, ...] = ()
    """Notes to show before the turn, one line each."""
    remarks: tuple[str, ...] = ()
    """Remarks to show after the turn, one line each."""
    prompt: str = ""
    """The prompt as the user wrote it. It is not shown, because the cell above contains it."""
    began: float | None = None
    """Time at which the turn started, in seconds since the epoch. Saved notebooks contain this name."""


def prompt_html(prompt: str) -> str:
    """Return a prompt as sanitized HTML, for places without a cell above that shows it."""
    css = "margin:14px 0 4px;padding:6px 10px;border-radius:6px;background:rgba(127,127,127,.12);white-space:pre-wrap"
    return sanitize(f'<div style="{css}">{escape(prompt)}</div>')


def prompt_text(prompt: str) -> str:
    """Return a prompt as plain text."""
    return "\n".join(f"> {line}" for line in plain(prompt).splitlines())


def header_html(info: TurnInfo, thread_id: str | None, rights: EffectiveRights | None = None) -> str:
    """Return the header as sanitized HTML."""
    first, *rest = _facts(info, thread_id, rights)
    line = " · ".join([f"<strong>{escape(first[0])}</strong>", *(_fact_html(text, tone) for text, tone in rest)])
    lines = [phrases.DEMO_NOTE] if info.demo else []
    lines += [f"{phrases.WARNING.symbol} {KERNEL_RUN}"] if info.kernel == "run" else []
    note = "".join(f"<div>{escape(line)}</div>" for line in (*lines, *info.notes))
    note += "".join(f"<div>{phrases.WARNING.symbol} {escape(caution)}</div>" for caution in cautions(rights, info.cwd))
    if names := sent_along(rights, info.cwd):
        summary = escape(sent_summary(names))
        note += html_parts.fold(summary, html_parts.block(escape("\n".join(names)))) if len(names) > NAMED else f"<div>{summary}</div>"
    if info.context:
        note += html_parts.fold(escape(info.context_summary), html_parts.block(escape(info.context)))
    attributes = f'class="{IGNORED_BY_MATH}" style="font-size:.85em;margin:2px 0 6px"'
    header = f"<header {attributes}><div>{line}</div>{f'<div style={_FAINT}>{note}</div>' if note else ''}</header>"
    return sanitize(header + thumbnails.attached_html(info.attached))


def rights_html(info: TurnInfo, rights: EffectiveRights | None) -> str:
    """Return rights above read-only as sanitized HTML, for places where the header is folded. Empty if there are none."""
    summary = sandbox(rights, info.sandbox)
    if summary is None or summary.tone == "quiet":
        return ""
    lines = "".join(f"<div style={_FAINT}>{phrases.WARNING.symbol} {escape(caution)}</div>" for caution in cautions(rights, info.cwd))
    return sanitize(
        f'<div class="{IGNORED_BY_MATH}" style="font-size:.85em;margin:2px 0 6px"><div>{_fact_html(*summary)}</div>{lines}</div>'
    )


def remarks_html(turn: Turn, info: TurnInfo) -> str:
    """Return the remarks after a turn as sanitized HTML. Empty if there are none."""
    remarks = [*filter(None, [refusal(turn, info.cwd)]), *info.remarks]
    return sanitize(
        "".join(f'<div style="font-size:.9em">{phrases.WARNING.symbol} {html_parts.inline_code(remark)}</div>' for remark in remarks)
    )


def header_text(info: TurnInfo, thread_id: str | None, rights: EffectiveRights | None = None) -> str:
    """Return the header as plain text."""
    facts = [text if tone == "quiet" else f"{phrases.WARNING.symbol} {text}" for text, tone in _facts(info, thread_id, rights)]
    lines = [" · ".join(facts), phrases.DEMO_NOTE if info.demo else "", *info.notes]
    lines += [f"{phrases.WARNING.symbol} {KERNEL_RUN}"] if info.kernel == "run" else []
    lines += [f"{phrases.WARNING.symbol} {caution}" for caution in cautions(rights, info.cwd)]
    lines += [sent_summary(sent_along(rights, info.cwd)), info.context_summary]
    lines.append(thumbnails.attached_text(info.attached))
    return plain("\n".join(filter(None, lines)))


def _facts(info: TurnInfo, thread_id: str | None, rights: EffectiveRights | None) -> list[tuple[str, colors.Tone]]:
    """Return the known parts of the header line. Parts that must be seen at once have another tone than `quiet`."""
    thread = " ".join(filter(None, [info.thread_name, phrases.short_id(thread_id) if thread_id else None]))
    model = rights.model if rights is not None and rights.model else info.model
    facts: list[tuple[str, colors.Tone]] = [(f"codex {info.cli_version}" if info.cli_version else "codex", "quiet")]
    facts += [(model, "quiet")] if model else []
    facts += [summary] if (summary := sandbox(rights, info.sandbox)) is not None else []
    facts += [kernel_access(info.kernel)] if info.kernel != "off" else []
    return facts + ([(f"thread {thread}", "quiet")] if thread else [])


def _fact_html(text: str, tone: colors.Tone) -> str:
    if tone == "quiet":
        return f"<span style={_FAINT}>{escape(text)}</span>"
    return f'<span style="color:{colors.TONES[tone]};font-weight:600">{phrases.WARNING.symbol} {escape(text)}</span>'


def footer_html(turn: Turn, info: TurnInfo, *, remarks: bool = True) -> str:
    """Return the footer as sanitized HTML. Leave the remarks out if they are shown elsewhere."""
    state = phrases.turn_state(turn)
    line = " · ".join([html_parts.badge(state), *(escape(fact) for fact in phrases.turn_facts(turn, info.elapsed))])
    parts = [thumbnails.written_html(info.written), f'<div style="font-size:.85em;opacity:.85">{line}</div>']
    parts.insert(1, remarks_html(turn, info) if remarks else "")
    if info.decisions:
        decided = "".join(f'<li style="white-space:pre-wrap">{phrases.bounded(decision)}</li>' for decision in info.decisions)
        parts.insert(1, html_parts.fold(phrases.count(len(info.decisions), "decision"), f"<ul>{decided}</ul>"))
    if turn.error:
        edge = f"border-left:3px solid {colors.accent(colors.TONES[state.tone], 0.75)}"
        message = escape("\n".join(phrases.excerpt(turn.error, 4_000).front))
        parts.insert(0, f'<div style="{edge};padding:2px 0 2px 12px;margin:6px 0;white-space:pre-wrap">{message}</div>')
    if turn.warnings and turn.status == "in_progress":
        # For example a lost connection. It is the reason for the silence, so it must not be folded.
        parts.append(f'<div style="font-size:.85em;white-space:pre-wrap">{escape(turn.warnings[-1][:2_000])}</div>')
    if turn.warnings:
        notes = "".join(f'<li style="white-space:pre-wrap">{escape(warning[:2_000])}</li>' for warning in turn.warnings[-50:])
        label = phrases.count(len(turn.warnings), "message") + " of the CLI"
        parts.append(html_parts.fold(label, f'<ul style="margin:2px 0;padding-left:1.7em;font-size:.9em">{notes}</ul>'))
    return sanitize(f'<footer class="{IGNORED_BY_MATH}" style="margin:6px 0 2px">{"".join(parts)}</footer>')


def footer_text(turn: Turn, info: TurnInfo) -> str:
    """Return the footer as plain text."""
    state = phrases.turn_state(turn)
    # A line that the terminal wraps could be mistaken for a line of this package.
    decided = (
        "\n  ".join([first, *(CONTINUED + rest for rest in more)])
        for first, *more in (wrapped(decision, 76) for decision in info.decisions)
    )
    remarks = [*filter(None, [refusal(turn, info.cwd)]), *info.remarks]
    lines = [thumbnails.written_text(info.written), *(f"{phrases.WARNING.symbol} {remark}" for remark in remarks), *decided]
    lines.append("\n".join(phrases.excerpt(turn.error, 4_000).front) if turn.error else "")
    lines.append(" · ".join([f"{state.symbol} {state.word}", *phrases.turn_facts(turn, info.elapsed)]))
    lines += [f"  note: {warning[:2_000]}" for warning in turn.warnings[-50:]]
    return plain("\n".join(filter(None, lines)))
