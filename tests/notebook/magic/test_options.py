"""The options of a cell, and what becomes of its answer."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_jupyter.notebook.session.code_blocks import code_blocks, last_python
from codex_jupyter.testing import ScriptedModel, fail, shell
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]
VERDICT = "import pydantic\nclass Verdict(pydantic.BaseModel):\n    good: bool\n    why: str"
ANSWER = json.dumps({"good": True, "why": "because"})


def test_the_answer_goes_into_a_variable(kernel: Kernel, scripted: Scripted) -> None:
    """`-o` gives the text; with `--schema` it gives a value of the class."""
    model = scripted(["Plain text.", ANSWER])
    kernel.execute("%%codex -o answer\nsay something")
    assert kernel.execute("answer").value == "'Plain text.'"
    kernel.execute(VERDICT)
    done = kernel.execute("%%codex --schema Verdict -o verdict\nis it good?")
    assert done.error is None
    assert kernel.execute("verdict").value == "Verdict(good=True, why='because')"
    schema = model.requests[-1].body["text"]["format"]
    assert schema["strict"] is True
    assert schema["schema"]["additionalProperties"] is False


def test_a_schema_may_be_a_dict_or_a_file(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """The answer is then plain data."""
    scripted([ANSWER, ANSWER])
    schema = {"type": "object", "properties": {"good": {"type": "boolean"}, "why": {"type": "string"}}}
    kernel.execute(f"form = {schema!r}\n%codex --schema form -o first go")
    (tmp_path / "form.json").write_text(json.dumps(schema))
    kernel.execute(f"%codex --schema {tmp_path / 'form.json'} -o second go")
    assert kernel.execute("first == second == {'good': True, 'why': 'because'}").value == "True"


def test_an_answer_that_does_not_fit_is_an_error_that_keeps_it(kernel: Kernel, scripted: Scripted) -> None:
    """The message says what is wrong; the answer stays on screen."""
    scripted(["not json at all"])
    kernel.execute(VERDICT)
    done = kernel.execute("%%codex --schema Verdict -o verdict\ngo")
    assert (done.error or "").startswith("OutputSchemaError: The answer is not valid JSON")
    assert "not json at all" in done.text


def test_quiet_shows_the_answer_alone(kernel: Kernel, scripted: Scripted) -> None:
    """No commands, no header, no footer; the turn still knows everything."""
    scripted([[shell("echo hidden"), "Only this."]])
    done = kernel.execute("%%codex -q\ngo")
    assert done.text.strip() == "Only this."
    assert kernel.execute("[item.type for item in _.items]").value == "['command_execution', 'agent_message']"


def test_the_notebook_can_continue_after_a_failure(kernel: Kernel, scripted: Scripted) -> None:
    """`--no-raise` shows the failure and ends the cell well."""
    scripted([[fail(400, message="broken")]])
    done = kernel.execute("%%codex --no-raise\ngo")
    assert done.error is None
    assert "broken" in done.text


def test_a_turn_is_stopped_after_its_time(kernel: Kernel, scripted: Scripted) -> None:
    """`--timeout` ends it, and says so."""
    scripted([[shell("sleep 3006"), "never"]])
    done = kernel.execute("%%codex --timeout 1.5 -s danger-full-access\ngo")
    assert "timed out" in done.text
    assert "after its timeout of 1.5 seconds" in done.text + (done.error or "")


def test_a_dry_run_sends_nothing(kernel: Kernel, scripted: Scripted) -> None:
    """It shows the requests and the prompt."""
    model = scripted(["never"])
    kernel.execute("x = 3")
    done = kernel.execute("%%codex --dry-run -m some-model -s read-only -c foo=1 -e high\nis {x} enough?")
    assert model.requests == []
    for part in ('"model": "some-model"', '"permissions": ":read-only"', '"foo": 1', '"effort": "high"', "is 3 enough?"):
        assert part in done.text
    assert "exec" not in done.text


def test_settings_reach_codex(kernel: Kernel, scripted: Scripted) -> None:
    """Effort, web search and more folders."""
    kernel.execute("import os; os.makedirs('extra', exist_ok=True)")
    scripted([])
    done = kernel.execute("%%codex --dry-run --web-search live --add-dir extra -a never\ngo")
    for part in ('"web_search": "live"', '"runtimeWorkspaceRoots"', '/extra"', '"approvalPolicy": "never"'):
        assert part in done.text


def test_a_dry_run_with_the_transport_exec_shows_its_command(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """With the schema, the images and the prompt."""
    model = scripted([])
    kernel.use(model, transport="exec")
    kernel.execute(f"{VERDICT}\nimport PIL.Image\nphoto = PIL.Image.new('RGB', (4, 3))")
    shown = kernel.execute("%codex --dry-run -m some-model --schema Verdict -i photo go").text
    for part in ("codex exec ", "--model some-model", "--output-schema schema.json", '"good"', "--image image-1", "image-1: photo", "\ngo"):
        assert part in shown
    assert model.requests == []


def test_a_question_mark_does_not_ask_ipython(kernel: Kernel, scripted: Scripted) -> None:
    """A prompt may end with one, in every form of the magic; `%codex?` still shows the help."""
    model = scripted(["one", "two", "three"])
    assert "one" in kernel.execute("%codex why is that?").text
    assert "two" in kernel.execute("turn = %codex and that?").text
    assert "three" in kernel.execute("%%codex and the whole?").text
    assert [request.prompt for request in model.requests] == ["why is that?", "and that?", "and the whole?"]
    reply = kernel.client.execute("%codex?", reply=True, timeout=30)
    assert "--sandbox" in str(reply["content"]["payload"])


def test_variables_in_a_prompt_become_their_values_once(kernel: Kernel, scripted: Scripted) -> None:
    """Code, JSON and unknown names stay as they are; a value is not expanded again."""
    model = scripted(["ok"] * 3)
    kernel.execute("n = 5; tricky = '{n}'; d = {'a': 1}")
    kernel.execute("%%codex\n{n} {tricky} {d['a']} {unknown} {'json': [1]} {{n}} f'{zz}' $HOME")
    assert model.requests[-1].prompt.strip() == "5 {n} 1 {unknown} {'json': [1]} {n} f'{zz}' $HOME"
    kernel.execute("%%codex --no-expand\n{n}")
    assert model.requests[-1].prompt.strip() == "{n}"


def test_code_of_the_answer_goes_into_a_new_cell(kernel: Kernel, scripted: Scripted) -> None:
    """`%codex insert` hands the last block to the front end, or the one that is named."""
    scripted(["Try\n\n```python\na = 1\n```\n\nor\n\n```python\nb = 2\nc = 3\n```\n"])
    kernel.execute("%%codex\nhow?")
    for command, code in (("%codex insert", "b = 2\nc = 3"), ("%codex insert 1", "a = 1")):
        reply = kernel.client.execute(command, reply=True, timeout=30)
        assert [payload["text"] for payload in reply["content"]["payload"] if payload["source"] == "set_next_input"] == [code]
    assert "has 2 code blocks" in kernel.execute("%codex insert 3").text


@pytest.mark.parametrize(
    ("answer", "inserted"),
    [
        ("```python\na = 1\n```\n```sql\nSELECT 1\n```", "a = 1\n"),
        ("```py\na = 1\n```\n```\n1\n```\n```text\nb = 2\n```", "a = 1\n"),
        ("```{.python .x}\na = 1\n```\n~~~json\n1\n~~~", "a = 1\n"),
        ("```\na = 1\n```\n```\nError: it failed\n```", "a = 1\n"),
        ("    a = 1\n\ntext\n\n```bash\nls\n```", "a = 1\n"),
        ("```ipython\n%matplotlib inline\n!ls\n```\n```diff\n-a\n```", "%matplotlib inline\n!ls\n"),
        ("```\n%pip install x\na?\n```", "%pip install x\na?\n"),
        ("```sql\nSELECT 1\n```", None),
        ("```console\na = 1\n```", None),
        ("text", None),
    ],
)
def test_the_last_python_block_is_inserted(answer: str, inserted: str | None) -> None:
    """A block of another language, or output, is not put into a Python cell."""
    assert last_python(code_blocks(answer)) == inserted


@pytest.mark.parametrize(
    ("block", "cell"),
    [
        ("```python\na\n```", "a\n"),
        ("```bash\nls\n```", "%%bash\nls\n"),
        ("```JavaScript\nx\n```", "%%javascript\nx\n"),
        ("```sql\nSELECT 1\n```", None),
        ("```\nno python\n```", None),
    ],
)
def test_a_block_with_a_number_is_inserted_with_its_magic(block: str, cell: str | None) -> None:
    assert code_blocks(block)[0].as_cell == cell


def test_sql_is_not_inserted_into_a_python_cell(kernel: Kernel, scripted: Scripted) -> None:
    """Without a number, the Python block before it is; with its number, the command says what the block is."""
    scripted(["```python\na = 1\n```\n\n```sql\nSELECT 1\n```\n"])
    kernel.execute("%%codex\nhow?")
    reply = kernel.client.execute("%codex insert", reply=True, timeout=30)
    assert [payload["text"] for payload in reply["content"]["payload"] if payload["source"] == "set_next_input"] == ["a = 1"]
    refused = kernel.execute("%codex insert 2").text
    assert "That block is neither Python nor a language of a cell magic (1 python, 2 sql). Copy it from the answer." in refused


def test_options_of_a_failed_prompt_are_not_used_again(kernel: Kernel, scripted: Scripted) -> None:
    """A fork after a prompt in a folder that does not exist works."""
    scripted(["First.", "Second."])
    assert kernel.execute("%codex hello").error is None
    assert "does not exist" in (kernel.execute("%codex -C /nope hello").error or "")
    forked = kernel.execute("%codex fork other")
    assert forked.error is None, forked.error
    assert "`-t other` continues from here" in forked.text
    assert kernel.execute("%codex -t other again").error is None


def test_a_sandbox_that_cannot_start_is_reported(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """Codex completes the turn, and a command fails or is not shown. The header of the turn and `%codex doctor` say so, and what to do."""
    model = scripted([[shell("echo ran"), "Done."], [shell("echo ran"), "Done."]])
    message = f"Commands cannot run in the sandbox, because the temporary folder {tmp_path / 'missing'} does not exist."
    assert message not in kernel.execute("%codex run it").text
    kernel.use(model, TMPDIR=str(tmp_path / "missing"))
    done = kernel.execute("%codex run it")
    assert message in done.text
    assert message in kernel.execute("%codex doctor").text


def test_the_error_of_a_prompt_in_a_function_is_not_an_error_of_the_users_code(kernel: Kernel) -> None:
    """Neither `auto` nor `error` reports it. Of a call of the package in a cell, only the user's frames are reported."""
    kernel.execute("%reload_ext codex_jupyter\n%config CodexMagics.context = 'none'\ndef ask():\n    %codex -i nothing hello")
    assert "There is no variable" in (kernel.execute("ask()").error or "")
    assert "would report nothing" in kernel.execute("%codex context error").text
    assert "No cell has failed" in kernel.execute("%codex fix").text
    assert kernel.execute("import codex_jupyter\ncodex_jupyter.image('nothing')").error is not None
    reported = kernel.execute("%codex context error").text
    assert "InputError: There is no variable" in reported
    assert "codex_jupyter.image('nothing')" in reported
    assert "images/" not in reported
    assert len(reported) < 1_000


