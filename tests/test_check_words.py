"""The checker of the words of CONTRIBUTING.md, `.ci/check_words.py`."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.scripts import load_script


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    return load_script("check_words")


def found(checker: ModuleType, path: Path, text: str) -> list[str]:
    """Write a file, and return the findings as `line: word`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return [line.removeprefix(f"{path}:").partition(" -> ")[0] for line in checker.check(path)]


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ('def run():\n    """Return what nobody else returns."""\n', "2: nobody"),
        ('def run():\n    """Whether it runs."""\n', "2: docstring that opens with 'Whether'"),
        ("a = 1\nb = 2  # goes on after the end\n", "2: goes on"),
        ("# This is\n# none of them.\n", "1: is none"),
        ("def test_the_turn_has_begun(): ...\n", "1: begun"),
        ("for one in range(3): ...\n", "1: variable `one`"),
        ("def run(known): ...\n", "1: variable `known`"),
    ],
    ids=["docstring", "opening", "comment", "comment of two lines", "name of a function", "variable", "argument"],
)
def test_a_word_of_the_list_is_found_in_python(checker: ModuleType, tmp_path: Path, code: str, finding: str) -> None:
    assert found(checker, tmp_path / "module.py", code) == [finding]


@pytest.mark.parametrize(
    "code",
    [
        'def run():\n    """Return the handler. There is no other, and it is no longer used."""\n',
        'def run():\n    """Return `nobody`, the name of an account."""\n',
        "beginning = known_hosts = 1  # these are None\n",
        "one = 1  # words: allow\n",
        "# The key starts with BEGIN.  words: allow\n",
    ],
    ids=["there is no", "code", "parts of words", "allowed variable", "allowed comment"],
)
def test_other_python_code_has_no_findings(checker: ModuleType, tmp_path: Path, code: str) -> None:
    assert found(checker, tmp_path / "module.py", code) == []


def test_sentences_in_strings_are_checked_in_the_package_but_not_in_tests(checker: ModuleType, tmp_path: Path) -> None:
    code = 'raise ValueError(f"The turn of {name} has not begun.")\nword = "begun"\n'
    assert found(checker, tmp_path / "codex_jupyter" / "sdk" / "module.py", code) == ["1: begun"]
    assert found(checker, tmp_path / "tests" / "module.py", code) == []


def test_markdown_is_checked_outside_of_code_and_of_marked_parts(checker: ModuleType, tmp_path: Path) -> None:
    text = "A picture.\n\n```\ntell\n```\n\n<!-- words: off -->\nwhatever\n<!-- words: on -->\n\n[Nobody](begin.md) knows.\n"
    assert found(checker, tmp_path / "README.md", text) == ["1: picture", "11: Nobody"]


def test_markdown_cells_of_a_notebook_are_checked(checker: ModuleType, tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": ["# a picture"]}, {"cell_type": "markdown", "source": ["# Title\n", "A picture."]}]
    text = json.dumps({"cells": cells}, indent=1)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "Title" in row) + 1
    assert found(checker, tmp_path / "notebook.ipynb", text) == [f"{line}: picture"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("view.js", "const a = 1;\n/* A picture. */\n"),
        ("view.css", "a {}\n/* A picture. */\n"),
        ("settings.toml", 'picture = "picture"\n# A picture.\n'),
    ],
)
def test_comments_of_other_languages_are_checked(checker: ModuleType, tmp_path: Path, name: str, text: str) -> None:
    assert found(checker, tmp_path / name, text) == ["2: picture"]


def test_a_folder_stands_for_all_files_in_it(
    checker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "docs" / "page.md", tmp_path / "docs" / "deep" / "module.py", tmp_path / "other" / "page.md"]
    for path in paths:
        found(checker, path, "# A picture.\n")
    monkeypatch.setattr(checker, "files", lambda: paths)
    assert checker.main([str(tmp_path / "docs")]) == 1
    assert [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()] == [f"{path}:1" for path in paths[:2]]
    assert checker.main([str(tmp_path / "other"), str(tmp_path / "docs")]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_path_without_texts_is_an_error(
    checker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checker, "files", lambda: [tmp_path / "page.md"])
    assert checker.main([str(tmp_path / "missing")]) == 2
    assert "There are no texts to check in" in capsys.readouterr().err
