"""List and revoke permanent approvals.

Codex keeps rules about commands and hosts in `CODEX_HOME/rules/*.rules`, as calls such as `prefix_rule(pattern=["git", "status"],
decision="allow")`. That is Starlark, and such calls are valid Python. Approved tools are in `config.toml`. The user edits both files, too.
So only the entry itself is removed, and only if a check shows that the rest of the file stays as it is.
"""

import ast
import os
import re
import shlex
import shutil
import tempfile
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.executable.config_files import parse_toml

Subject: TypeAlias = Literal["commands", "host", "tool", "all tools"]

_PARAMETERS: Final = {"prefix_rule": ("pattern", "decision"), "network_rule": ("host", "protocol", "decision")}
_MODES: Final[Mapping[str, Subject]] = {"approval_mode": "tool", "default_tools_approval_mode": "all tools"}
_TABLES: Final = ("mcp_servers", "tools", "apps", "plugins")
"""Names in the path of a tool that do not identify it."""
_APPROVE: Final = "approve"


@dataclass(frozen=True, slots=True)
class PermanentApproval:
    """A permanent approval.

    Attributes:
        subject: The approved kind: `commands` with the same first words, a `host`, a `tool`, or `all tools` of a server.
        name: The first words of the commands as a shell writes them, the protocol and the host, or the server and the tool.
        file: The file with the approval.
        rule_source: The text of a rule; empty for an entry of `config.toml`.
        setting_keys: The keys of an entry of `config.toml`; empty for a rule.
    """

    subject: Subject
    name: str
    file: Path
    rule_source: str = field(default="", repr=False)
    setting_keys: tuple[str, ...] = field(default=(), repr=False)


def permanent_approvals(home: Path) -> tuple[list[PermanentApproval], list[str]]:
    """Read the permanent approvals.

    Args:
        home: The CODEX_HOME. It need not exist.

    Returns:
        The approvals, in the order of their files, and a line for each place that could not be read, where more approvals can be.
    """
    approvals: list[PermanentApproval] = []
    problems: list[str] = []
    for path in sorted((home / "rules").glob("*.rules")):
        try:
            calls, unread = _calls(_read(path))
        except (OSError, ValueError, SyntaxError) as error:
            problems.append(f"{path} cannot be read: {error}")
            continue
        approvals += [rule for call in calls if (rule := _rule(path, *call)) is not None]
        problems += [f"{path}, line {line}: this rule cannot be listed. Read it in the file." for line in unread]
    config = home / "config.toml"
    try:
        entries = list(_entries(parse_toml(config.read_bytes())))
    except FileNotFoundError:
        entries = []
    except (OSError, ValueError) as error:
        entries, problems = [], [*problems, f"{config} cannot be read: {error}"]
    for keys in entries:
        name = ".".join(key for key in keys[:-1] if key not in _TABLES)
        approvals.append(PermanentApproval(_MODES[keys[-1]], name, config, setting_keys=keys))
    return approvals, problems


def revoke(approval: PermanentApproval) -> None:
    """Revoke an approval. A running server keeps it until it ends.

    Raises:
        ConfigError: If the approval no longer exists, or cannot be removed safely.
    """
    try:
        text = _read(approval.file)
        kept = _without_entry(text, approval.setting_keys) if approval.setting_keys else _without_rule(text, approval.rule_source)
    except (OSError, ValueError, SyntaxError) as error:
        raise ConfigError(f"{approval.file} cannot be read: {error}") from None
    if kept is None:
        raise ConfigError(f"{approval.name} cannot be removed from {approval.file} without changing something else. Edit the file.")
    _write(approval.file, kept)


def _rule(path: Path, source: str, function: str, values: Mapping[str, Any]) -> PermanentApproval | None:
    """Return the approval of a rule; None for a rule that forbids, or lets Codex ask."""
    if values.get("decision", "allow") != "allow":
        return None
    if function == "network_rule":
        return PermanentApproval("host", f"{values.get('protocol', '')} {values.get('host', '')}".strip(), path, source)
    pattern = values.get("pattern")
    words = pattern if isinstance(pattern, list) else [str(pattern)]
    name = " ".join(shlex.quote(word) if isinstance(word, str) else "|".join(map(str, word)) for word in words)
    return PermanentApproval("commands", name, path, source)


def _calls(text: str) -> tuple[list[tuple[str, str, dict[str, Any]]], list[int]]:
    """Return the rules of a file as source, function and arguments, and the lines of other statements that may create rules."""
    calls, unread = [], []
    for node in _parsed(text).body:
        call = node.value if isinstance(node, ast.Expr) else None
        function = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
        if isinstance(call, ast.Call) and function in _PARAMETERS:
            try:
                values = dict(zip(_PARAMETERS[function], map(ast.literal_eval, call.args), strict=False))
                values |= {
                    str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg in _PARAMETERS[function]
                }
            except ValueError:
                unread.append(node.lineno)
            else:
                calls.append((ast.get_source_segment(text, node) or "", function, values))
        elif any(isinstance(part, ast.Name) and part.id in _PARAMETERS for part in ast.walk(node)):
            unread.append(node.lineno)
    return calls, unread


def _without_rule(text: str, source: str) -> str | None:
    """Return the text without the first rule of this source; None if there is no such rule."""
    node = next((node for node in _parsed(text).body if ast.get_source_segment(text, node) == source), None)
    if node is None or node.end_lineno is None or node.end_col_offset is None:
        return None
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)  # the lines as Python counts them
    before = "".join(lines[: node.lineno - 1]) + lines[node.lineno - 1].encode()[: node.col_offset].decode()
    after = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode() + "".join(lines[node.end_lineno :])
    rest = r"[ \t]*(?:;[ \t]*|\r\n|\r|\n|\Z)" if not before or before[-1] in "\r\n" else r"[ \t]*;[ \t]*"
    kept = before + re.sub(rf"\A{rest}", "", after)
    remaining = [call[0] for call in _calls(text)[0]]
    remaining.remove(source)
    return kept if [call[0] for call in _calls(kept)[0]] == remaining else None


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes that only Starlark knows
        return ast.parse(text)


def _entries(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all settings that let tools run without approval, at any depth."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _entries(value, (*above, key))
        elif key in _MODES and value == _APPROVE:
            yield (*above, key)


def _without_entry(text: str, path: tuple[str, ...]) -> str | None:
    """Return the text without one setting; None if it cannot be removed without changing others."""
    wanted = deepcopy(tomllib.loads(text))
    table: Any = wanted
    for key in path[:-1]:
        table = table.get(key, {}) if isinstance(table, Mapping) else {}
    if not isinstance(table, dict) or table.pop(path[-1], None) != _APPROVE:
        return None
    key = rf"""(?:[\w."'-]+\s*\.\s*)*["']?{path[-1]}["']?\s*=\s*(?:"{_APPROVE}"|'{_APPROVE}')"""
    for form in (rf"(?m)^[ \t]*{key}[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)", rf"{key}\s*,\s*", rf",\s*{key}", key):
        for match in re.finditer(form, text):
            kept = text[: match.start()] + text[match.end() :]
            try:
                if _same(tomllib.loads(kept), wanted):
                    return kept
            except ValueError:
                continue
    return None


def _same(first: Any, second: Any) -> bool:
    """Return whether two tables have the same settings. Empty tables are ignored."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return all(_same(first.get(key, {}), second.get(key, {})) for key in first.keys() | second.keys())
    return bool(first == second)


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig")


def _write(path: Path, text: str) -> None:
    """Replace the contents of a file atomically. Its permissions stay, and a link stays a link."""
    path = path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        shutil.copymode(path, name)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
