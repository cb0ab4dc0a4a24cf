"""A strict reader of the HTML that rendering makes, and one item of every kind.

The lists of what is allowed are written down a second time here, on purpose.
"""

import re
from html.parser import HTMLParser
from typing import Any

from codex_jupyter.sdk.models.items import (
    AgentMessageItem,
    CollabAgentState,
    CollabToolCallItem,
    CommandExecutionItem,
    ErrorItem,
    FileChangeItem,
    FileUpdateChange,
    McpToolCallError,
    McpToolCallItem,
    McpToolCallResult,
    ReasoningItem,
    ThreadItem,
    TodoItem,
    TodoListItem,
    UnknownItem,
    WebSearchItem,
)

TAGS = {
    *("a", "blockquote", "br", "code", "del", "details", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("hr", "img", "li", "ol", "p", "pre", "s", "small", "span", "strong", "summary"),
    *("table", "tbody", "td", "th", "thead", "tr", "ul"),
}
VOID = {"br", "hr", "img"}
ATTRIBUTES = {"a": {"href", "target", "rel"}, "img": {"src", "alt"}, "details": {"open"}, "ol": {"start"}}
PROPERTIES = re.compile(
    r"color|background|border(-(left|bottom|radius|collapse))?|padding(-left)?|margin|white-space|overflow|(max|min)-width|display|float|"
    r"opacity|font-(family|size|style|weight)|text-(align|decoration)|line-height|vertical-align|list-style|cursor|"
    r"direction|unicode-bidi|word-break|overflow-wrap"
)
VALUE = re.compile(
    r"color-mix\(in srgb, ?currentColor 40%, ?#[0-9a-f]{6}\)|(?!.*(url|var|expression|inherit|currentcolor|hsl))[a-z0-9 #.,()%+-]+",
    re.IGNORECASE,
)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Reader(HTMLParser):
    """Reads HTML, fails on anything that is not allowed, and collects its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        self.seen.append((tag, dict(attrs)))
        for name, value in attrs:
            self.check_attribute(tag, name, value or "")
        if tag not in VOID:
            self.open.append(tag)

    def check_attribute(self, tag: str, name: str, value: str) -> None:
        assert not UNSEEN.search(value), (tag, name, value)
        if name == "style":
            for rule in filter(None, value.split(";")):
                prop, _, setting = rule.partition(":")
                assert PROPERTIES.fullmatch(prop.strip()), rule
                assert VALUE.fullmatch(setting.strip()), rule
        elif name == "class":
            assert re.fullmatch(r"tex2jax_ignore mathjax_ignore|codex-chat-[0-9a-f]{32}", value)
        else:
            assert name in ATTRIBUTES.get(tag, ()), (tag, name)
        if name == "href":
            assert re.match(r"(https?://|mailto:)", value, re.IGNORECASE), value
        if name == "src":
            assert re.fullmatch(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+", value), value
        if name == "rel":
            assert "noopener" in value

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert not UNSEEN.search(data), data
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"declaration {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"instruction {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"declaration {data}")


def read(html: str) -> Reader:
    """Read HTML to its end; fails if a tag, an attribute, a style, a link or the nesting is not allowed."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == [], reader.open
    return reader


def text_of(html: str) -> str:
    """The text that a reader of the checked HTML sees."""
    return "".join(read(html).text)


def check_bundle(bundle: dict[str, Any]) -> None:
    """Fail unless both forms of a bundle are harmless and the bundle holds nothing that is preferred to them."""
    assert set(bundle) - {"application/vnd.codex.turn+json"} == {"text/html", "text/plain"}
    read(bundle["text/html"])
    assert not UNSEEN.search(bundle["text/plain"])


def items_saying(text: str) -> list[ThreadItem]:
    """Every kind of item, with `text` in every place that holds a text."""
    blocks = [
        {"type": "text", "text": text},
        {"type": "image", "data": text, "mimeType": "image/png"},
        {"type": "image", "data": "iVBORw0KGgo=", "mimeType": text},
        {"type": "audio", "data": text, "mimeType": text},
        {"type": "resource_link", "uri": text, "name": text},
        {"type": text, text: [text]},
        text,
    ]
    return [
        AgentMessageItem(id=text, text=text),
        ReasoningItem(id=text, text=text),
        ReasoningItem(id=text, text=f"{text}\n\n{text}"),
        CommandExecutionItem(id=text, command=text, aggregated_output=text, exit_code=1, status=text),
        CommandExecutionItem(id=text, command=f"/bin/bash -lc '{text}'", aggregated_output=f"{text}\n" * 60, status="in_progress"),
        FileChangeItem(id=text, changes=[FileUpdateChange(path=text, kind=text)] * 15, status=text),
        McpToolCallItem(id=text, server=text, tool=text, arguments={text: text}, error=McpToolCallError(message=text), status=text),
        McpToolCallItem(id=text, server=text, tool=text, arguments=text, result=McpToolCallResult(content=blocks), status="failed"),
        McpToolCallItem(id=text, server=text, tool=text, result=McpToolCallResult(structured_content={text: [text]}), status="completed"),
        CollabToolCallItem(
            id=text,
            tool=text,
            prompt=text,
            receiver_thread_ids=[text],
            agents_states={text: CollabAgentState(status=text, message=text)},
            status=text,
        ),
        WebSearchItem(id=text, query=text, action={"type": "search", "queries": [text, text]}),
        WebSearchItem(id=text, query=text, action={"type": "open_page", "url": text}),
        WebSearchItem(id=text, query=text, action={"type": "find_in_page", "url": text, "pattern": text}),
        WebSearchItem(id=text, query=text, action={"type": text, "url": text}),
        TodoListItem(id=text, items=[TodoItem(text=text, completed=True), TodoItem(text=text)]),
        ErrorItem(id=text, message=text),
        UnknownItem.model_validate({"id": text, "type": text, f"x{text}": {text: text}}),
    ]
