// Parts of the chat's page that need no document.

import assert from "node:assert/strict";
import { test } from "node:test";

import { withChat } from "../../../../codex_jupyter/notebook/chat/static/saved_widget.js";
import { createCommands, parseCommand, runCommand } from "../../../../codex_jupyter/notebook/chat/static/views/commands.js";

test("only a word after a slash is a command", () => {
  assert.deepEqual(parseCommand("/new"), { name: "new", argument: "" });
  assert.deepEqual(parseCommand("/rename  Two words "), { name: "rename", argument: "Two words" });
  for (const prompt of ["", "new", " /new", "/home/user/file.py", "/ new", "/New"]) assert.equal(parseCommand(prompt), null, prompt);
});

/** Return the commands of a chat, and what they did. */
function started() {
  const done = [];
  const connection = { send: (action) => done.push(action) };
  const targets = new Proxy({}, { get: (_, name) => (argument) => done.push([name, argument]) });
  const notify = (text) => done.push(text);
  return { commands: createCommands({ connection, notify }, targets), done, notify };
}

test("a command does one thing, with its argument", () => {
  const { commands, done, notify } = started();
  runCommand(commands, { name: "model", argument: "first-model" }, notify);
  runCommand(commands, { name: "resume", argument: "sales" }, notify);
  runCommand(commands, { name: "new", argument: "" }, notify);
  assert.deepEqual(
    done.filter((entry) => entry),
    [
      { do: "choose", trait: "model", value: "first-model" },
      ["showThreads", "sales"],
      { do: "thread", how: "new", name: "" },
    ],
  );
});

test("an unknown command is reported and does nothing", () => {
  const { commands, done, notify } = started();
  runCommand(commands, { name: "newer", argument: "" }, notify);
  assert.equal(done.length, 1);
  assert.match(done[0], /no command \/newer/);
});

test("the help lists every command", () => {
  const { commands, done, notify } = started();
  runCommand(commands, { name: "help", argument: "" }, notify);
  for (const { name } of commands) assert.match(done.at(-1), new RegExp(`^/${name}\\b`, "m"));
});

test("the saved notebook has a state for each chat that it shows, and keeps those of other widgets", () => {
  const other = { model_name: "IntSliderModel", state: {} };
  const first = withChat({ other }, "a", () => true);
  assert.deepEqual(Object.keys(first), ["other", "a"]);
  assert.equal(first.a.state.value, "");
  const second = withChat(first, "b", (id) => id === "b");
  assert.deepEqual(Object.keys(second), ["other", "b"]);
  assert.deepEqual(withChat(second, "b", () => true), second);
});
