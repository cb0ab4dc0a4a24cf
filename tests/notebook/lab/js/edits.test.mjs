// Edits of cells: what takes them back, what prevents them, and the steps of the notebook's undo.

import assert from "node:assert/strict";
import { test } from "node:test";

import { conflict, makeEdit, problemOf } from "../../../../codex_jupyter/notebook/lab/labextension/static/edits.js";
import { joined } from "../../../../codex_jupyter/notebook/lab/labextension/static/review.js";

/** Return a panel with a notebook of these sources, in cells `a`, `b`, `c`, … */
function panelOf(...sources) {
  const content = { widgets: [], activeCell: null, activeCellIndex: 0 };
  const cell = ({ id, source, outputs = [] }) => {
    const sharedModel = {
      getSource: () => source,
      setSource: (text) => (source = text),
      getMetadata: () => undefined,
      toJSON: () => ({ id, cell_type: "code", source, outputs }),
    };
    return { model: { id, sharedModel, executionState: "idle" } };
  };
  const undoManager = { undoStack: [], captureTimeout: 500, lastChange: 0, stopCapturing: () => (undoManager.lastChange = 0) };
  const notebook = {
    undoManager,
    transact(change) {
      change();
      const joins = undoManager.lastChange > 0 && Date.now() - undoManager.lastChange < undoManager.captureTimeout;
      if (!joins) undoManager.undoStack.push({});
      undoManager.lastChange = Date.now();
    },
    insertCell: (index, json) => content.widgets.splice(index, 0, cell(json)),
    deleteCell: (index) => content.widgets.splice(index, 1),
    moveCell: (from, to) => content.widgets.splice(to, 0, ...content.widgets.splice(from, 1)),
  };
  content.model = { sharedModel: notebook, readOnly: false };
  content.widgets = sources.map((source, index) => cell({ id: "abcdef"[index], source }));
  content.activeCell = content.widgets.at(-1);
  return { content, sources: () => content.widgets.map(({ model }) => model.sharedModel.getSource()), steps: undoManager.undoStack };
}

const EDITS = {
  replace: [{ kind: "replace", cell: "b", before: "2", after: "5" }, ["1", "5", "3"]],
  insert: [{ kind: "insert", cell: "new", type: "code", source: "5", place: "a" }, ["1", "5", "2", "3"]],
  "insert at the end": [{ kind: "insert", cell: "new", type: "markdown", source: "5", place: "" }, ["1", "2", "3", "5"]],
  delete: [{ kind: "delete", cell: "b", before: "2" }, ["1", "3"]],
  "move down": [{ kind: "move", cell: "a", before: "1", place: "b" }, ["2", "1", "3"]],
  "move to the start": [{ kind: "move", cell: "c", before: "3", place: "start" }, ["3", "1", "2"]],
};

for (const [name, [edit, expected]] of Object.entries(EDITS)) {
  test(`${name}: the inverse takes it back, and its inverse makes it again`, () => {
    const panel = panelOf("1", "2", "3");
    const inverse = makeEdit(panel, edit, "turn");
    assert.deepEqual(panel.sources(), expected);
    const again = makeEdit(panel, inverse, "undo");
    assert.deepEqual(panel.sources(), ["1", "2", "3"]);
    makeEdit(panel, again, "redo");
    assert.deepEqual(panel.sources(), expected);
  });
}

test("the cell that was active stays active", () => {
  const panel = panelOf("1", "2", "3");
  makeEdit(panel, EDITS.insert[0], "turn");
  assert.equal(panel.content.activeCellIndex, 3);
});

test("successive edits of a turn are one step of the undo, without edits of the user or of another turn", () => {
  const panel = panelOf("1", "2", "3");
  makeEdit(panel, EDITS.replace[0], "turn");
  makeEdit(panel, EDITS.insert[0], "turn");
  assert.equal(panel.steps.length, 1);
  panel.content.model.sharedModel.transact(() => {});
  assert.equal(panel.steps.length, 2);
  makeEdit(panel, EDITS["move to the start"][0], "turn");
  makeEdit(panel, { kind: "replace", cell: "a", before: "1", after: "7" }, "other");
  assert.equal(panel.steps.length, 4);
});

test("a cell that is changed, missing, protected, running or in a read-only notebook is not edited", () => {
  const panel = panelOf("1", "2");
  const edit = { kind: "delete", cell: "b", before: "old" };
  assert.equal(conflict(panel, edit), "2");
  assert.equal(problemOf(panel, edit), "was changed after the turn");
  assert.throws(() => makeEdit(panel, edit, "turn"), /The cell was changed after the turn\./);
  assert.equal(problemOf(panel, { ...edit, cell: "z" }), "is not in the notebook any more");
  const { model } = panel.content.widgets[1];
  model.executionState = "running";
  assert.equal(problemOf(panel, { ...edit, before: "2" }), "runs now");
  model.sharedModel.getMetadata = (key) => key !== "deletable";
  assert.equal(problemOf(panel, { ...edit, before: "2" }), "is protected by its metadata");
  panel.content.model.readOnly = true;
  assert.equal(problemOf(panel, edit), "is in a read-only notebook");
  assert.deepEqual(panel.sources(), ["1", "2"]);
});

test("changes of a cell that follow each other are decided as one", () => {
  const replaced = (before, after) => ({ ids: [after], edit: { kind: "replace", cell: "a", before, after }, inverse: {} });
  const twice = joined(replaced("1", "2"), replaced("2", "3"));
  assert.deepEqual([twice.ids, twice.edit.before, twice.inverse.before, twice.inverse.after], [["2", "3"], "1", "3", "1"]);
  const inserted = { ids: ["i"], edit: { kind: "insert", cell: "a", source: "1" }, inverse: {} };
  const filled = joined(inserted, replaced("1", "2"));
  assert.deepEqual([filled.edit.kind, filled.edit.source, filled.inverse], ["insert", "2", { kind: "delete", cell: "a", before: "2" }]);
  const restored = { kind: "insert", json: { source: "2", outputs: [] } };
  const deleted = { ids: ["d"], edit: { kind: "delete", cell: "a", before: "2" }, inverse: restored };
  assert.equal(joined(inserted, deleted), null);
  const gone = joined(replaced("1", "2"), deleted);
  assert.deepEqual([gone.ids, gone.edit.before, gone.inverse.json], [["2", "d"], "1", { source: "1", outputs: [] }]);
});
