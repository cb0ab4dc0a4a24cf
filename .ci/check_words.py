"""Find words of the word list in CONTRIBUTING.md that must not be used, and docstrings with an opening that must not be used.

It reads docstrings, comments, sentences in strings, names of tests and of variables, Markdown and the Markdown cells of notebooks.

Usage:
    check_words.py [PATH ...]     Print `file:line: word -> suggestion`, and exit with 1 if there is any. A path is a file or a folder.
                                  Default: all files of the repository.
    check_words.py --count        Print the rate of the words per 1,000 words of docstrings and comments, by room.

Exceptions: `words: allow` in a comment on the line, or `<!-- words: off -->` and `<!-- words: on -->` around a part of a Markdown file.
"""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]

DIALECT: Final = {
    r"is\s+no(?!\s+(?:longer|more|less|one)\b)|is\s+(?-i:none)": "is not; there is no",
    r"are\s+no(?!\s+(?:longer|more|less|one)\b)": "are not; there are no",
    r"tells?|told": "report, send, include, contain, record",
    r"nobody": "no one, no handler",
    r"whoever": "the caller",
    r"whatever": "any",
    r"go(?:es)?\s+on": "continue, resume",
    r"begins?|began|begun": "start",
    r"pictures?": "image; figure or plot for a matplotlib object",
    r"mend": "fix",
    r"shall": "must, will",
}
"""Patterns that `--count` counts, with suggestions."""
OTHERS: Final = {
    r"are\s+(?-i:none)": "there are no",
    r"telling": "report, send, include, contain, record",
    r"went\s+on|going\s+on\s+with|gone\s+on": "continue, resume",
    r"ends?\s+(?:well|badly)|ended\s+(?:well|badly)": "completes, fails",
    r"(?:has|have|had)\s+gone": "closed, removed, ended",
    r"drawings?": "image; figure or plot for a matplotlib object",
    r"mend(?:s|ed|ing)": "fix",
    r"settles?|settled|settling": "resolve, finish",
    r"lets?\s+go|letting\s+go": "unload, release",
    r"deaf": "ignores",
    r"widen(?:s|ed|ing)?": "grow",
    r"doors?": "hook",
    r"one's\s+own|oneself": "custom, exclusive",
}
"""More patterns that are checked but not counted, with suggestions."""
NAMES: Final = frozenset({"made", "found", "known", "one", "told"})
"""Names that a variable must not have."""
OPENINGS: Final = re.compile(r"\s*(?:What|Whether|Who|How|Those|The\s+same)\b")

_PATTERNS: Final = [(re.compile(rf"\b(?:{words})\b", re.IGNORECASE), words, advice) for words, advice in (DIALECT | OTHERS).items()]
_ANY: Final = re.compile(rf"\b(?:{'|'.join([*DIALECT, *OTHERS])})\b", re.IGNORECASE)
_NOT_THERE: Final = re.compile(r"\bthere\s+$", re.IGNORECASE)
"""Before `is no` and `are no`, which are right after `there`."""
_CODE: Final = re.compile(r"```.*?```|``.*?``|`[^`\n]*`", re.DOTALL)
_MARKUP: Final = re.compile(r"^(```|~~~).*?^\1|<!-- words: off -->.*?<!-- words: on -->|<[^>\n]*>|\]\([^)\n]*\)", re.DOTALL | re.MULTILINE)
_COMMENT_JS: Final = re.compile(r"/\*.*?\*/|(?<![:\"'`\w])//[^\n]*", re.DOTALL)
_COMMENT_SHELL: Final = re.compile(r"^\s*#[^\n]*|(?<=\s)# [^\n]*", re.MULTILINE)
_SENTENCE: Final = re.compile(r"\w+(?:\W+\w+){3}")
_NEXT_COMMENT: Final = re.compile(r"\n[ \t]*#")
_ALLOWED: Final = "words: allow"


class Text(NamedTuple):
    """A piece of text in a file.

    Attributes:
        line: Number of its first line.
        text: The text.
        kind: `docstring`, `comment`, `string`, `name` or `prose`.
    """

    line: int
    text: str
    kind: str


class Finding(NamedTuple):
    """A word that must not be used.

    Attributes:
        line: Number of its line.
        word: The word, or a description of the finding.
        advice: What to write instead.
        pattern: Pattern that matched it. Empty if it is not a word.
    """

    line: int
    word: str
    advice: str
    pattern: str = ""


