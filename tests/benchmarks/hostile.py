"""Texts and items that are made to be slow."""

from collections.abc import Callable
from functools import partial

from codex_jupyter.sdk.models.items import (
    AgentMessageItem,
    CollabAgentState,
    CollabToolCallItem,
    CommandExecutionItem,
    ErrorItem,
    FileChangeItem,
    FileUpdateChange,
    McpToolCallItem,
    McpToolCallResult,
    ThreadItem,
    TodoItem,
    TodoListItem,
    UnknownItem,
    WebSearchItem,
)

UNITS = {
    "brackets": "[", "images": "![", "half links": "](", "links": "[a](http://b.c) ", "emphasis": "*a **a ", "stars": "*a_ ",
    "code spans": "`a` ", "half code spans": "`a ", "angles": "<", "autolinks": "<http://a> ", "quotes": "> ", "list items": "- a\n",
    "empty items": "-\n", "numbers": "1. a\n\n", "pipes": "|", "entities": "&", "backslashes": "\\", "half formulas": "\\(",
    "dollars": "$a ", "headings": "# a\n", "paragraphs": "a\n\n", "lines": "a\n", "definitions": "[a]: b\n", "rules": "---\n",
    "escapes": "\x1b[", "unseen": "\0", "directions": "\u202e", "fences": "```python\na=1\n```\n",
    "hard breaks": "\\\n", "tasks": "- [ ] a\n",
}  # fmt: skip
CODES = {"python": "def f(x): return 'a' + x # c\n", "js": "(((a => b)", "html": "<a ", "sh": "$(", "cpp": "#if\n", "diff": "+a\n"}
MEGABYTE = 1 << 20


def filled(unit: str, length: int) -> str:
    """The unit again and again."""
    return (unit * (length // len(unit) + 1))[:length]


def hostile_texts(length: int) -> dict[str, str]:
    """Markdown of about so many characters, by name."""
    texts = {name: filled(unit, length) for name, unit in UNITS.items()}
    texts |= {f"{language} code": f"```{language}\n{filled(unit, length)}\n```" for language, unit in CODES.items()}
    texts["wide table"] = "|a" * 2000 + "|\n" + "|-" * 2000 + "|\n" + filled("|\n", length)
    texts["table"] = "|a" * 50 + "|\n" + "|-" * 50 + "|\n" + filled("|1" * 50 + "|\n", length)
    texts["nested quotes"] = "\n".join(">" * (i % 500) + "a" for i in range(length // 250))
    texts["nested lists"] = "\n".join("  " * (i % 100) + "- a" for i in range(length // 100))
    return texts


def hostile_items() -> dict[str, Callable[[], ThreadItem]]:
    """Functions that make items of a megabyte, by name."""
    outputs = {
        "colours": "\x1b[31mx\x1b[0m",
        "lines": "a line\n",
        "overwritten": "abc\rde\n",
        "backspaces": "a\b",
        "unseen": "\0",
        "angles": "<",
    }
    nested = {"x": [[1] * 10] * 10_000}

    def output(unit: str) -> ThreadItem:
        return CommandExecutionItem(id="a", command="x", aggregated_output=filled(unit, MEGABYTE), exit_code=0, status="completed")

    items: dict[str, Callable[[], ThreadItem]] = {f"output of {name}": partial(output, unit) for name, unit in outputs.items()}
    texts = [{"type": "text", "text": filled("a\n", MEGABYTE)}] * 3
    return items | {
        "command": lambda: CommandExecutionItem(id="a", command=filled("a\n", MEGABYTE), status="completed"),
        "message": lambda: AgentMessageItem(id="a", text=filled("word ", MEGABYTE)),
        "message of entities": lambda: AgentMessageItem(id="a", text=filled("&", MEGABYTE)),
        "warning": lambda: ErrorItem(id="a", message=filled("`a` ", MEGABYTE)),
        "arguments": lambda: McpToolCallItem(id="a", server="s", tool="t", status="completed", arguments=nested),
        "results": lambda: McpToolCallItem(id="a", server="s", tool="t", status="completed", result=McpToolCallResult(content=texts)),
        "files": lambda: FileChangeItem(
            id="a", status="completed", changes=[FileUpdateChange(path=f"/w/{i}", kind="add") for i in range(20_000)]
        ),
        "plan": lambda: TodoListItem(id="a", items=[TodoItem(text="step `a`")] * 20_000),
        "agents": lambda: CollabToolCallItem(
            id="a", tool="wait", agents_states={f"t{i}": CollabAgentState(status="running", message="m") for i in range(5_000)}
        ),
        "query": lambda: WebSearchItem(id="a", query=filled("&", MEGABYTE)),
        "unknown": lambda: UnknownItem.model_validate({"id": "a", "type": "x", "data": nested}),
    }
