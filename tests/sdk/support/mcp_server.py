"""A small MCP server over stdio: `write` declares changes, `read` declares none, `image` returns an image, and `ask` asks a question."""

import base64
import json
import sys
from typing import Any

TOOLS = [
    {
        "name": "write",
        "description": "changes something",
        "inputSchema": {"type": "object", "properties": {"what": {"type": "string"}}},
        "annotations": {"readOnlyHint": False, "destructiveHint": True},
    },
    {"name": "read", "description": "reads", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
    {"name": "image", "description": "returns an image", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
    {"name": "ask", "description": "asks", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
]


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(value: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}]}


def main() -> None:
    asked: Any = None
    for line in sys.stdin:
        message = json.loads(line)
        method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
        if method == "initialize":
            info = {"name": "desk", "version": "1"}
            send(id=number, result={"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info})
        elif method == "tools/list":
            send(id=number, result={"tools": TOOLS})
        elif method == "tools/call" and params["name"] in ("read", "write"):
            send(id=number, result=text(f"{params['name']} {params['arguments'].get('what')}"))
        elif method == "tools/call" and params["name"] == "image":
            image = {"type": "image", "data": base64.b64encode(bytes(params["arguments"]["size"])).decode(), "mimeType": "image/png"}
            send(id=number, result={"content": [image]})
        elif method == "tools/call":
            asked = number
            schema = {"type": "object", "properties": {"name": {"type": "string", "title": "Name"}}, "required": ["name"]}
            question = {"message": "Who are you?", "requestedSchema": schema} | params["arguments"]
            send(id="question", method="elicitation/create", params=question)
        elif method is None and number == "question":
            send(id=asked, result=text(json.dumps(message.get("result"))))
        elif number is not None and method is not None:
            send(id=number, result={})


if __name__ == "__main__":
    main()
