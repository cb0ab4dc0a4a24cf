"""Read a thread's file while a turn runs, for its rights and for calls that the CLI does not send.

Neither transport sends a command or a patch that the sandbox refuses at once, although the model reads the reason. Measured with 0.163 and
0.171. Damaged or unknown lines are skipped.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.models.events import TurnUsageEvent
from codex_jupyter.sdk.models.items import CommandExecutionItem, FileChangeItem, FileUpdateChange, ThreadItem
from codex_jupyter.sdk.rollouts import KIND_WITHIN, MAX_LINE, json_object, thread_file, usage_of

REFUSED: Final = "refused"
"""The status of an item that the CLI did not send, because the sandbox or a rule refused it."""

SHORT: Final = 32 * 1024
"""Bytes that are read in less time than a thread takes to start."""
_WANTED: Final = (
    *(b'"turn_context"', b'"world_state"', b'"function_call', b'"custom_tool_call', b'"CommandExecution"', b'"FileChange"'),
    b'"token_count"',
)
_REFUSAL: Final = re.compile(
    r"read-only file system|permission denied|operation not permitted|sandbox|seccomp|landlock|patch rejected|\brejected\b|approval policy",
    re.IGNORECASE,
)
_USERS_NO: Final = re.compile(r"rejected by user(?! approval settings)", re.IGNORECASE)
"""The text that the model reads when the user has declined."""
_OUTPUT: Final = re.compile(r"(?:.*?Process exited with code (?P<code>-?\d+)\n)?.*?\bOutput:\n", re.DOTALL)
_SCRIPT_COMMAND: Final = re.compile(r"""exec_command\(\s*\{.*?["']?cmd["']?\s*:\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
_PATCHED: Final = re.compile(r"^\*\*\* (Add|Update|Delete) File: (.+)$", re.MULTILINE)
_SKILL: Final = re.compile(r"^- ([^:\n]+): .*\(file: (\w+)/", re.MULTILINE)
_SKILL_ROOT: Final = re.compile(r"^- `(\w+)` = `(.+)`$", re.MULTILINE)


class RolloutFollower:
    """Reads the part of a thread's file that belongs to one turn.

    Args:
        home: The CODEX_HOME.
        thread_id: The thread's UUID. None if it is not known yet; then its whole file belongs to the turn.
    """

    def __init__(self, home: Path, thread_id: str | None = None) -> None:
        self._home = home
        self.thread_id = thread_id
        """The thread's UUID. Set it once it is known."""
        self._file = None if thread_id is None else thread_file(home, thread_id)
        self._position = _size(self._file)
        self.context: Mapping[str, Any] = {}
        """The rights and settings of the turn, in the CLI's form. Empty until the CLI has written them."""
        self.instructions: tuple[Path, ...] = ()
        """The AGENTS.md files sent to the model. The CLI writes them, and the skills, with a thread's first turn and after a change."""
        self.skills: tuple[str, ...] = ()
        self.usage: TurnUsageEvent | None = None
        """The tokens after the last request of the turn. None if they are not recorded."""
        self._calls: dict[str, tuple[str, str]] = {}
        """The name and the input of each call of a tool."""
        self._outputs: list[tuple[str, str]] = []
        self._shown: set[str] = set()
        """The ids of the items that the CLI has sent."""
        self._said: list[str] = []
        """The outputs of the commands among them."""
        self._reported: dict[str, None] = {}
        """The ids of the calls that `refused` has returned."""
        if self._file is not None:
            self._note_start(self._file)

    @property
    def exists(self) -> bool:
        """True if the file was found."""
        return self._file is not None

    @property
    def is_short(self) -> bool:
        """True if `read` takes no longer than starting a thread, because little was added to the file."""
        return self._file is not None and 0 < _size(self._file) - self._position <= SHORT

    @property
    def is_impossible(self) -> bool:
        """True if there is nothing to read, because the CODEX_HOME has no threads."""
        return self._file is None and not os.path.isdir(os.path.join(self._home, "sessions"))

    def read(self) -> None:
        """Read the lines written since the last call. Blocks for a moment."""
        if self.thread_id is None:
            return
        for line in self._lines():
            payload = line.get("payload")
            if isinstance(payload, dict):
                self._note(str(line.get("type")), payload)

    def refused(self) -> list[ThreadItem]:
        """Return items with the status `REFUSED` for refused calls that were not sent, in order. Each is returned once."""
        items: list[ThreadItem] = []
        for call_id, output in self._outputs:
            name, given = self._calls.get(call_id, ("", ""))
            refused = _REFUSAL.search(output) and not _USERS_NO.search(output)
            if refused and call_id not in self._reported and call_id not in self._shown and not self._is_shown(name, output):
                item = _item(f"{REFUSED}_{len(self._reported)}", name, given, output, str(self.context.get("cwd") or ""))
                if item is not None:
                    self._reported[call_id] = None
                    items.append(item)
        return items

    def _is_shown(self, name: str, output: str) -> bool:
        """Return whether a script's output only repeats refusals of commands that were sent. These have other ids than the script."""
        if name != "exec":
            return False
        lines = [line.strip() for line in _said(output)[0].splitlines() if _REFUSAL.search(line)]
        return bool(lines) and all(any(line in said for said in self._said) for line in lines)

    def _note_start(self, file: Path) -> None:
        """Read the instructions and skills sent since the first turn of the thread."""
        try:
            with file.open("rb") as stream:
                while (line := stream.readline(MAX_LINE)) and b'"turn_context"' not in line[:KIND_WITHIN]:
                    payload = json_object(line).get("payload") if b'"world_state"' in line[:KIND_WITHIN] else None
                    if isinstance(payload, dict):
                        self._note_world(payload.get("state"))
        except OSError:
            return

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Yield the new complete lines that are relevant. A thread can continue in another file."""
        file = self._file if _size(self._file) > self._position else thread_file(self._home, str(self.thread_id))
        if file is None:
            return
        if file != self._file:
            self._file, self._position = file, 0
        try:
            with file.open("rb") as stream:
                stream.seek(self._position)
                while line := stream.readline(MAX_LINE):
                    if not line.endswith(b"\n") and len(line) < MAX_LINE:
                        return  # not complete yet
                    self._position += len(line)
                    if any(kind in line[:KIND_WITHIN] for kind in _WANTED):
                        yield json_object(line)
        except OSError:
            return

    def _note(self, kind: str, payload: Mapping[str, Any]) -> None:
        what, item = payload.get("type"), payload.get("item")
        if kind == "turn_context":
            self.context = payload
        elif kind == "world_state":
            self._note_world(payload.get("state"))
        elif what == "token_count":
            self.usage = _usage(payload.get("info")) or self.usage
        elif what in ("function_call", "custom_tool_call"):
            self._calls[str(payload.get("call_id"))] = (
                str(payload.get("name")),
                str(payload.get("arguments") or payload.get("input") or ""),
            )
        elif what in ("function_call_output", "custom_tool_call_output"):
            self._outputs.append((str(payload.get("call_id")), _text(payload.get("output"))))
        elif isinstance(item, dict) and item.get("type") in ("CommandExecution", "FileChange"):
            self._shown.add(str(item.get("id")))
            self._said.append(str(item.get("aggregated_output") or ""))

    def _note_world(self, state: object) -> None:
        """Store the instructions and skills sent to the model, without those of the CLI itself."""
        if not isinstance(state, dict):
            return
        agents, skills = state.get("agents_md"), state.get("host_skills")
        if isinstance(agents, dict) and isinstance(agents.get("text"), str):
            self.instructions = _instruction_files(self._home, Path(str(agents.get("directory"))), agents["text"])
        if isinstance(skills, dict) and isinstance(skills.get("body"), str):
            roots = dict(_SKILL_ROOT.findall(skills["body"]))
            named = _SKILL.findall(skills["body"])
            self.skills = tuple(sorted(name for name, root in named if not roots.get(root, "").endswith(".system")))


def _instruction_files(home: Path, folder: Path, text: str) -> tuple[Path, ...]:
    """Return the files of the instructions. The CLI writes only their text and the folder, and the files can have changed since."""
    folders = dict.fromkeys([home, *reversed(folder.parents), folder])
    files = [parent / name for parent in folders for name in ("AGENTS.override.md", "AGENTS.md")]
    sources = tuple(file for file in files if (contents := _contents(file)) and contents in text)
    return sources or ((folder / "AGENTS.md",) if text.strip() else ())


def _contents(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _item(item_id: str, name: str, given: str, output: str, cwd: str) -> ThreadItem | None:
    """Return the item of a refused call; None if the call is neither a command nor a patch."""
    said, code = _said(output)
    if name == "apply_patch" or (name == "exec" and "apply_patch(" in given and "exec_command(" not in given):
        text = given.replace("\\n", "\n") if name == "exec" else given
        kinds = {"Add": "add", "Update": "update", "Delete": "delete"}
        changes = [FileUpdateChange(path=os.path.join(cwd, path.strip()), kind=kinds[kind]) for kind, path in _PATCHED.findall(text)]
        return FileChangeItem(id=item_id, changes=changes, status=REFUSED)
    command = _command(name, given)
    if command is None:
        return None
    return CommandExecutionItem(id=item_id, command=command, aggregated_output=said, exit_code=code, status=REFUSED)


def _command(name: str, given: str) -> str | None:
    """Return the command line of a call, or the script itself if it runs several commands."""
    if name == "exec_command":
        command = json_object(given).get("cmd")
        return f"/bin/bash -c {shlex.quote(command)}" if isinstance(command, str) else None
    if name != "exec" or "exec_command(" not in given:
        return None
    commands = _SCRIPT_COMMAND.findall(given)
    if len(commands) != 1:
        return given
    quoted = commands[0] if commands[0].startswith('"') else '"' + commands[0][1:-1].replace('"', '\\"').replace("\\'", "'") + '"'
    command = json_object(f'{{"cmd": {quoted}}}').get("cmd")
    return f"/bin/bash -c {shlex.quote(command)}" if isinstance(command, str) else given


def _said(output: str) -> tuple[str, int | None]:
    """Return the output of a command and its exit code, from the text that the model received."""
    head = _OUTPUT.match(output)
    code = int(head["code"]) if head is not None and head["code"] else None
    said = output[head.end() :] if head is not None else output
    result = json_object(said)
    if isinstance(result.get("output"), str):
        return result["output"], result["exit_code"] if isinstance(result.get("exit_code"), int) else code
    return said.removeprefix("Script error:\n"), code


def _text(output: object) -> str:
    if isinstance(output, list):
        return "".join(str(part.get("text") or "") for part in output if isinstance(part, dict))
    return output if isinstance(output, str) else ""


def _size(file: Path | None) -> int:
    try:
        return 0 if file is None else file.stat().st_size
    except OSError:
        return 0


def _usage(info: object) -> TurnUsageEvent | None:
    """Return the tokens in a token count; None if it has none."""
    if not isinstance(info, dict):
        return None
    total, last, window = (info.get(name) for name in ("total_token_usage", "last_token_usage", "model_context_window"))
    if not isinstance(total, dict) or not isinstance(last, dict):
        return None
    size = window if isinstance(window, int) and window > 0 else None
    return TurnUsageEvent(total=usage_of(total), last=usage_of(last), context_window=size)
