// Which cells a fix is about.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Fixes, cellsBefore, cellsToRun } from "../../../../codex_jupyter/notebook/lab/labextension/static/fixes.js";

/** Return a code cell that ran as this number. */
function cell(executionCount, source = `${executionCount}`, output = "") {
  const json = { output_type: "error", traceback: [output] };
  const outputs = { length: output ? 1 : 0, get: () => ({ type: "error", data: {}, toJSON: () => json }) };
  return { model: { id: `c${executionCount}`, type: "code", executionCount, sharedModel: { getSource: () => source }, outputs } };
}

test("the cells that ran after the changed one run again, in the order in which they ran", () => {
  const [helper, between, other, prompt, failed, later] = [cell(3), cell(5), cell(4), cell(6, "%%codex\nhi"), cell(8), cell(9)];
  const lines = [cell(6, "%codex -s workspace-write hi"), cell(7, "turn = %codex hi\n")];
  const cells = [between, helper, prompt, ...lines, failed, other, later];
  assert.deepEqual(cellsToRun(cells, helper, failed), [helper, other, between, failed]);
  assert.deepEqual(cellsToRun(cells, failed, failed), [failed]);
  const unknown = cell(null);
  assert.deepEqual(cellsToRun(cells, unknown, failed), [unknown, failed]);
});

test("the cells of the traceback are sent first, and then the last ones that ran before", () => {
  const failed = cell(8, "f()", "Cell In[8], line 1\nCell In[3], line 2, in f()");
  const long = cell(6, "x".repeat(19_998));
  assert.deepEqual(
    cellsBefore([cell(2), cell(3), cell(4, "%%codex"), long, cell(7), failed, cell(9)], failed).map(({ number }) => number),
    [3, 7, 6],
  );
});

test("a fix waits for the number of the cell, which JupyterLab shows after the error", async () => {
  const [helper, failed] = [cell(3), cell(null, "f()", "Cell In[3]")];
  let changed = () => {};
  Object.assign(failed.model, { executionState: "running", stateChanged: { connect: (slot) => (changed = slot), disconnect: () => {} } });
  const sent = [];
  const fixes = new Fixes({}, {}, (panel, which, others) => sent.push(others.map(({ number }) => number)));
  const started = fixes.start({ content: { widgets: [helper, failed] } }, failed);
  Object.assign(failed.model, { executionState: "idle", executionCount: 4 });
  changed();
  await started;
  assert.deepEqual(sent, [[3]]);
});
