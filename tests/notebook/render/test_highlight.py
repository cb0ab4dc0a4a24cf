"""Code of any language and any content is coloured in a bounded number of steps."""

import re
from html import unescape
from pathlib import Path

import pytest
from pygments.lexers import LEXERS
from pygments.util import ClassNotFound

from codex_jupyter.notebook.render import highlight
from codex_jupyter.notebook.render.highlight import MAX_UNBOUNDED, WINDOW, code_html

SOURCE = Path(highlight.__file__).read_text()
ALIASES = sorted(aliases[0] for _, _, aliases, _, _ in LEXERS.values() if aliases)
HOSTILE = {
    "perl": "s{",
    "rst": "`",
    "c": "\t\n",
    "cpp": "\t\n",
    "ruby": "%q{",
    "java": "a b(",
    "sql": "'",
    "bash": "$(",
    "php": "<?php /*",
    "css": "a{",
    "scala": '"""',
    "haskell": "{-",
    "csharp": "\t\n",
    "html": "<script>",
    "console": "$ `\n",
    "json": '["',
}


def text_of(html: str) -> str:
    return unescape(re.sub(r"</?span[^>]*>", "", html))


@pytest.mark.parametrize("language", HOSTILE)
def test_no_rule_of_a_lexer_reads_far_ahead(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text on which each token made its lexer read the rest: in 40 kB 20,000 times 20,000 characters, for up to 30 seconds."""
    ahead = []
    bounded = highlight.bounded_match

    def counted(match: object) -> object:
        return bounded(lambda text, start, end: ahead.append(end - start) or match(text, start, end))  # type: ignore[operator, func-returns-value]

    monkeypatch.setattr(highlight, "bounded_match", counted)
    monkeypatch.setattr(highlight, "lexer_of", highlight.lexer_of.__wrapped__)
    code = (HOSTILE[language] * 8_000)[:8_000]
    html, used = code_html(code, language, 1_800)
    assert used <= 1_800
    assert max(ahead, default=0) <= WINDOW
    assert text_of(html) == code
    if not ahead:
        assert len(html) < MAX_UNBOUNDED * 100 or language == "json"


@pytest.mark.parametrize("language", ["python", "json", "c"])
def test_the_colours_of_ordinary_code_do_not_depend_on_the_bound(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded = code_html(SOURCE, language, 100_000)
    monkeypatch.setattr(highlight, "WINDOW", 10**9)
    assert code_html(SOURCE, language, 100_000) == bounded


def test_every_language_of_pygments_can_be_coloured() -> None:
    """Some lexers use their own types of tokens, some are not made of rules."""
    code = 'int a = 1; /* x */\n$ ls\n>>> 1\n<a href="b">\n# 1\n'
    for alias in ALIASES[::25]:
        try:
            html, _ = code_html(code, alias, 100)
        except ClassNotFound:
            continue
        assert text_of(html) == code, alias
