"""The README on the package index: `.ci/package_readme.py`."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scripts import load_script

ROOT = Path(__file__).parents[1]
ADDRESS = "https://example.org/owner/name"
RELATIVE = re.compile(r'(?:\]\(|src="|srcset=")(?!https?://|#)')
Convert = Callable[[str, str, str], str]


@pytest.fixture(scope="module")
def convert() -> Convert:
    function: Convert = load_script("package_readme").convert
    return function


def test_with_the_address_of_the_repository_every_image_and_link_is_a_file_of_the_release(convert: Convert) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = convert(readme, ADDRESS, "v1.2.3")
    images = re.findall(rf'src="{ADDRESS}/raw/v1\.2\.3/([^"]+)"', text)
    links = re.findall(rf"\]\({ADDRESS}/blob/v1\.2\.3/([^)]+)\)", text)
    assert len(images) == readme.count("<picture>") > 0
    assert "SECURITY.md" in links
    assert [path for path in [*images, *links] if not (ROOT / path).is_file()] == []
    assert not RELATIVE.search(text)
    assert "<picture>" not in text


def test_without_it_there_are_neither_images_nor_links_to_files(convert: Convert) -> None:
    text = convert((ROOT / "README.md").read_text(encoding="utf-8"), "", "v1.2.3")
    assert not RELATIVE.search(text)
    assert "<img" not in text
    assert "SECURITY.md has the threat model" in text


def test_other_addresses_stay(convert: Convert) -> None:
    text = "[a](https://example.com/a) [b](#part) [c](c.md)\n"
    assert convert(text, "", "v1") == "[a](https://example.com/a) [b](#part) c\n"
    assert convert(text, ADDRESS, "v1") == f"[a](https://example.com/a) [b](#part) [c]({ADDRESS}/blob/v1/c.md)\n"
