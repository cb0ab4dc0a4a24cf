"""End of a turn: one verdict, from the events and the exit code together, and never a wrong one."""

from pathlib import Path

import pytest

from codex_jupyter.sdk import (
    AuthenticationError,
    CommandExecutionItem,
    IncompleteTurnError,
    NotTrustedDirectoryError,
    ProcessExitError,
    ProtocolError,
    ThreadBusyError,
    ThreadErrorEvent,
    ThreadNotFoundError,
    ThreadOptions,
    TransportError,
    TurnFailedError,
    TurnFailedEvent,
    TurnInterruptedError,
)
from codex_jupyter.testing import Script, fail, fail_stream, say, shell
from tests.sdk.conftest import Real
from tests.sdk.support.fake import HAPPY, THREAD_ID, MakeFake, both_backends

pytestmark = pytest.mark.anyio

OTHER_ID = "01990000-0000-7000-8000-00000000000f"


@both_backends
async def test_a_retry_is_not_a_failure(fake: MakeFake) -> None:
    """An `error` event is a warning while the turn continues."""
    body = "started(); emit(dict(type='error', message='Reconnecting... 1/5')); say('Hi'); completed()"
    turn = await fake(body).thread().run("go")
    assert turn.status == "completed"
    assert turn.warnings == ("Reconnecting... 1/5",)


