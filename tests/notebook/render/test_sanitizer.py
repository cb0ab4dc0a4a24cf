"""Untrusted text stays text: the markup around the content of an item is ours, and only ours."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_jupyter.notebook.render import (
    TurnInfo,
    escape,
    footer_bundle,
    header_bundle,
    item_bundle,
    markdown_to_html,
    plain,
    sanitize,
    turn_bundle,
)
from codex_jupyter.notebook.render.sanitizer import preformatted
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn
from tests.notebook.render.markup import check_bundle, items_saying, read, text_of

PAYLOADS: list[str] = [json.loads(line) for line in (Path(__file__).parent / "xss_payloads.txt").read_text().splitlines()]
PIECES = ["<", ">", '"', "'", "&", "[", "](", ")", "!", "`", "```", "\n", "|", "---", "$", "\\", "*", "_", "~~", "\x1b[31m", "\x1b]", "\r",
          "\x08", "javascript:", "http://", "<script>", "- [ ] ", "a", " ", "\u202e", "&#x6a;"]  # fmt: skip
NASTY = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))


def test_the_corpus_is_large() -> None:
    """At least 200 different payloads are tried."""
    assert len(set(PAYLOADS)) >= 200


@pytest.mark.integration  # hundreds of examples
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_gets_out_of_any_field_of_any_item(payload: str) -> None:
    """Every text field of every kind of item is filled with the payload; only listed tags, attributes and schemes come out."""
    for item in items_saying(payload):
        check_bundle(item_bundle(item, cwd=payload, diff=payload, elapsed=1.0))
        check_bundle(item_bundle(item, streaming=True))


@pytest.mark.integration  # hundreds of examples
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_gets_out_of_the_header_or_the_footer(payload: str) -> None:
    """Model names, thread names, errors and warnings are as untrusted as messages."""
    info = TurnInfo(model=payload, sandbox=payload, cwd=payload, thread_name=payload)
    paths = (Path(payload.replace("\0", "")), Path("/x") / payload.replace("\0", ""))
    rights = EffectiveRights(
        sandbox=payload, profile=payload, writable=paths, unprotected=paths, protected=paths, instructions=paths, skills=(payload,) * 9
    )
    turn = Turn(thread_id=payload, status="failed", error=payload, warnings=(payload, payload), rights=rights)
    check_bundle(header_bundle(info, rights))
    check_bundle(footer_bundle(turn, info))
    check_bundle(turn_bundle(turn, info))


@pytest.mark.integration  # hundreds of examples
@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_gate_alone_disarms_raw_html(payload: str) -> None:
    """Even if a payload came to the gate unescaped, nothing but what is listed would pass."""
    once = sanitize(plain(payload))
    read(once)
    read(sanitize(f'<section style="{plain(payload)}"><a href="{plain(payload)}" {plain(payload)}>x</a></section>'))


@pytest.mark.parametrize(
    "html",
    [
        '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
        '<img src="data:image/bmp;base64,AAAA">',
        '<img src="data:image/png,raw">',
        '<img src="https://evil.example/x.png">',
        '<p style="background:url(//evil.example/x)">',
        '<p style="background:url(data:image/png;base64,AAAA)">',
        '<p style="position:fixed">',
        '<a href="x.html">',
        '<a href="data:text/html,x">',
        '<div class="jp-Dialog">',
        '<div id="x" role="button" data-commandlinker-command="x" onclick="x">',
    ],
)
def test_the_gate_takes_the_attribute_and_leaves_the_element(html: str) -> None:
    """Each attribute is judged by its value, whichever part of this package wrote it."""
    ((_, attributes),) = read(sanitize(html)).seen
    assert {name for name, value in attributes.items() if value} <= {"rel"}


def test_raw_html_in_a_message_is_shown_as_text() -> None:
    """The reader sees what the agent wrote, not what it would do."""
    assert text_of(markdown_to_html("<b>x</b> <script>y</script>")).strip() == "<b>x</b> <script>y</script>"


def test_quotes_in_an_attribute_are_part_of_it() -> None:
    """A name with quotes neither ends the attribute nor is cut."""
    images = [attributes for tag, attributes in read(markdown_to_html("![a \"b\" 'c'](data:image/png;base64,AAAA)")).seen if tag == "img"]
    assert [image["alt"] for image in images] == ["a \"b\" 'c'"]


@given(NASTY)
@settings(max_examples=150, deadline=None)
def test_any_text_gives_well_formed_markup(text: str) -> None:
    """No text raises, and all markup is balanced and listed."""
    read(markdown_to_html(text))
    for item in items_saying(text):
        check_bundle(item_bundle(item, diff=text))


@given(st.text(st.one_of(st.characters(categories=["Cs"]), st.characters()), max_size=100))
@settings(max_examples=100, deadline=None)
def test_even_lone_surrogates_are_rendered(text: str) -> None:
    """Characters that cannot be encoded are replaced before they reach a front end."""
    markdown_to_html(text).encode()
    escape(text).encode()
    plain(text).encode()


@given(st.text(max_size=100))
def test_escaped_text_reads_as_the_plain_text(text: str) -> None:
    """Escaping changes nothing that a reader sees."""
    assert text_of(f"<pre>x{escape(text)}</pre>") == "x" + plain(text)


def test_a_plain_text_cannot_drive_a_terminal() -> None:
    """Sequences go with their payload, single control characters are shown, reordering characters are named."""
    assert plain("a\x1b]52;c;ZXZpbA==\x07b\x1b[2J\x1b[31mc\x1b[0m") == "abc"
    assert plain("a\x00\x7f\x9f\n\tb") == "a␀␡\n\tb"
    assert plain("x\u202ey\u2066z") == "x⟨U+202E⟩y⟨U+2066⟩z"
    assert plain("a\r\nb\rc") == "a\nb\nc"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "/files/x.html",
        "//evil.example",
        "x.html",
        "ftp://e.example",
    ],
)
def test_a_link_to_an_unsafe_address_is_plain_text(url: str) -> None:
    """Only http, https and mailto make a link."""
    assert not [tag for tag, _ in read(markdown_to_html(f"[text](<{url}>)")).seen if tag == "a"]


@pytest.mark.parametrize("url", ["https://example.com/a?b=1&c=2", "http://example.com", "mailto:a@example.com"])
def test_a_web_link_opens_elsewhere_and_knows_nothing_of_us(url: str) -> None:
    """A good link keeps its address, in a new page without an opener."""
    links = [attributes for tag, attributes in read(markdown_to_html(f"[text]({url})")).seen if tag == "a"]
    assert [(link["href"], link["target"]) for link in links] == [(url, "_blank")]
    assert "noopener" in (links[0]["rel"] or "")


def test_no_image_asks_a_server_for_anything() -> None:
    """A remote image becomes its name and address in words. A raster image in the text itself is shown."""
    html = markdown_to_html("![chart](https://evil.example/x.png?secret)")
    assert "img" not in [tag for tag, _ in read(html).seen]
    assert text_of(html).strip() == "[image: chart] https://evil.example/x.png?secret"
    shown = read(markdown_to_html("![dot](data:image/png;base64,iVBORw0KGgo=)")).seen
    assert ("img", "dot") in [(tag, attributes.get("alt")) for tag, attributes in shown]
    for kind in ("svg+xml", "bmp"):
        assert "<img" not in markdown_to_html(f"![x](data:image/{kind};base64,AAAA)")


@pytest.mark.parametrize("content", ["\na", "\n\n\na", "a\n", "\n", "a"])
def test_a_block_keeps_its_first_blank_lines_however_often_a_page_cleans_it(content: str) -> None:
    """HTML parsers drop a newline that directly follows `<pre>`."""
    html = preformatted(escape(content), "margin:0")
    for _ in range(4):
        html = sanitize(html)
    assert text_of(html) == content
