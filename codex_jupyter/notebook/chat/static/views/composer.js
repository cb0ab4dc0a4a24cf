// Where a prompt is written: the text, the settings, and the buttons.

/** @import { Mention, MetaMessage, Plot, TurnState } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */
/** @import { Command } from "./commands.js" */

import { button, make, setText } from "../dom.js";
import { createAttachments } from "./attachments.js";
import { createTextField } from "./chips.js";
import { parseCommand, runCommand } from "./commands.js";
import { createEditing } from "./editing.js";
import { createMentions } from "./mentions.js";
import { createMeter } from "./meter.js";
import { createPromptHistory } from "./prompt_history.js";
import { createSettings } from "./settings.js";
import { createStop } from "./stop.js";

const DRAFT_DELAY_MS = 400;

/**
 * Show what the button does with the text.
 *
 * @param {HTMLButtonElement} sendButton
 * @param {MetaMessage} meta
 */
function showLabel(sendButton, meta) {
  const label = meta.running ? "Queue" : "Send";
  setText(sendButton.lastChild, label);
  sendButton.title = label;
  sendButton.setAttribute("aria-label", label);
}

/** @param {ChatContext} chat */
export function createComposer(chat) {
  const { connection, uid } = chat;
  const { model, state } = connection;
  const input = make("textarea", {
    class: "codex-input",
    rows: "2",
    dir: "auto",
    "aria-label": "Message to Codex",
    "aria-autocomplete": "list",
    "aria-controls": `${uid}-offers`,
  });
  input.value = model.get("draft") ?? "";
  const field = createTextField(input);
  const mentions = createMentions(chat, input, onChange, (command) => {
    input.value = "";
    onChange();
    command.run("");
  });
  const meter = createMeter();
  /** @type {Command[]} */
  let commands = [];
  const editing = createEditing(() => edit(null));
  const history = createPromptHistory(state, input);
  const stop = createStop(chat);
  const attachments = createAttachments(chat, () => input.focus());
  const sendButton = button("send", "Send", "Send", () => submit(), { class: "codex-send" });
  const stopButton = button("stop", "Stop", "Stop the turn", () => stop(), { class: "codex-stop", hidden: true });
  const steerAttributes = { class: "codex-steer", hidden: true };
  const steerButton = button("steer", "Steer", "Steer: add this to the running turn", () => steer(), steerAttributes);
  const settings = createSettings(connection);
  const node = make(
    "div",
    { class: "codex-compose" },
    editing.node,
    attachments.plots,
    attachments.attached,
    field.node,
    mentions.node,
    make(
      "div",
      { class: "codex-actions" },
      ...attachments.buttons,
      settings.node,
      make("span", { class: "codex-space" }),
      meter.node,
      stopButton,
      steerButton,
      sendButton,
    ),
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let drafting;

  function saveDraft() {
    clearTimeout(drafting);
    drafting = setTimeout(() => {
      model.set("draft", input.value);
      model.save_changes();
    }, DRAFT_DELAY_MS);
  }

  function onChange() {
    field.show();
    saveDraft();
  }

  /** @param {string} text */
  function set(text) {
    input.value = text;
    input.focus();
    input.setSelectionRange(text.length, text.length);
    onChange();
  }

  /** @param {TurnState | null} turn */
  function edit(turn) {
    editing.show(turn);
    set(turn?.prompt ?? "");
  }

  async function submit() {
    const text = input.value;
    const command = parseCommand(text);
    if (state.ended || (!text.trim() && !state.meta?.attached.length)) return;
    if (command) {
      if (commands.some(({ name }) => name === command.name)) set("");
      runCommand(commands, command, chat.notify);
      return;
    }
    input.value = "";
    history.leave();
    for (const view of connection.views) view.followEnd();
    chat.notify("");
    onChange();
    const again = editing.take();
    const error = await connection.send(again ? { do: "again", turn: again.id, text } : { do: "send", text });
    if (error && !input.value) set(text);
  }

  async function steer() {
    const text = input.value;
    if (!text.trim()) return;
    input.value = "";
    onChange();
    if ((await connection.send({ do: "steer", text })) && !input.value) set(text);
  }

  input.addEventListener("keydown", (event) => {
    // Safari ends the composition before the Enter that does so.
    if (event.isComposing || event.keyCode === 229) return;
    const send = event.key === "Enter" && !event.shiftKey;
    if (mentions.onKey(event.key) || (!send && history.onKey(event.key))) event.preventDefault();
    else if (send) {
      event.preventDefault();
      submit();
    }
  });
  input.addEventListener("input", () => {
    onChange();
    mentions.request();
  });
  input.addEventListener("blur", () => mentions.hide());

  field.show();
  return {
    node,
    set,
    stop,
    edit,
    /** @param {Command[]} all */
    setCommands(all) {
      commands = all;
      mentions.setCommands(all);
    },
    showUsage: () => state.meta && meter.show(state.meta.usage),
    focus: () => input.focus(),
    /**
     * Put a text before the one that is being written.
     *
     * @param {string} text
     */
    prepend: (text) => set([text, input.value].filter(Boolean).join("\n\n")),
    /** @param {MetaMessage | null} meta */
    showMeta(meta) {
      input.disabled = sendButton.disabled = state.ended;
      stopButton.hidden = !meta?.running || state.ended;
      steerButton.hidden = !meta?.can_steer || state.ended;
      if (!meta) return;
      settings.showMeta(meta);
      input.placeholder = meta.problem || `Ask Codex…  ${meta.variables ? "@ mentions files, plots and variables. " : ""}/ lists commands.`;
      meter.show(meta.usage);
      showLabel(sendButton, meta);
      attachments.showMeta(meta);
    },
    /** @param {Plot[]} plots */
    showPlots: (plots) => attachments.showPlots(plots),
    /** @param {Mention[]} offers */
    showMentions: (offers) => mentions.show(offers),
  };
}