async def test_a_folder_of_ones_own_is_enough(real: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread with a working directory continues although Python's own is removed."""
    gone = tmp_path / "gone"
    gone.mkdir()
    thread = real.thread(["One.", "Two."])
    monkeypatch.chdir(gone)
    await thread.run("go")
    gone.rmdir()
    assert (await thread.run("on")).final_response == "Two."


async def test_a_real_retry_is_not_a_failure(real: Real) -> None:
    """The CLI reconnects after a broken stream, says so, and completes."""
    turn = await real.thread(real.play([[fail_stream(), "Recovered."]], max_retries=1)).run("go")
    assert turn.final_response == "Recovered."
    assert any("Reconnecting" in warning for warning in turn.warnings)


@both_backends
async def test_a_failed_turn_is_one_error_not_two(fake: MakeFake) -> None:
    """The iteration ends with `turn.failed`, without a second complaint about the exit code."""
    body = "started(); say('Half'); failed('no more'); sys.stderr.write('Reading prompt from stdin...'); sys.stderr.flush(); os._exit(1)"
    async with fake(body).thread().run_streamed("go") as streamed:
        events = [event.type async for event in streamed.events]
        assert events[-2:] == ["error", "turn.failed"]
        with pytest.raises(TurnFailedError, match="no more") as caught:
            await streamed.wait()
    assert caught.value.turn is not None
    assert caught.value.turn.final_response == "Half"
    assert caught.value.turn.status == "failed"
    assert caught.value.turn.warnings == ()
    assert "stdin" not in str(caught.value)


@both_backends
async def test_an_end_without_a_terminal_event_is_not_a_success(fake: MakeFake) -> None:
    """Not even with exit code 0; what was received stays on the error."""
    with pytest.raises(IncompleteTurnError) as caught:
        await fake("started(); say('Half')").thread().run("go")
    assert caught.value.turn is not None
    assert caught.value.turn.final_response == "Half"
    assert caught.value.turn.status == "failed"


@pytest.mark.parametrize("code", [0, 1])
async def test_a_last_error_event_is_the_reason(fake: MakeFake, code: int) -> None:
    """An end without a terminal event, after an error, is a failed turn with that message."""
    body = f"started(); emit(dict(type='error', message='quota')); os._exit({code})"
    with pytest.raises(TurnFailedError, match=r"^quota$") as caught:
        await fake(body).thread().run("go")
    assert caught.value.turn is not None
    assert caught.value.turn.warnings == ()


async def test_an_error_that_was_overcome_is_not_the_reason(fake: MakeFake) -> None:
    """Only the last event can be."""
    with pytest.raises(IncompleteTurnError):
        await fake("started(); emit(dict(type='error', message='Reconnecting')); say('Half')").thread().run("go")


async def test_a_transport_error_comes_once_from_the_iteration_and_again_from_wait(fake: MakeFake) -> None:
    """A consumer that caught the error while iterating gets the same error from `wait`."""
    async with fake("started(); os._exit(7)").thread().run_streamed("go") as streamed:
        with pytest.raises(ProcessExitError) as first:
            async for _ in streamed.events:
                pass
        assert [event async for event in streamed.events] == []
        with pytest.raises(ProcessExitError) as second:
            await streamed.wait()
    assert first.value is second.value


async def test_a_signal_is_reported_as_such(fake: MakeFake) -> None:
    """A process that somebody killed has no exit code."""
    with pytest.raises(ProcessExitError, match="signal 9") as caught:
        await fake("started(); os.kill(os.getpid(), 9)").thread().run("go")
    assert (caught.value.exit_code, caught.value.signal) == (None, 9)


@both_backends
async def test_what_a_killed_process_has_started_goes_with_it(fake: MakeFake) -> None:
    """Killing codex orphans its commands; they are found by their mark."""
    body = "started(); subprocess.Popen(['sleep', '300'], start_new_session=True); os.kill(os.getpid(), 9)"
    with pytest.raises(ProcessExitError, match="signal 9"):
        await fake(body).thread().run("go")


async def test_known_noise_is_not_the_reason(fake: MakeFake) -> None:
    """The reason is what is left of stderr without the lines of every run."""
    noise = "Reading prompt from stdin...\nwarning: Untrusted project-local configuration ignored\n\nStack backtrace:\n   0: <unknown>\n"
    with pytest.raises(ProcessExitError) as caught:
        await fake(f"sys.stderr.write({noise!r} + 'Error: it broke\\n'); sys.stderr.flush(); os._exit(1)").thread().run("go")
    assert caught.value.stderr_tail == "Error: it broke"
    with pytest.raises(ProcessExitError, match="it gave no reason"):
        await fake(f"sys.stderr.write({noise!r}); sys.stderr.flush(); os._exit(1)").thread().run("go")


async def test_a_folder_that_is_not_trusted_is_reported_with_the_remedy(real: Real) -> None:
    """The CLI's own words, and the option that helps."""
    with pytest.raises(NotTrustedDirectoryError, match=r"(?s)Not inside a trusted directory.*skip_git_repo_check=True"):
        await real.thread(["never"], skip_git_repo_check=False).run("go")


async def test_a_thread_that_does_not_exist_is_reported(real: Real) -> None:
    """The CLI looks it up when the turn runs."""
    with pytest.raises(ThreadNotFoundError, match="no such thread"):
        await real.thread(["never"], OTHER_ID).run("go")


async def test_a_bad_config_value_is_reported(real: Real) -> None:
    """With the CLI's reason."""
    model = real.play(["never"])
    codex = real.codex(model, config_overrides=["model_reasoning_summary=5"])
    with pytest.raises(ProcessExitError, match=r"(?s)Error loading config.*Correct config\.toml"):
        await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("go")


async def test_a_policy_that_the_cli_has_dropped_is_reported(real: Real) -> None:
    """The option is passed on as it is; the CLI says what it thinks of it."""
    with pytest.raises(ProcessExitError, match="untrusted"):
        await real.thread(["never"], approval_policy="untrusted").run("go")


async def test_a_missing_login_is_reported_with_the_remedy(real: Real) -> None:
    """401 is the one failure that the user can heal on the spot."""
    with pytest.raises(AuthenticationError, match=r"(?s)401.*%codex login") as caught:
        await real.thread([[fail(401, "who are you?", "invalid_request_error")]]).run("go")
    assert caught.value.turn is not None
    assert caught.value.turn.status == "failed"


async def test_a_refusal_of_the_api_is_reported_in_its_words(real: Real) -> None:
    """The CLI passes on the whole answer, a JSON object; the event keeps it."""
    async with real.thread([[fail(400, "no such model", "invalid_request_error")]]).run_streamed("go") as streamed:
        events = [event async for event in streamed.events]
    assert isinstance(events[-1], TurnFailedEvent)
    assert '"type": "invalid_request_error"' in events[-1].error.message
    assert streamed.turn.error == "no such model"
    assert streamed.turn.warnings == ()


@pytest.mark.parametrize("reason", ["", "no", "[1]", '{"error": {"message": " "}}', '{"error": 5}', "{" * 3, "[" * 100_000])
async def test_a_reason_of_any_other_form_is_reported_unchanged(fake: MakeFake, reason: str) -> None:
    """Nothing of it is lost."""
    async with fake(f"started(); failed({reason!r})").thread().run_streamed("go") as streamed:
        async for _ in streamed.events:
            pass
    assert streamed.turn.error == reason


@pytest.mark.parametrize("bad", ["--last", "my thread", "", "0199", "../../etc/passwd", None, 5])
async def test_an_id_that_is_not_a_uuid_is_refused_before_anything_runs(fake: MakeFake, bad: str) -> None:
    """The CLI would take it for a name or an option, and silently use another thread."""
    cli = fake(HAPPY)
    with pytest.raises(ThreadNotFoundError, match="UUID"):
        cli.codex().resume_thread(bad)
    assert cli.records() == []


@both_backends
async def test_another_thread_than_the_one_asked_for_is_an_error(fake: MakeFake) -> None:
    """And the thread keeps its id."""
    cli = fake(f"{HAPPY}; stay()")
    thread = cli.thread(OTHER_ID)
    with pytest.raises(ProtocolError, match=THREAD_ID):
        await thread.run("go")
    assert thread.id == OTHER_ID


async def test_an_id_is_known_from_the_first_event_on(fake: MakeFake) -> None:
    """A turn that fails later leaves a thread that can be resumed."""
    thread = fake("started(); os._exit(1)").thread()
    assert thread.id is None
    with pytest.raises(TransportError):
        await thread.run("go")
    assert thread.id == THREAD_ID


@both_backends
async def test_two_turns_at_once_on_one_thread_are_refused(fake: MakeFake) -> None:
    """The second fails at once, without a process. The first continues, and a third may run."""
    cli = fake("started(); wait('go'); say('Hi'); completed()")
    thread = cli.thread()
    async with thread.run_streamed("one") as streamed:
        await anext(streamed.events)
        second = thread.run_streamed("two")
        with pytest.raises(ThreadBusyError):
            await second
        await second.aclose()
        with pytest.raises(ThreadBusyError):
            await thread.run("three")
        cli.release("go")
        assert (await streamed.wait()).final_response == "Hi"
    assert (await thread.run("four")).final_response == "Hi"
    assert len(cli.records()) == 2


async def test_two_turns_at_once_in_two_processes_are_refused(real: Real) -> None:
    """The CLI locks the thread; its complaint has a type."""
    model = real.play(["One", [[shell("sleep 30")]]])
    thread = real.thread(model, sandbox_mode="workspace-write")
    await thread.run("one")
    assert thread.id is not None
    async with thread.run_streamed("two") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        with pytest.raises(ThreadBusyError, match="active writer"):
            await real.thread(model, thread.id).run("three")


@both_backends
async def test_usage_is_that_of_the_turn(fake: MakeFake) -> None:
    """The CLI counts the thread; the difference is the turn's."""
    cli = fake("started(); completed(10 * (1 + len([n for n in os.listdir(FOLDER) if n.startswith('call-')])))")
    thread = cli.thread()
    first, second = await thread.run("one"), await thread.run("two")
    assert first.usage is not None
    assert second.usage is not None
    assert second.thread_usage is not None
    assert (first.usage.input_tokens, second.usage.input_tokens, second.thread_usage.input_tokens) == (20, 10, 30)


async def test_usage_is_unknown_rather_than_wrong(fake: MakeFake) -> None:
    """After a resume by id, and after a failed turn, where the thread has no file with its tokens."""
    cli = fake("started(); failed('no') if os.path.exists(os.path.join(FOLDER, 'fail')) else completed(50)")
    resumed = cli.thread(THREAD_ID)
    assert (await resumed.run("one")).usage is None
    assert (again := await resumed.run("two")).usage is not None
    assert again.usage.input_tokens == 0
    cli.release("fail")
    with pytest.raises(TurnFailedError):
        await resumed.run("three")
    (cli.folder / "fail").unlink()
    assert (after := await resumed.run("four")).usage is None
    assert after.thread_usage is not None


async def test_usage_of_real_turns_is_that_of_each(real: Real) -> None:
    """The usage that the model reported for this turn, and the total beside it."""
    thread = real.thread(["One", "Two"])
    first, second = await thread.run("one"), await thread.run("two")
    assert first.usage == first.thread_usage
    assert first.usage is not None
    assert second.usage is not None
    assert second.thread_usage is not None
    assert second.usage.output_tokens + first.usage.output_tokens == second.thread_usage.output_tokens
    assert second.usage.input_tokens + first.usage.input_tokens == second.thread_usage.input_tokens


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_usage_is_known_after_a_stop_and_after_a_resume(real: Real, transport: str) -> None:
    """The tokens of the stopped turn are counted nowhere else."""
    script: Script = [["One"], [[shell("sleep 300")], "never"], ["Three"], ["Four"]]
    codex = real.codex(real.play(script), transport=transport)
    options = ThreadOptions(working_directory=real.folder, skip_git_repo_check=True)
    thread = codex.start_thread(options)
    first = await thread.run("one")
    async with thread.run_streamed("two") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
    third = await thread.run("three")
    fourth = await codex.resume_thread(thread.id or "", options).run("four")
    assert first.usage is not None
    assert third.usage is not None
    assert third.thread_usage is not None
    assert fourth.usage is not None
    assert fourth.thread_usage is not None
    assert fourth.usage == fourth.thread_usage - third.thread_usage
    assert third.usage.output_tokens == fourth.usage.output_tokens
    assert third.thread_usage.output_tokens > first.usage.output_tokens + third.usage.output_tokens


@both_backends
async def test_items_open_at_the_end_are_closed(fake: MakeFake) -> None:
    """A turn has no open items once it is over, however it ended."""
    running = "item('c', 'command_execution', 'started', command='sleep', aggregated_output='', exit_code=None, status='in_progress')"
    for end in ("completed()", "failed('x')", "os._exit(1)"):
        async with fake(f"started(); {running}; say('Hi', 'm'); out.flush(); {end}").thread().run_streamed("go") as streamed:
            try:
                async for _ in streamed.events:
                    pass
            except ProcessExitError:
                assert end == "os._exit(1)"
            turn = streamed.turn
        (command,) = [item for item in turn.items if isinstance(item, CommandExecutionItem)]
        assert command.status == "interrupted"
        assert turn.open_item_ids == frozenset()


async def test_a_real_command_that_is_open_at_the_end_is_closed(real: Real) -> None:
    """A command that the model left running. The CLI never reports its end."""
    turn = await real.thread([[shell("sleep 60", yield_time_ms=250), say("Moving on")]], sandbox_mode="read-only").run("go")
    (command,) = [item for item in turn.items if isinstance(item, CommandExecutionItem)]
    assert command.status == "interrupted"
    assert turn.status == "completed"


async def test_events_after_the_end_of_a_turn_change_nothing(fake: MakeFake) -> None:
    """The first terminal event counts."""
    body = "started(); completed(); failed('late')"
    async with fake(body).thread().run_streamed("go") as streamed:
        events = [event async for event in streamed.events]
        assert (await streamed.wait()).status == "completed"
    assert any(isinstance(event, ThreadErrorEvent) for event in events)


async def test_a_turn_must_be_started_before_it_is_read(fake: MakeFake) -> None:
    """A forgotten `async with` or `await` is reported as such."""
    streamed = fake(HAPPY).thread().run_streamed("go")
    with pytest.raises(Exception, match="was not started"):
        await anext(streamed.events)
    await streamed.aclose()
    with pytest.raises(TurnInterruptedError):
        await streamed.wait()
