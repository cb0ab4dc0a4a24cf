"""The widget's public face."""

from ipywidgets import Widget  # type: ignore[import-untyped]

from codex_jupyter import CodexChat


def test_the_chat_sends_custom_messages_as_any_widget_does() -> None:
    assert CodexChat.send is Widget.send