def test_a_semicolon_silences(kernel: Kernel, scripted: Scripted) -> None:
    """At the end of a line, and in a line of its own at the end of a cell; a cell whose last line is code is not silenced."""
    model = scripted(["One.", "Two.", "Three."])
    assert kernel.execute("%codex -o first say it;").text == ""
    assert kernel.execute("first").value == "'One.'"
    assert kernel.execute("%%codex -o second\nsay it\n;").text == ""
    assert model.requests[-1].prompt.strip() == "say it"
    assert "Three." in kernel.execute("%%codex\nexplain\nSELECT 1;").text
    assert model.requests[-1].prompt.strip() == "explain\nSELECT 1;"


def test_a_turn_that_runs_away_is_stopped(kernel: Kernel, scripted: Scripted) -> None:
    """By its tokens while it runs, and by its time, although the cell asks for more. A setting of 0 stops nothing."""
    scripted([[*([shell("sleep 0.7; echo step")] for _ in range(20)), "never"], [shell("sleep 3008"), "never"], "Fine."])
    kernel.execute("%config CodexMagics.max_tokens_per_turn = 20_000")
    done = kernel.execute("%%codex -s danger-full-access\ngo")
    assert "Its budget allows 20,000. The thread can be continued. To change the budget, set `CodexMagics.max_tokens" in (done.error or "")
    assert 0 < done.text.count("step") < 20
    kernel.execute("%config CodexMagics.max_tokens_per_turn = 0\n%config CodexMagics.max_seconds_per_turn = 1.5")
    done = kernel.execute("%%codex -s danger-full-access --timeout 60\ngo")
    assert "Its budget allows 1.5. The thread can be continued. To change the budget, set `CodexMagics.max_seconds_per_turn`." in (
        done.error or ""
    )
    kernel.execute("%config CodexMagics.max_seconds_per_turn = 0")
    assert "Fine." in kernel.execute("%codex go").text


