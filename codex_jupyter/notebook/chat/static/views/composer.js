// Where a prompt is written: the text, the settings, and the buttons.

/** @import { Mention, MetaMessage, Plot } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, make, setText } from "../dom.js";
import { createAttachments } from "./attachments.js";
import { createChooser } from "./chooser.js";
import { createMentions } from "./mentions.js";
import { createPromptHistory } from "./prompt_history.js";

const DRAFT_DELAY_MS = 400;
const STOP_AGAIN_MS = 10_000;
const UNREACHABLE = "The kernel is busy, and this front end cannot reach it. Press Stop again to interrupt the running cell, too.";

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
  const mentions = createMentions(chat, input, saveDraft);
  const history = createPromptHistory(state, input);
  const attachments = createAttachments(chat, () => input.focus());
  const sendButton = button("send", "Send", "Send", () => submit(), { class: "codex-send" });
  const stopButton = button("stop", "Stop", "Stop the turn", () => stop(), { class: "codex-stop", hidden: true });
  const steerButton = button("steer", "Steer", "Steer: add this to the running turn", () => steer(), { hidden: true });
  const choosers = ["Model", "Effort", "Sandbox"].map((label) => ({
    trait: label.toLowerCase(),
    ...createChooser(connection, label, label.toLowerCase()),
  }));
  const node = make(
    "div",
    { class: "codex-compose" },
    attachments.plots,
    attachments.attached,
    input,
    mentions.node,
    make(
      "div",
      { class: "codex-actions" },
      ...attachments.buttons,
      make("div", { class: "codex-settings", role: "group", "aria-label": "Settings" }, ...choosers.map(({ select }) => select)),
      make("span", { class: "codex-space" }),
      stopButton,
      steerButton,
      sendButton,
    ),
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let drafting;
  let stopPressedAt = 0;

  function saveDraft() {
    clearTimeout(drafting);
    drafting = setTimeout(() => {
      model.set("draft", input.value);
      model.save_changes();
    }, DRAFT_DELAY_MS);
  }

  /** @param {string} text */
  function set(text) {
    input.value = text;
    input.focus();
    input.setSelectionRange(text.length, text.length);
    saveDraft();
  }

  async function submit() {
    const text = input.value;
    if (state.ended || (!text.trim() && !state.meta?.attached.length)) return;
    input.value = "";
    history.leave();
    for (const view of connection.views) view.followEnd();
    chat.notify("");
    saveDraft();
    const error = await connection.send({ do: "send", text });
    if (error && !input.value) set(text);
  }

  async function steer() {
    const text = input.value;
    if (!text.trim()) return;
    input.value = "";
    saveDraft();
    if (!(await connection.send({ do: "steer", text }))) chat.notify(`Added to the running turn: ${text}`, true);
    else if (!input.value) set(text);
  }

  async function stop() {
    const kernel = model.widget_manager?.kernel;
    const sent = connection.send({ do: "stop" });
    if (!(await connection.control) && kernel?.status === "busy") {
      // Without a comm on a subshell, only an interrupt reaches a busy kernel. It also interrupts the running cell.
      if (state.meta?.cell_waits || Date.now() - stopPressedAt < STOP_AGAIN_MS) kernel.interrupt();
      else chat.notify(UNREACHABLE, true);
      stopPressedAt = Date.now();
    }
    return sent;
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
    saveDraft();
    mentions.request();
  });
  input.addEventListener("blur", () => mentions.hide());

  return {
    node,
    set,
    stop,
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
      for (const chooser of choosers) showSetting(chooser, meta);
      input.placeholder = `Ask Codex…  ${meta.variables ? "@ mentions plots and variables, " : ""}Shift+Enter makes a new line`;
      const label = meta.running ? "Queue" : "Send";
      setText(sendButton.lastChild, label);
      sendButton.title = label;
      sendButton.setAttribute("aria-label", label);
      attachments.showMeta(meta);
    },
    /** @param {Plot[]} plots */
    showPlots: (plots) => attachments.showPlots(plots),
    /** @param {Mention[]} offers */
    showMentions: (offers) => mentions.show(offers),
  };
}

/**
 * @param {{ trait: string } & ReturnType<typeof createChooser>} chooser
 * @param {MetaMessage} meta
 */
function showSetting({ trait, select, fill }, meta) {
  const values = meta.choices[trait] ?? [];
  const chosen = meta.settings[trait] ?? "";
  fill(values, chosen, `default ${trait}`);
  select.disabled = meta.bounded.includes(trait) && values.every((value) => value === chosen);
}
