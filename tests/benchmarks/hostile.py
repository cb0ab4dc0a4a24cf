"""Texts and items that are made to be slow."""

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


def hostile_items() -> dict[str, ThreadItem]:
    """Items of a megabyte, by name."""
    outputs = {
        "colours": "\x1b[31mx\x1b[0m",
        "lines": "a line\n",
        "overwritten": "abc\rde\n",
        "backspaces": "a\b",
        "unseen": "\0",
        "angles": "<",
    }
    nested = {"x": [[1] * 10] * 10_000}
    items: dict[str, ThreadItem] = {
        f"output of {name}": CommandExecutionItem(
            id="a", command="x", aggregated_output=filled(unit, MEGABYTE), exit_code=0, status="completed"
        )
        for name, unit in outputs.items()
    }
    texts = [{"type": "text", "text": filled("a\n", MEGABYTE)}] * 3
    return items | {
        "command": CommandExecutionItem(id="a", command=filled("a\n", MEGABYTE), status="completed"),
        "message": AgentMessageItem(id="a", text=filled("word ", MEGABYTE)),
        "message of entities": AgentMessageItem(id="a", text=filled("&", MEGABYTE)),
        "warning": ErrorItem(id="a", message=filled("`a` ", MEGABYTE)),
        "arguments": McpToolCallItem(id="a", server="s", tool="t", status="completed", arguments=nested),
        "results": McpToolCallItem(id="a", server="s", tool="t", status="completed", result=McpToolCallResult(content=texts)),
        "files": FileChangeItem(id="a", status="completed", changes=[FileUpdateChange(path=f"/w/{i}", kind="add") for i in range(20_000)]),
        "plan": TodoListItem(id="a", items=[TodoItem(text="step `a`")] * 20_000),
        "agents": CollabToolCallItem(
            id="a", tool="wait", agents_states={f"t{i}": CollabAgentState(status="running", message="m") for i in range(5_000)}
        ),
        "query": WebSearchItem(id="a", query=filled("&", MEGABYTE)),
        "unknown": UnknownItem.model_validate({"id": "a", "type": "x", "data": nested}),
    }
