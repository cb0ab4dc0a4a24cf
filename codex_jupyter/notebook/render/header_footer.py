"""What stands above and below a turn: the header and the footer, as HTML and as text, and what they are told."""

from dataclasses import dataclass
from typing import Final

from codex_jupyter.notebook.render import colors, html_cards, phrases, thumbnails
from codex_jupyter.notebook.render.approval import CONTINUED, wrapped
from codex_jupyter.notebook.render.rights import NAMED, cautions, refusal, sandbox, sent_along, sent_summary
from codex_jupyter.notebook.render.sanitizer import IGNORED_BY_MATH, escape, plain, sanitize
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn

_FAINT: Final = '"opacity:.8"'


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnInfo:
    """What is known about a turn besides the turn itself. Everything may be unknown."""

    model: str | None = None
    sandbox: str | None = None
    """The sandbox mode, such as `read-only`."""
    cwd: str | None = None
    """The working folder: paths inside it are shown relative to it."""
    thread_name: str | None = None
    """The name that the thread has in this notebook."""
    demo: bool = False
    """Whether a script, not a model, wrote the answers."""
    elapsed: float | None = None
    """Seconds the turn took, or has taken so far."""
    cli_version: str | None = None
    """The version of the codex CLI, such as `0.169.0`."""
    context: str = ""
    """What the kernel told the agent along with the prompt, as it was sent."""
    context_summary: str = ""
    """The same in one line."""
    attached: tuple[thumbnails.Thumbnail, ...] = ()
    """The pictures that went along with the prompt."""
    written: tuple[thumbnails.Thumbnail, ...] = ()
    """The pictures that the turn wrote into its folder, once it has ended."""
    decisions: tuple[str, ...] = ()
    """What the user decided when the agent asked, a line each."""
    notes: tuple[str, ...] = ()
    """What the user should know before the turn, a line each."""
    remarks: tuple[str, ...] = ()
    """What the user should know after the turn, a line each."""
    prompt: str = ""
    """What the user wrote. Not shown: it stands in the cell above."""
    began: float | None = None
    """When the turn began, in seconds since the epoch."""


def prompt_html(prompt: str) -> str:
    """What the user wrote, as sanitised HTML, for where it does not stand in a cell above."""
    look = "margin:14px 0 4px;padding:6px 10px;border-radius:6px;background:rgba(127,127,127,.12);white-space:pre-wrap"
    return sanitize(f'<div style="{look}">{escape(prompt)}</div>')


def prompt_text(prompt: str) -> str:
    """The same as plain text."""
    return "\n".join(f"> {line}" for line in plain(prompt).splitlines())


def header_html(info: TurnInfo, thread_id: str | None, rights: EffectiveRights | None = None) -> str:
    """The header as sanitised HTML."""
    first, *rest = _facts(info, thread_id, rights)
    line = " · ".join([f"<strong>{escape(first[0])}</strong>", *(_fact_html(text, tone) for text, tone in rest)])
    lines = [phrases.DEMO_NOTE] if info.demo else []
    note = "".join(f"<div>{escape(one)}</div>" for one in (*lines, *info.notes))
    note += "".join(f"<div>{phrases.WARNING.symbol} {escape(one)}</div>" for one in cautions(rights, info.cwd))
    if names := sent_along(rights, info.cwd):
        summary = escape(sent_summary(names))
        note += html_cards.fold(summary, html_cards.block(escape("\n".join(names)))) if len(names) > NAMED else f"<div>{summary}</div>"
    if info.context:
        note += html_cards.fold(escape(info.context_summary), html_cards.block(escape(info.context)))
    look = f'class="{IGNORED_BY_MATH}" style="font-size:.85em;margin:2px 0 6px"'
    header = f"<header {look}><div>{line}</div>{f'<div style={_FAINT}>{note}</div>' if note else ''}</header>"
    return sanitize(header + thumbnails.attached_html(info.attached))


def rights_html(info: TurnInfo, rights: EffectiveRights | None) -> str:
    """What stands out of the rights, as sanitised HTML, for where the header is folded away; empty if they are no more than read-only."""
    found = sandbox(rights, info.sandbox)
    if found is None or found.tone == "quiet":
        return ""
    lines = "".join(f"<div style={_FAINT}>{phrases.WARNING.symbol} {escape(one)}</div>" for one in cautions(rights, info.cwd))
    return sanitize(f'<div class="{IGNORED_BY_MATH}" style="font-size:.85em;margin:2px 0 6px"><div>{_fact_html(*found)}</div>{lines}</div>')


def remarks_html(turn: Turn, info: TurnInfo) -> str:
    """What the user should know after the turn, as sanitised HTML; empty if there is nothing."""
    remarks = [*filter(None, [refusal(turn, info.cwd)]), *info.remarks]
    return sanitize("".join(f'<div style="font-size:.9em">{phrases.WARNING.symbol} {html_cards.prose(one)}</div>' for one in remarks))


