// A cell as the kernel receives it.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  TURN_MIME,
  cellData,
  hasError,
  isFixable,
  isPrompt,
  isProse,
  lastImage,
  lastPython,
  savedTurn,
} from "../../../../codex_jupyter/notebook/lab/labextension/static/cell_data.js";

/** Return the model of a code cell with these outputs. */
function code(source, ...outputs) {
  const models = outputs.map((json) => ({ type: json.output_type, data: json.data ?? {}, toJSON: () => json }));
  return {
    id: "a",
    type: "code",
    executionCount: 3,
    sharedModel: { getSource: () => source },
    outputs: { length: models.length, get: (index) => models[index] },
  };
}

test("a cell is sent with the text of its outputs, without colours", () => {
  const error = { output_type: "error", ename: "E", evalue: "bad", traceback: ["\u001b[31mTraceback\u001b[0m", "E: bad"] };
  const model = code("1/0", { output_type: "stream", text: ["one\n", "two"] }, error);
  assert.deepEqual(cellData(model), { id: "a", type: "code", number: 3, source: "1/0", output: "one\ntwo\nTraceback\nE: bad" });
  assert.equal(hasError(model), true);
});

test("a cell is prose if its magic is %%codex, also below other cell magics", () => {
  for (const source of ["%%codex", "%%codex -q\nis it for all?", "\n%%codex\nx", "%%time\n%%codex\nx"]) assert.ok(isProse(source), source);
  for (const source of ["%codex hi", "x = 1\n%%codex", "%%codexes", "%%time\nx\n%%codex", ""]) assert.ok(!isProse(source), source);
});

test("a cell is a prompt if it is prose or one %codex line", () => {
  for (const source of ["%%codex\nhi", "%codex hi", "\n%codex hi\n", "turn = %codex hi"]) assert.ok(isPrompt(source), source);
  for (const source of ["x = 1\n%codex hi", "%codex hi\nx = 1", "%codexes", "f(%codex)", ""]) assert.ok(!isPrompt(source), source);
});

test("an error can be fixed if it is in code, not in a prompt", () => {
  const error = { output_type: "error", ename: "E", evalue: "bad", traceback: ["E: bad"] };
  assert.equal(isFixable(code("1/0", error)), true);
  assert.equal(isFixable(code("1/0")), false);
  for (const source of ["%%codex\nhi", "%codex hi", "turn = %codex hi"]) assert.equal(isFixable(code(source, error)), false, source);
});

test("the last image of a cell is sent", () => {
  const plot = (data) => ({ output_type: "display_data", data: { "image/png": data, "text/plain": "<Figure>" } });
  const model = code("plot()", plot("one"), plot("two\n"), { output_type: "stream", text: "x" });
  assert.deepEqual(lastImage(model), { type: "image/png", data: "two" });
  assert.equal(lastImage(code("1")), null);
});

test("a Markdown cell has neither outputs nor a number", () => {
  const model = { id: "m", type: "markdown", sharedModel: { getSource: () => "# Title" } };
  assert.deepEqual(cellData(model), { id: "m", type: "markdown", number: null, source: "# Title", output: "" });
});

test("the buttons of a turn know its ids, its answer, and if it was undone", () => {
  const items = [{ type: "agent_message", text: "First." }, { type: "reasoning", text: "…" }, { type: "agent_message", text: "Last." }];
  const saved = { turn: { thread_id: "t", id: "u", status: "completed", items }, info: { began: 2.5, thread_name: null, undone: true } };
  const output = { output_type: "display_data", data: { [TURN_MIME]: saved } };
  assert.deepEqual(savedTurn(code("%%codex", output)), {
    thread: "t",
    turn: "u",
    start: 2.5,
    threadName: "",
    isUndone: true,
    answer: "Last.",
  });
  saved.turn.status = "in_progress";
  assert.equal(savedTurn(code("%%codex", output)), null);
  assert.equal(savedTurn(code("1", { output_type: "display_data", data: { [TURN_MIME]: "not a turn" } })), null);
});

test("the last block of Python code of an answer is inserted", () => {
  const answer = "Run:\n```bash\nls\n```\nand\n~~~python\na = 1\n~~~\nor\n````py\nb = 1\n```\n2\n````\n```json\n{}\n```\n";
  assert.equal(lastPython(answer), "b = 1\n```\n2");
  assert.equal(lastPython("```\nunclosed"), "");
});
