"""A page of a chat."""

import pytest

from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Kernel


@pytest.fixture
def page(chat: Kernel) -> ChatPage:
    """A page that shows the variable `chat` of the kernel."""
    return ChatPage(chat)