def header_text(info: TurnInfo, thread_id: str | None, rights: EffectiveRights | None = None) -> str:
    """The header as plain text."""
    facts = [text if tone == "quiet" else f"{phrases.WARNING.symbol} {text}" for text, tone in _facts(info, thread_id, rights)]
    lines = [" · ".join(facts), phrases.DEMO_NOTE if info.demo else "", *info.notes]
    lines += [f"{phrases.WARNING.symbol} {one}" for one in cautions(rights, info.cwd)]
    lines += [sent_summary(sent_along(rights, info.cwd)), info.context_summary]
    lines.append(thumbnails.attached_text(info.attached))
    return plain("\n".join(filter(None, lines)))


def _facts(info: TurnInfo, thread_id: str | None, rights: EffectiveRights | None) -> list[tuple[str, colors.Tone]]:
    """The parts of the header line that are known; what must be seen at a glance has another tone than `quiet`."""
    thread = " ".join(filter(None, [info.thread_name, phrases.short_id(thread_id) if thread_id else None]))
    model = rights.model if rights is not None and rights.model else info.model
    facts: list[tuple[str, colors.Tone]] = [(f"codex {info.cli_version}" if info.cli_version else "codex", "quiet")]
    facts += [(model, "quiet")] if model else []
    facts += [found] if (found := sandbox(rights, info.sandbox)) is not None else []
    return facts + ([(f"thread {thread}", "quiet")] if thread else [])


def _fact_html(text: str, tone: colors.Tone) -> str:
    if tone == "quiet":
        return f"<span style={_FAINT}>{escape(text)}</span>"
    return f'<span style="color:{colors.TONES[tone]};font-weight:600">{phrases.WARNING.symbol} {escape(text)}</span>'


def footer_html(turn: Turn, info: TurnInfo, *, remarks: bool = True) -> str:
    """The footer as sanitised HTML; without the remarks for where they stand elsewhere."""
    state = phrases.turn_state(turn)
    line = " · ".join([html_cards.badge(state), *(escape(fact) for fact in phrases.turn_facts(turn, info.elapsed))])
    parts = [thumbnails.written_html(info.written), f'<div style="font-size:.85em;opacity:.85">{line}</div>']
    parts.insert(1, remarks_html(turn, info) if remarks else "")
    if info.decisions:
        decided = "".join(f'<li style="white-space:pre-wrap">{phrases.bounded(one)}</li>' for one in info.decisions)
        parts.insert(1, html_cards.fold(phrases.count(len(info.decisions), "decision"), f"<ul>{decided}</ul>"))
    if turn.error:
        edge = f"border-left:3px solid {colors.accent(colors.TONES[state.tone], 0.75)}"
        message = escape("\n".join(phrases.excerpt(turn.error, 4_000).front))
        parts.insert(0, f'<div style="{edge};padding:2px 0 2px 12px;margin:6px 0;white-space:pre-wrap">{message}</div>')
    if turn.warnings and turn.status == "in_progress":
        # The reason why nothing happens must not be folded away: a lost connection, for one.
        parts.append(f'<div style="font-size:.85em;white-space:pre-wrap">{escape(turn.warnings[-1][:2_000])}</div>')
    if turn.warnings:
        notes = "".join(f'<li style="white-space:pre-wrap">{escape(warning[:2_000])}</li>' for warning in turn.warnings[-50:])
        label = phrases.count(len(turn.warnings), "message") + " of the CLI"
        parts.append(html_cards.fold(label, f'<ul style="margin:2px 0;padding-left:1.7em;font-size:.9em">{notes}</ul>'))
    return sanitize(f'<footer class="{IGNORED_BY_MATH}" style="margin:6px 0 2px">{"".join(parts)}</footer>')


def footer_text(turn: Turn, info: TurnInfo) -> str:
    """The footer as plain text."""
    state = phrases.turn_state(turn)
    # What a terminal wraps by itself could pass for a line of ours.
    decided = ("\n  ".join([first, *(CONTINUED + rest for rest in more)]) for first, *more in (wrapped(one, 76) for one in info.decisions))
    remarks = [*filter(None, [refusal(turn, info.cwd)]), *info.remarks]
    lines = [thumbnails.written_text(info.written), *(f"{phrases.WARNING.symbol} {one}" for one in remarks), *decided]
    lines.append("\n".join(phrases.excerpt(turn.error, 4_000).front) if turn.error else "")
    lines.append(" · ".join([f"{state.symbol} {state.word}", *phrases.turn_facts(turn, info.elapsed)]))
    lines += [f"  note: {warning[:2_000]}" for warning in turn.warnings[-50:]]
    return plain("\n".join(filter(None, lines)))
