"""The chat widget: a conversation with the agent that lives in a cell, on the same threads as the `%%codex` cells."""

from codex_jupyter.notebook.chat.widget import CodexChat, chat

__all__ = ["CodexChat", "chat"]
