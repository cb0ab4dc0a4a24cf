// The state of a chat in the page: which messages change it, and what the views then show.

import assert from "node:assert/strict";
import { test } from "node:test";

import { mergeBlock, newState, receive } from "../../../../codex_jupyter/notebook/chat/static/store.js";

const META = { type: "meta", thread: "main", running: false };
const BLOCK = { block: "m", kind: "agent_message", html: "", text: "one" };

/** Return a state that has received a thread with finished turns, and a function that sends the next message to it. */
function started({ turns = [], start = 0 } = {}) {
  const state = newState();
  let sequence = 6;
  const send = (message, skipped = 0) => {
    sequence += 1 + skipped;
    return receive(state, { sequence, ...message }, 5000);
  };
  send({ type: "state", secret: "secret", start, turns });
  return { state, send };
}

const finished = (id) => ({ id, prompt: `prompt ${id}`, at: 1, status: "completed", took: "1 s", blocks: [] });
const texts = (state) => state.turns.flatMap(({ blocks }) => blocks.map(({ text }) => text));

test("a state message replaces everything and ends the state of an ended kernel", () => {
  const { state, send } = started({ turns: [finished("a")] });
  state.ended = true;
  assert.deepEqual(send({ type: "state", secret: "other", start: 3, turns: [finished("b")] }), [{ kind: "reset" }]);
  assert.deepEqual([state.turns, state.start, state.secret, state.ended], [[finished("b")], 3, "other", false]);
});

test("a state message is never taken for a gap in the sequence", () => {
  const { send } = started();
  assert.deepEqual(send({ type: "state", secret: "secret", start: 0, turns: [] }, 40), [{ kind: "reset" }]);
});

test("a turn is added, changed and ended", () => {
  const { state, send } = started();
  const [added] = send({ type: "turn", id: "a", prompt: "hello", at: 7 });
  assert.deepEqual(added, { kind: "append", turn: { id: "a", prompt: "hello", at: 7, status: "in_progress", blocks: [] } });
  const [changed] = send({ type: "blocks", turn: "a", blocks: [BLOCK, { block: "m", kind: "agent_message", append: " two" }] });
  assert.equal(changed.kind, "update");
  assert.equal(changed.turn, state.turns[0]);
  assert.deepEqual(texts(state), ["one two"]);
  const [ended] = send({ type: "end", turn: "a", status: "completed", took: "2 s", copy: 4 });
  assert.deepEqual([ended.kind, ended.turn.status, ended.turn.took, ended.copy], ["end", "completed", "2 s", 4]);
});

test("messages about an unknown turn change nothing", () => {
  const { state, send } = started({ turns: [finished("a")] });
  assert.deepEqual(send({ type: "blocks", turn: "b", blocks: [BLOCK] }), []);
  assert.deepEqual(send({ type: "end", turn: "b", status: "failed", took: "", copy: 1 }), []);
  assert.deepEqual(state.turns, [finished("a")]);
});

test("after a gap the state is requested and changes of turns are ignored", () => {
  for (const message of [
    { type: "turn", id: "b", prompt: "", at: 0 },
    { type: "blocks", turn: "a", blocks: [BLOCK] },
    { type: "end", turn: "a", status: "failed", took: "", copy: 1 },
  ]) {
    const { state, send } = started({ turns: [finished("a")] });
    assert.deepEqual(send(message, 1), [{ kind: "resync" }], message.type);
    assert.deepEqual(state.turns, [finished("a")], message.type);
  }
});

test("after a gap the state is requested once, whichever message comes first", () => {
  for (const message of [META, { type: "done", id: 1, error: "" }, { type: "question", number: 1, question: null }]) {
    const { send } = started();
    assert.deepEqual(
      send(message, 2).map(({ kind }) => kind),
      ["resync", message.type],
    );
    assert.deepEqual(
      send(message).map(({ kind }) => kind),
      [message.type],
    );
  }
});

test("before the first state, which the connection requests, changes of turns are ignored without another request", () => {
  const state = newState();
  assert.deepEqual(receive(state, { type: "turn", sequence: 9, id: "a", prompt: "", at: 0 }, 0), []);
  assert.deepEqual(receive(state, { type: "turn", sequence: 10, id: "b", prompt: "", at: 0 }, 0), []);
  assert.deepEqual(receive(state, { ...META, sequence: 11 }, 0), [{ kind: "meta" }]);
  assert.deepEqual(state.turns, []);
});

