"""Render changed files as HTML: a line for each file with the counts of its lines, and its diff. The result must be sanitized."""

from typing import Final

from codex_jupyter.notebook.render import colors, phrases
from codex_jupyter.notebook.render.diffs import MAX_COLORED, FileDiff, counts_html, diff_html, file_diffs
from codex_jupyter.notebook.render.html_parts import Card, badge, fold, plain_line, tone_of
from codex_jupyter.notebook.render.sanitizer import escape
from codex_jupyter.sdk.models.items import FileChangeItem, FileUpdateChange

SHOWN_FILES: Final = 12
SHOWN_NAMES: Final = 3
"""Maximum files in the line of a patch."""
OPEN_LINES: Final = 40
"""Maximum lines of a diff that is open in a card."""


def card(item: FileChangeItem, cwd: str | None, elapsed: float | None, diff: str | None) -> Card:
    """Return the parts of the card of a patch. The arguments are those of `item_bundle`."""
    state = phrases.item_state(item)
    files, unread = file_diffs(diff) if diff else ([], 0)
    changes, left_out = phrases.some(item.changes)
    failed = "" if state.tone == "good" else f"{badge(state)} · "
    rows, lines, names, single = [], [], [], len(files) == 1
    for number, change in enumerate(changes):
        file_diff = _diff_of(change, files, alone=len(item.changes) == 1)
        title = _title(change, cwd, item.status, file_diff)
        shown = diff_html(file_diff, colored=number < MAX_COLORED) if file_diff is not None and file_diff.lines else ""
        rows.append(
            fold(title, shown, opened=single and len(file_diff.lines) <= OPEN_LINES) if file_diff and shown else f"<div>{title}</div>"
        )
        names.append(title)
        line = failed + title
        lines.append(fold(line, shown) if shown else plain_line(line))
    # A patch can contain files that the item does not name.
    for file in files:
        title = f"{_name(phrases.exact(file.path))} {counts_html(*file.counts)}"
        rows.append(fold(title, diff_html(file, colored=False)))
        lines.append(rows[-1])
    note = f"<div>{left_out}</div>" if left_out else ""
    note += f"<div>⋯ {phrases.count(unread, 'more line')} of the diff ⋯</div>" if unread else ""
    return Card(
        title=_first(rows) + note or "no file",
        name=", ".join(names[:SHOWN_NAMES])
        + (f" and {phrases.count(len(names) - SHOWN_NAMES, 'more file')}" if names[SHOWN_NAMES:] else ""),
        line=_first(lines) + note or plain_line(f"{failed}no file"),
        state=state,
        elapsed=elapsed,
        tone=tone_of(state),
    )


def _first(rows: list[str]) -> str:
    files = "".join(rows[:SHOWN_FILES])
    if len(rows) > SHOWN_FILES:
        files += fold(phrases.count(len(rows) - SHOWN_FILES, "more file"), "".join(rows[SHOWN_FILES:]))
    return files


def _title(change: FileUpdateChange, cwd: str | None, status: str, diff: FileDiff | None) -> str:
    symbol, word = phrases.change_words(change, status)
    names = " → ".join(_name(phrases.relative_path(path, cwd)) for path in (change.path, change.move_path) if path)
    counts = f" {counts_html(*diff.counts)}" if diff is not None else ""
    return f"{escape(symbol)} {escape(phrases.exact(word))} {names}{counts}"


def _name(path: str) -> str:
    """Return the HTML of a path in exact form."""
    return f'<code style="{colors.in_order(path)}{colors.CODE}">{escape(path)}</code>'


def _diff_of(change: FileUpdateChange, files: list[FileDiff], *, alone: bool) -> FileDiff | None:
    """Remove the diff of a change from the list and return it. None if there is none."""
    paths = [path.replace("\\", "/") for path in (change.path, change.move_path) if path]
    for file in files:
        name = file.path.lstrip("/")
        if (alone and len(files) == 1) or any(path == name or path.endswith(f"/{name}") for path in paths if name):
            files.remove(file)
            return file
    return None
