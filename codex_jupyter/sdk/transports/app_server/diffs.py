"""Convert the changes of files on the wire of the app-server to unified diffs."""

import re
from pathlib import PurePath
from typing import Final

_NULL: Final = "/dev/null"
_NO_NEWLINE: Final = "\\ No newline at end of file\n"
_HUNK: Final = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_HEADERS: Final = ("diff --git ", "--- a/", "+++ b/", "rename from ", "rename to ")


def unified_diff(kind: str, path: str, move_path: str | None, body: str, cwd: str | None = None) -> str:
    """Return the unified diff of one file.

    Args:
        kind: `add`, `delete` or `update`.
        path: The path of the file.
        move_path: The new path of a moved file.
        body: The text on the wire: the content of an added or deleted file, or the hunks of an update.
        cwd: The working folder. Paths below it are relative to it.

    Returns:
        The diff, with the names `a/PATH` and `b/PATH`. It ends with a newline.
    """
    old, new = f"a/{_name(path, cwd)}", f"b/{_name(move_path or path, cwd)}"
    match kind:
        case "add":
            old, hunks = _NULL, _whole(body, "+")
        case "delete":
            new, hunks = _NULL, _whole(body, "-")
        case _:
            # The CLI adds a line about a move to the hunks.
            hunks = body.removesuffix(f"\n\nMoved to: {move_path}") if move_path else body
    if hunks and not hunks.endswith("\n"):
        hunks += "\n"
    return f"--- {old}\n+++ {new}\n{hunks}"


def _whole(content: str, sign: str) -> str:
    """Return the hunk of a file that is added or deleted as a whole."""
    lines = content.split("\n")
    last = lines.pop()
    count = len(lines) + bool(last)
    if not count:
        return ""
    size = str(count) if count == 1 else f"1,{count}"
    head = f"@@ -0,0 +{size} @@\n" if sign == "+" else f"@@ -{size} +0,0 @@\n"
    body = "".join(f"{sign}{line}\n" for line in lines)
    return head + body + (f"{sign}{last}\n{_NO_NEWLINE}" if last else "")


def _name(path: str, cwd: str | None) -> str:
    pure = PurePath(path)
    if cwd is not None and pure.is_relative_to(cwd):
        pure = pure.relative_to(cwd)
    return pure.as_posix().lstrip("/")


def with_relative_names(diff: str, cwd: str | None) -> str:
    """Return the diff of a whole turn with the names of files relative to the working folder.

    The CLI names the files relative to the root of the repository, or to a folder above the working folder.

    Args:
        diff: A unified diff in the form of git.
        cwd: The working folder.
    """
    if not diff or cwd is None:
        return diff
    parts = [part for part in PurePath(cwd).as_posix().split("/") if part]
    prefixes = ["/".join(parts[start:]) + "/" for start in range(len(parts))]
    lines = diff.split("\n")
    prefix = ""
    in_hunk = 0
    for number, line in enumerate(lines):
        if in_hunk > 0:
            in_hunk -= 2 if line.startswith(" ") or not line else 0 if line.startswith("\\") else 1
        elif size := _HUNK.match(line):
            in_hunk = sum(int(count or 1) for count in size.groups())
        elif line.startswith(_HEADERS):
            if line.startswith("diff --git a/"):
                prefix = next((prefix for prefix in prefixes if line[13:].startswith(prefix)), "")
            if prefix:
                lines[number] = line.replace(f"a/{prefix}", "a/").replace(f"b/{prefix}", "b/").replace(f" {prefix}", " ")
    return "\n".join(lines)