def test_a_copy_of_a_thread_may_use_as_much_as_any(kernel: Kernel, scripted: Scripted) -> None:
    """The tokens of the thread that it comes from are not those of its turn."""
    scripted(["One.", "Two.", "Three.", [[shell("sleep 0.7; echo one")], [shell("sleep 0.7; echo two")], "Fine."]])
    kernel.execute("%codex go\n%codex go\n%codex go\n%codex fork copy\n%config CodexMagics.max_tokens_per_turn = 50_000")
    done = kernel.execute("%%codex -t copy -s danger-full-access\ngo")
    kernel.execute("%config CodexMagics.max_tokens_per_turn = 0")
    assert "Fine." in done.text
    assert "max_tokens_per_turn" not in done.text


def test_a_schema_of_a_wrong_kind_is_one_line(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """For any object with that name. Nothing is sent, and the variable keeps its value."""
    model = scripted([])
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    kernel.execute("kept = 1\nclass Plain: pass\nnumber = 5\nitems = list[int]")
    names = ["Plain", "number", "items", "Nowhere", *(tmp_path / f"{kind}.json" for kind in ("binary", "broken", "list", "missing"))]
    for name in names:
        done = kernel.execute(f"%codex --schema {name} -o kept go")
        said = (done.error or done.text).strip()
        assert "\n" not in said
        assert re.match(r"(UsageError: --schema|OutputSchemaError): ", said)
    assert kernel.execute("kept").value == "1"
    assert model.requests == []


def test_binary_in_a_prompt_is_sent_or_refused(kernel: Kernel, scripted: Scripted) -> None:
    """Control characters and unpaired surrogates do not end the turn."""
    model = scripted(["Fine.", "Fine."])
    assert kernel.execute("%codex go \x00\x01\x1b[31m on").error is None
    assert model.requests[-1].prompt == "go \x00\x01\x1b[31m on"
    kernel.execute("half = '\\udcff'")
    assert kernel.execute("%codex go {half} on").error == (
        "InputError: The prompt is not valid Unicode: surrogates not allowed at character 3. Remove that character."
    )
    assert kernel.execute("%codex go on").error is None


def test_the_background_assigns_its_answer_too(kernel: Kernel, scripted: Scripted) -> None:
    """When it is there."""
    scripted(["Later."])
    kernel.execute("%codex --bg -o later go")
    kernel.execute("%codex wait")
    assert kernel.execute("later").value == "'Later.'"


def test_a_dry_run_shows_what_exactly_would_be_sent(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """It shows the thread that would be used, images, schema and context, but no secret, and it changes nothing."""
    model = scripted(["One."])
    kernel.execute("%codex hello")
    thread = kernel.execute("rows = %codex threads\nprint(rows.rows[0]['id'])").text.strip()
    other = "01a214fe-0653-7bd0-8ede-eb5035bec8f3"
    assert f'"threadId": "{thread}"' in kernel.execute("%codex --dry-run go").text
    assert "resume" not in kernel.execute("%codex --dry-run -n go").text
    assert f'"threadId": "{other}"' in kernel.execute(f"%codex --dry-run -r {other} go").text
    kernel.execute(VERDICT)
    kernel.execute(f"import PIL.Image\nPIL.Image.new('RGB', (4, 3)).save({str(tmp_path / 'small.png')!r})\nvisible_number = 1")
    key = "-c 'model_providers.x.api_key=\"sk-secret-123456\"'"
    shown = kernel.execute(f"%codex --dry-run {key} --context vars --schema Verdict -i {tmp_path / 'small.png'} go").text
    for part in (
        '"path": "image-1"',
        "image-1: ",
        "small.png",
        '"outputSchema"',
        '"good"',
        "visible_number",
        "[Image #1]",
        'api_key": "***"',
    ):
        assert part in shown
    assert "sk-secret" not in shown
    kernel.execute('def distance(city: str) -> float:\n    """Return the distance to a city."""\n    return 95.0')
    done = kernel.execute("%codex --dry-run -n --tool distance --kernel read go")
    assert done.error is None, done.error
    shown = done.text
    for part in ("The tools:", '"name": "distance"', "Return the distance to a city.", '"city"', "mode `read`"):
        assert part in shown
    assert len(model.requests) == 1
    assert kernel.execute("rows = %codex threads\nrows.column('id')").value == f"['{thread}']"


def test_a_failure_is_three_lines_at_most(kernel: Kernel, scripted: Scripted) -> None:
    """However much the other side has to say; the error itself has all of it."""
    scripted([[fail(400, message="\n".join(f"line {number} {'x' * 700}" for number in range(9)))]])
    error = kernel.execute(
        "try:\n    get_ipython().run_line_magic('codex', 'go')\nexcept Exception as caught:\n    whole = str(caught); raise"
    ).error
    assert error is not None
    assert len(error.splitlines()) <= 3
    assert len(error) < 2000
    assert kernel.execute("'line 8' in whole").value == "True"