def blank(pattern: re.Pattern[str], text: str) -> str:
    """Replace every match with spaces, so that the lines keep their numbers."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def python_texts(source: str, *, strings: bool, fast: bool) -> Iterator[Text]:
    """Yield the docstrings, comments, sentences and names of a Python file.

    Args:
        source: The code.
        strings: If True, yield sentences in strings, too.
        fast: If True, leave out the comments if the file has none of the words.
    """
    if not fast or _ANY.search(_NEXT_COMMENT.sub("\n", source)):  # reading tokens takes most of the time
        yield from _comments(source)
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    in_f_string = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) in docstrings:
                yield Text(node.lineno, text, "docstring")
            case ast.Constant(value=str(text)) if strings and id(node) not in in_f_string and _SENTENCE.search(text):
                yield Text(node.lineno, text, "string")
            case ast.JoinedStr() if strings:
                joined = "".join(str(value.value) if isinstance(value, ast.Constant) else "{}" for value in node.values)
                if _SENTENCE.search(joined):
                    yield Text(node.lineno, joined, "string")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield Text(node.lineno, name.replace("_", " "), "name")
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) if name in NAMES:
                yield Text(node.lineno, name, "variable")


def _comments(source: str) -> Iterator[Text]:
    """Yield the comments. Comments on consecutive lines are one text."""
    block: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if block and line == last + 1:
            block.append(token.string.lstrip("#"))
        else:
            if block:
                yield Text(first, "\n".join(block), "comment")
            block, first = [token.string.lstrip("#")], line
        last = line
    if block:
        yield Text(first, "\n".join(block), "comment")


def notebook_texts(source: str) -> Iterator[Text]:
    """Yield the Markdown cells of a notebook, with the lines of the file."""
    lines = source.splitlines()
    at = 0
    for cell in json.loads(source)["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        rows = cell["source"] if isinstance(cell["source"], list) else cell["source"].splitlines(keepends=True)
        quoted = json.dumps(rows[0], ensure_ascii=False) if rows else ""
        at = next((number for number in range(at, len(lines)) if quoted and quoted in lines[number]), at)
        yield Text(at + 1, blank(_MARKUP, "".join(rows)), "prose")


def texts(path: Path, *, fast: bool = True) -> Iterator[Text]:
    """Yield the texts of a file that its readers read.

    Args:
        path: The file.
        fast: If True, leave out the comments of Python files without any of the words.
    """
    source = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".py":
            # Strings of tests and of the demo are data and prompts.
            rooms = path.parts
            yield from python_texts(source, strings="codex_jupyter" in rooms and not {"tests", "demo"} & set(rooms), fast=fast)
        case ".md":
            yield Text(1, blank(_MARKUP, source), "prose")
        case ".ipynb":
            yield from notebook_texts(source)
        case ".js" | ".mjs" | ".ts" | ".css":
            yield from (Text(source.count("\n", 0, match.start()) + 1, match.group(), "comment") for match in _COMMENT_JS.finditer(source))
        case _:
            yield from (
                Text(source.count("\n", 0, match.start()) + 1, match.group().strip(), "comment")
                for match in _COMMENT_SHELL.finditer(source)
            )


def findings(texts: Iterable[Text]) -> Iterator[Finding]:
    """Yield the words of the texts that must not be used."""
    for text in texts:
        if text.kind == "variable":
            yield Finding(text.line, f"variable `{text.text}`", "the noun of what it holds")
            continue
        if text.kind == "docstring" and (opening := OPENINGS.match(text.text)):
            yield Finding(text.line, f"docstring that opens with '{opening.group().strip()}'", "a verb in the imperative, or a noun phrase")
        if not _ANY.search(text.text):
            continue
        shown = blank(_CODE, text.text)
        for pattern, words, advice in _PATTERNS:
            for match in pattern.finditer(shown):
                word = " ".join(match.group().split())
                if not (word.lower().startswith(("is ", "are ")) and _NOT_THERE.search(shown[: match.start()])):
                    yield Finding(text.line + shown.count("\n", 0, match.start()), word, advice, words)


def files() -> list[Path]:
    """Return the files of the repository that have text."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in listed if name and has_text(Path(name)) and (ROOT / name).is_file()]


def has_text(path: Path) -> bool:
    """Return True if the checker knows how to read a file of this name."""
    suffixes = {".py", ".md", ".ipynb", ".js", ".mjs", ".ts", ".css", ".sh", ".toml", ".yml", ".yaml"}
    return "recordings" not in path.parts and (path.suffix in suffixes or path.parent.name == ".ci")


def check(path: Path) -> Iterator[str]:
    """Yield a line of text for each finding in a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    for finding in sorted(set(findings(texts(path)))):
        if _ALLOWED not in lines[finding.line - 1]:
            yield f"{name}:{finding.line}: {finding.word} -> {finding.advice}"


def print_rates() -> None:
    """Print, for each room, the words, the counted patterns and their rate, and the share of docstrings with a wrong opening."""
    words: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    docstrings: Counter[str] = Counter()
    openings: Counter[str] = Counter()
    for path in files():
        relative = path.relative_to(ROOT)
        rooms = [_room(relative)]
        if path.suffix == ".py" and relative.parts[0] in ("codex_jupyter", "tests"):
            rooms.append(f"{relative.parts[0]}, all Python")
        pieces = [text for text in texts(path, fast=False) if text.kind in ("docstring", "comment", "prose")]
        for room in rooms:
            words[room] += sum(len(text.text.split()) for text in pieces)
            hits[room] += sum(finding.pattern in DIALECT for finding in findings(pieces))
            docstrings[room] += sum(text.kind == "docstring" for text in pieces)
            openings[room] += sum(text.kind == "docstring" and bool(OPENINGS.match(text.text)) for text in pieces)
    print(f"{'room':34} {'words':>7} {'found':>6} {'per 1,000':>10} {'openings':>9}")
    for room in sorted(words):
        opening = f"{openings[room] / docstrings[room]:9.1%}" if docstrings[room] else ""
        print(f"{room:34} {words[room]:7} {hits[room]:6} {1000 * hits[room] / max(1, words[room]):10.1f} {opening}")


def _room(path: Path) -> str:
    depth = 3 if path.parts[0] == "codex_jupyter" else 2
    folders = path.parts[:-1][:depth]
    return "/".join(folders) if folders else path.name


def main(arguments: list[str]) -> int:
    """Run the checker.

    Returns:
        The exit status.
    """
    if arguments == ["--count"]:
        print_rates()
        return 0
    chosen = [Path(argument).resolve() for argument in arguments] or [ROOT]
    checked = [path for path in files() if any(path.is_relative_to(place) for place in chosen)]
    if not checked:
        print(f"There are no texts to check in {', '.join(arguments)}.", file=sys.stderr)
        return 2
    lines = [line for path in checked for line in check(path)]
    print(*lines, sep="\n", end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
