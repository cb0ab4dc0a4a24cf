// The mark of a turn that was undone, in saved outputs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isUnfinished, withMark } from "../../../../codex_jupyter/notebook/lab/labextension/static/marked_turns.js";
import { TURN_MIME } from "../../../../codex_jupyter/notebook/lab/labextension/static/cell_data.js";

const part = (output, data = {}) => ({ output_type: "display_data", data, metadata: { codex: { output } } });
const saved = (id, began) => ({ [TURN_MIME]: { turn: { thread_id: "t", id }, info: { began } } });
const printed = { output_type: "stream", text: "x" };
const OUTPUTS = [printed, part(0), part(1, saved("one", 1)), part(0), part(1, saved("two", 2)), part(2)];
const mark = { "text/plain": "↶ undone" };
const message = (turn, undone, start = null, thread = "t") => ({ type: "marked", thread, turn, start, undone, mark });

test("the mark stands above the outputs of the turn, which stay, and a redo removes it", () => {
  const marked = withMark(OUTPUTS, message("two", true));
  assert.equal(marked.length, OUTPUTS.length + 1);
  assert.equal(marked[3].data["text/plain"], "↶ undone");
  assert.equal(marked[5].data[TURN_MIME].info.undone, true);
  assert.equal(OUTPUTS[4].data[TURN_MIME].info.undone, undefined);
  assert.equal(withMark(marked, message("two", true)), null);
  const back = withMark(marked, message("two", false));
  assert.deepEqual(back.map(({ metadata }) => metadata), OUTPUTS.map(({ metadata }) => metadata));
  assert.equal(back[4].data[TURN_MIME].info.undone, false);
});

test("a turn is found by its id or its start, in its thread only", () => {
  assert.ok(withMark(OUTPUTS, message(null, true, 1)));
  for (const other of [message("three", true), message(null, true), message("two", true, null, "u"), message("two", false)]) {
    assert.equal(withMark(OUTPUTS, other), null);
  }
});

test("a turn has no end if its outputs lack its data, and if they do not say so already", () => {
  const [noted, kept] = [{ output_type: "stream", text: "[The kernel ended while this turn ran.]\n" }, part(1, saved("one", 1))];
  assert.equal(isUnfinished([printed, part(0), part(1)]), true);
  assert.equal(isUnfinished([part(0), kept, part(0), part(1)]), true);
  assert.equal(isUnfinished([part(0), part(1), part(0), kept]), false);
  assert.equal(isUnfinished([part(0), part(1), noted]), false);
  assert.equal(isUnfinished([printed]), false);
});
