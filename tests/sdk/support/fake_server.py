"""A `codex app-server` that does what a test says: for faults that the real one does not produce on demand."""

import textwrap

from tests.sdk.support.fake import THREAD_ID, FakeCli, MakeFake

TURN_ID = "01990000-0000-7000-8000-0000000000aa"

_SERVER = """\
import atexit
STARTS = len([name for name in os.listdir(FOLDER) if name.startswith("call-") and not name.endswith(".part")])
TURN = {turn!r}
answers = []

def tell(**message):
    write(json.dumps(message).encode() + b"\\n")

def note(method, **params):
    tell(method=method, params=dict(threadId=THREAD, turnId=TURN, **params))

def change(kind, item):
    note("item/" + kind, item=item)

def message(text, kind="completed", id="m1"):
    change(kind, dict(type="agentMessage", id=id, text=text))

def command(kind="started", output=None, id="c1"):
    ended = output is not None
    state = dict(status="completed" if ended else "inProgress", aggregatedOutput=output, exitCode=0 if ended else None)
    change(kind, dict(type="commandExecution", id=id, command="x", **state))

def delta(text):
    note("item/agentMessage/delta", itemId="m1", delta=text)

def output(text):
    note("item/commandExecution/outputDelta", itemId="c1", delta=text)

def begin():
    tell(method="turn/started", params=dict(threadId=THREAD, turn=dict(id=TURN)))

def end(status="completed", error=None):
    total = dict(totalTokens=3, inputTokens=2, outputTokens=1)
    note("thread/tokenUsage/updated", tokenUsage=dict(total=total))
    tell(method="turn/completed", params=dict(threadId=THREAD, turn=dict(id=TURN, status=status, error=error)))

def die(point):
    if POINT == point and STARTS == 1:
        touch("died")
        os._exit(7)

POINT = os.environ.get("POINT", "")

def turn():
    begin(); message("Hi!"); end()

def answer(request):
    method, number = request["method"], request["id"]
    die("asked " + method)
    if method == "initialize":
        tell(id=number, result=dict(userAgent="codex_jupyter/" + VERSION))
    elif method == "config/read":
        tell(id=number, result=dict(config=dict(model="m")))
    elif method in ("thread/start", "thread/resume"):
        tell(id=number, result=dict(thread=dict(id=THREAD)))
    elif method == "turn/start":
        tell(id=number, result=dict(turn=dict(id=TURN)))
        die("answered " + method)
        turn()
    elif method == "turn/interrupt":
        tell(id=number, result=dict())
        end("interrupted")
    else:
        tell(id=number, result=dict())
    die("answered " + method)

def requests():
    for line in sys.stdin:
        request = json.loads(line)
        if "method" not in request:
            answers.append(request)
            record("answer%s" % request["id"], request)
        elif "id" in request:
            yield request

def run():
    for request in requests():
        answer(request)
"""


def fake_server(fake: MakeFake, body: str = "run()", **env: str) -> FakeCli:
    """Make a fake server.

    Args:
        fake: Makes a fake executable.
        body: What it does, in Python, with the functions above; it may replace `turn` or `answer`, and calls `run()` itself.
        **env: Variables of its environment.
    """
    cli = fake("")
    cli.options["env"].update(env)
    return cli.does(_SERVER.format(turn=TURN_ID) + textwrap.dedent(body))


__all__ = ["THREAD_ID", "TURN_ID", "fake_server"]
