// The connection of the page: what it does if messages are lost.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection } from "../../../../codex_jupyter/notebook/chat/static/connection.js";

/** Return an open connection, its kernel, its requests, and a function that delivers a message. */
function opened(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const sent = [];
  const kernel = { status: "idle" };
  const model = { widget_manager: { kernel }, get: () => "", on: () => {}, send: ({ do: action }) => sent.push(action) };
  const connection = new Connection(model);
  const close = connection.open();
  let sequence = 0;
  const deliver = (message, lost = 0) => connection.onMessage({ ...message, sequence: (sequence += 1 + lost) });
  const wait = async (seconds) => {
    for (let second = 0; second < seconds; second++) {
      t.mock.timers.tick(1000);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve(); // requests wait for the choice of the comm
    }
  };
  return { connection, kernel, sent, deliver, wait, close };
}

const STATE = { type: "state", turns: [], start: 0, secret: "secret" };

test("a state that does not come is asked for again, and not after it has come", async (t) => {
  const { sent, deliver, wait } = opened(t);
  assert.deepEqual(sent, ["sync"]);
  await wait(4);
  assert.deepEqual(sent, ["sync", "sync"]);
  deliver(STATE);
  await wait(60);
  assert.deepEqual(sent, ["sync", "sync"]);
});

test("a busy kernel is not asked again: it has the request", async (t) => {
  const { kernel, sent, wait } = opened(t);
  kernel.status = "busy";
  await wait(60);
  assert.deepEqual(sent, ["sync"]);
  kernel.status = "idle";
  await wait(4);
  assert.deepEqual(sent, ["sync", "sync"]);
});

test("a kernel that never answers is asked five times", async (t) => {
  const { sent, wait } = opened(t);
  await wait(120);
  assert.equal(sent.length, 5);
});

for (const [name, end] of [
  ["kernel has ended", ({ connection }) => connection.onKernelEnded()],
  ["chat was closed", ({ close }) => close()],
]) {
  test(`nothing is asked for after the ${name}`, async (t) => {
    const all = opened(t);
    end(all);
    await all.wait(60);
    assert.deepEqual(all.sent, ["sync"]);
  });
}

test("the state after a lost message is asked for again, too", async (t) => {
  const { sent, deliver, wait } = opened(t);
  deliver(STATE);
  deliver({ type: "notice", text: "" }, 1);
  await wait(4);
  assert.deepEqual(sent, ["sync", "sync", "sync"]);
});
