// The bar above the conversation: the thread, and forms to start, rename, fork and resume one.

/** @import { MetaMessage, StoredThread } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, countTurns, formatTime, make, setText } from "../dom.js";
import { createChooser } from "./chooser.js";

/** The actions that ask for a name, and the labels of their field. */
const NAMING = { new: "Name of the new thread", rename: "New name of this thread", fork: "Name of the copy" };

/** @typedef {keyof typeof NAMING} NamedAction */

/**
 * @param {ChatContext} chat
 * @param {() => void} focusComposer
 */
export function createHeader(chat, focusComposer) {
  const { connection } = chat;
  const { state } = connection;
  const thread = createChooser(connection, "Thread", "thread");
  const demo = make("span", { class: "codex-badge", hidden: true, title: "A script answers, not a model." }, "demo");
  const label = make("span", {});
  const name = make("input", {
    class: "codex-name",
    type: "text",
    "aria-label": "Name of the thread",
    autocomplete: "off",
    spellcheck: "false",
  });
  const naming = make(
    "form",
    { class: "codex-naming", hidden: true },
    label,
    name,
    make("button", { type: "submit" }, "OK"),
    button("", "Cancel", "Cancel", () => close()),
  );
  const stored = make("ul", { class: "codex-stored", hidden: true, "aria-label": "Earlier threads" });
  /** @type {NamedAction} */
  let how = "new";

  const actions = [
    actionButton("new", "Start a new thread", () => askName("new")),
    actionButton("rename", "Rename the thread", () => askName("rename")),
    actionButton("fork", "Start a thread with the history of this one", () => askName("fork")),
    actionButton("resume", "Continue an earlier thread", listStored),
  ];
  const bar = make(
    "div",
    { class: "codex-bar", role: "group", "aria-label": "Thread and its history" },
    thread.select,
    demo,
    make("span", { class: "codex-space" }),
    ...actions,
  );

  /** @param {NamedAction} action */
  function askName(action) {
    const reopened = !naming.hidden && how === action;
    stored.hidden = naming.hidden = true;
    if (reopened || !state.meta) return;
    how = action;
    naming.hidden = false;
    setText(label, NAMING[action]);
    name.value = action === "rename" ? state.meta.thread : freeName(state.meta, action === "fork" ? `${state.meta.thread}_fork` : "thread");
    name.focus();
    name.select();
  }

  function listStored() {
    const reopened = !stored.hidden;
    stored.hidden = naming.hidden = true;
    if (reopened || !state.meta) return;
    stored.hidden = false;
    stored.replaceChildren(make("li", {}, "Looking for threads…"));
    connection.send({ do: "stored" });
  }

  function close() {
    stored.hidden = naming.hidden = true;
    focusComposer();
  }

  /** @param {string} id */
  function resume(id) {
    close();
    return connection.send({ do: "thread", how: "resume", name: id });
  }

  naming.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await connection.send({ do: "thread", how, name: name.value.trim() })) return;
    chat.notify("");
    close();
  });
  /** @param {KeyboardEvent} event */
  const closeOnEscape = (event) => {
    if (event.key === "Escape" && !event.isComposing) close();
  };
  naming.addEventListener("keydown", closeOnEscape);
  stored.addEventListener("keydown", closeOnEscape);

  return {
    node: make("div", { class: "codex-head" }, bar, naming, stored),
    /** @param {MetaMessage} meta */
    showMeta(meta) {
      thread.fill(meta.threads, meta.thread);
      thread.select.title = meta.thread_id ? `Thread ${meta.thread_id}` : "Thread: starts with the first prompt.";
      demo.hidden = !meta.demo;
      // The kernel refuses these actions, too.
      thread.select.disabled = meta.locked;
      for (const node of actions) node.hidden = meta.locked;
    },
    /** @param {StoredThread[]} threads */
    showStored(threads) {
      const rows = threads.map(({ id, title, at, turns }) =>
        make(
          "button",
          { type: "button", title: `Continue thread ${id}`, onclick: () => resume(id) },
          make("span", { dir: "auto" }, title || "(no prompt)"),
          make("small", {}, `${countTurns(turns)} · ${formatTime(at)}`),
        ),
      );
      stored.replaceChildren(...(rows.length ? rows : ["There are no threads in this folder yet."]).map((row) => make("li", {}, row)));
      if (!stored.hidden) stored.querySelector("button")?.focus();
    },
  };
}

/**
 * @param {string} action
 * @param {string} title
 * @param {() => void} onClick
 */
function actionButton(action, title, onClick) {
  const label = `${action.slice(0, 1).toUpperCase()}${action.slice(1)}`;
  return button(action, label, title, onClick, { "aria-label": `${action} thread`, class: "codex-flat" });
}

/**
 * Return a name that no thread has.
 *
 * @param {MetaMessage} meta
 * @param {string} stem
 */
function freeName(meta, stem) {
  let number = 2;
  while (meta.threads.includes(`${stem}_${number}`)) number += 1;
  return `${stem}_${number}`;
}
