"""The browser of the benchmarks that need one: it is gone before the asynchronous ones of the next module run."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import chromium, lab, lab_pages, open_notebook, own_page, page

__all__ = ["browser", "lab", "lab_pages", "open_notebook", "own_page", "page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser
