// When a prompt loads the extension into its kernel.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { connectWhenUsed } from "../../../../codex_jupyter/notebook/lab/labextension/static/runs.js";

const LOAD = "%load_ext codex_jupyter";
const PROMPT = "%%codex\nHello";
const signal = () => {
  const slots = [];
  return { connect: (slot) => slots.push(slot), emit: (...args) => slots.forEach((slot) => slot(null, ...args)) };
};

let NotebookActions, panel, requests;

beforeEach(() => {
  requests = 0;
  NotebookActions = { executionScheduled: signal(), executed: signal() };
  const kernel = { name: "python3", requestExecute: () => ((requests += 1), { done: Promise.resolve({ content: { status: "ok" } }) }) };
  panel = { content: {}, sessionContext: { session: { kernel }, ready: Promise.resolve(), statusChanged: signal() } };
  const app = { serviceManager: { kernelspecs: { specs: { kernelspecs: { python3: { language: "python" } } } } } };
  const tracker = { forEach: (visit) => visit(panel), widgetAdded: signal() };
  const connections = { hasConsent: true, of: () => null, wasConnected: () => false, connectIfLoaded: () => {} };
  connectWhenUsed(app, { notebook: { NotebookActions } }, tracker, connections);
});

/** Return a cell with a source that can change. */
const cellOf = (source) => {
  const cell = { source, model: { sharedModel: { getSource: () => cell.source } } };
  return cell;
};
const run = (cell) => NotebookActions.executionScheduled.emit({ notebook: panel.content, cell });
const end = (cell) => NotebookActions.executed.emit({ notebook: panel.content, cell });

test("a prompt loads the extension, unless a scheduled cell does", () => {
  run(cellOf(PROMPT));
  assert.equal(requests, 1);
  run(cellOf(LOAD));
  run(cellOf(PROMPT));
  assert.equal(requests, 1);
});

test("a cell that has ended does not load the extension any more, also if it was edited meanwhile", () => {
  const cell = cellOf(LOAD);
  run(cell);
  cell.source = "1";
  end(cell);
  run(cellOf(PROMPT));
  assert.equal(requests, 1);
});

test("a cell that a restart of the kernel has cancelled does not load the extension any more", () => {
  run(cellOf(LOAD));
  panel.sessionContext.statusChanged.emit("busy");
  run(cellOf(PROMPT));
  assert.equal(requests, 0);
  panel.sessionContext.statusChanged.emit("restarting");
  run(cellOf(PROMPT));
  assert.equal(requests, 1);
});