test("a message of an unknown kind changes nothing, but counts", () => {
  const { state, send } = started({ turns: [finished("a")] });
  for (const type of ["reset", "apply", "constructor", "__proto__", "newer", undefined]) assert.deepEqual(send({ type }), []);
  assert.deepEqual(state.turns, [finished("a")]);
  assert.deepEqual(send(META), [{ kind: "meta" }]);
});

test("earlier turns come before the others, once", () => {
  const { state, send } = started({ turns: [finished("c")], start: 2 });
  const earlier = { type: "earlier", start: 0, turns: [finished("a"), finished("b")] };
  assert.deepEqual(send(earlier), [{ kind: "prepend", turns: earlier.turns }]);
  assert.deepEqual(send(earlier), []);
  assert.deepEqual(
    state.turns.map(({ id }) => id),
    ["a", "b", "c"],
  );
});

test("what is around the conversation is kept with the time of its arrival", () => {
  const { state, send } = started();
  send(META);
  assert.deepEqual([state.meta.thread, state.metaAt], ["main", 5000]);
});

test("the action and the tokens of the running turn replace those of the last state", () => {
  const { state, send } = started();
  send({ ...META, action: "Thinking", waits: false, usage: { turn: null, context: null, window: null } });
  const progress = { action: "Waiting for the network", waits: true, usage: { turn: 5, context: 9, window: 10 } };
  assert.deepEqual(send({ type: "progress", ...progress }), [{ kind: "progress" }]);
  const { action, waits, usage } = state.meta;
  assert.deepEqual({ action, waits, usage }, progress);
});

test("a question is kept until the next one", () => {
  const { state, send } = started();
  const question = { title: "Run this command?", facts: [], choices: [], questions: [] };
  assert.deepEqual(send({ type: "question", number: 1, question }), [{ kind: "question" }]);
  assert.equal(state.question.question, question);
  send({ type: "question", number: 2, question: null });
  assert.equal(state.question.question, null);
});

test("answers to requests are passed on and not kept", () => {
  const { state, send } = started();
  const before = structuredClone(state);
  const [stored] = send({ type: "stored", search: "a", archived: true, threads: [1] });
  assert.deepEqual([stored.kind, stored.message.search, stored.message.archived, stored.message.threads], ["stored", "a", true, [1]]);
  for (const content of [{ ideas: ["a"] }, { html: "<p>" }, { text: "done" }]) {
    const kind = { ideas: "ideas", html: "diff", text: "notice" }[Object.keys(content)[0]];
    assert.deepEqual(send({ type: kind, ...content }), [{ kind, ...content }]);
  }
  assert.deepEqual(send({ type: "plots", plots: [2] }), [{ kind: "plots", plots: [2] }]);
  assert.deepEqual(send({ type: "offers", offers: [3] }), [{ kind: "offers", offers: [3] }]);
  assert.deepEqual(send({ type: "copy", bundle: {} }), [{ kind: "copy", bundle: {} }]);
  assert.deepEqual(send({ type: "done", id: null, error: "no" }), [{ kind: "done", id: null, error: "no" }]);
  assert.deepEqual({ ...state, sequence: 0 }, { ...before, sequence: 0 });
});

/** Return the blocks of a turn after changes. */
function merged(...changes) {
  const turn = { id: "a", prompt: "", at: 0, status: "in_progress", blocks: [] };
  for (const change of changes) mergeBlock(turn, { block: "m", kind: "agent_message", ...change });
  return turn.blocks.map(({ block, kind, ...content }) => {
    assert.deepEqual([block, kind], ["m", "agent_message"]);
    return content;
  });
}

test("a text that is added to a block comes after its text", () => {
  assert.deepEqual(merged({ html: "", text: "one" }, { append: " two" }, { append: " three" }), [{ html: "", text: "one two three" }]);
});

test("a text that is added to an unknown block starts it", () => {
  assert.deepEqual(merged({ append: "one" }), [{ text: "one" }]);
});

test("HTML that is added to a block comes after its HTML, with a new text", () => {
  assert.deepEqual(merged({ html: "<p>1</p>", text: "2" }, { more: "<p>2</p>", text: "3" }), [{ html: "<p>1</p><p>2</p>", text: "3" }]);
});

test("a finished block replaces the growing one", () => {
  const last = { html: "<p>1</p>", source: "1", languages: [] };
  assert.deepEqual(merged({ html: "", text: "1", languages: ["python"] }, last), [last]);
});
