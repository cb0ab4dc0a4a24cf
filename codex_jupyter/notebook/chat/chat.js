// The page's side of the chat. HTML is inserted only where the kernel's renderer made it, and only as it comes over the live connection;
// everything else is text. Nothing is asked of the kernel but what the user asks for.

const CHUNK = 2 * 1024 * 1024;
const MAX_UPLOAD = 20 * 1024 * 1024;
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const NEAR_END = 60;
const PATIENCE = 3000;
const TURNS = "application/vnd.codex.turns+json";

export default () => {
  const store = newStore();
  return {
    initialize({ model }) {
      return connect(model, store);
    },
    render({ model, el }) {
      return view(model, el, store);
    },
  };
};

function newStore() {
  return {
    turns: [], start: 0, meta: null, metaAt: 0, secret: "", sequence: 0, views: new Set(), waiting: new Map(), next: 1, control: null, gone: false,
  };
}

// The connection.

function connect(model, store) {
  const kernel = model.widget_manager?.kernel;
  const status = (_, now) => {
    if (!["restarting", "autorestarting", "terminating", "dead"].includes(now)) return;
    store.gone = true;
    each(store, (view) => view.meta());
  };
  model.on("msg:custom", (message) => receive(model, store, message));
  kernel?.statusChanged?.connect(status);
  const opening = openControl(model, store).catch(() => null);
  // Where subshells are switched off, JupyterLab promises one for ever.
  store.control = Promise.race([opening, new Promise((resolve) => setTimeout(resolve, PATIENCE, null))]);
  opening.then((control) => { if (control) store.control = opening; });
  model.send({ do: "sync" });
  // While a cell runs, only this arrives.
  opening.then((control) => { if (control && !store.secret) sync(model, store); });
  return () => {
    kernel?.statusChanged?.disconnect(status);
    opening.then((control) => control?.close());
  };
}

async function openControl(model, store) {
  // A comm of our own on a subshell: the kernel hears it while a cell runs. Not every front end and kernel has them.
  const kernel = model.widget_manager?.kernel;
  if (!kernel?.createComm || !kernel.supportsSubshells) return null;
  const comm = kernel.createComm("codex_jupyter.chat");
  if (!comm.subshellStarted) return null;
  await comm.subshellStarted;
  comm.onClose = () => { store.control = Promise.resolve(null); };
  comm.open({ chat: model.get("_key") });
  return comm;
}

async function post(model, store, message, buffers) {
  const control = await store.control;
  if (control && !control.isDisposed) control.send({ ...message, chat: model.get("_key") }, undefined, buffers);
  else model.send(message, undefined, buffers);
}

const sync = (model, store) => post(model, store, { do: "sync" });

function ask(model, store, action, buffers = []) {
  const id = store.next++;
  const late = setTimeout(() => each(store, (view) => view.say("The kernel is busy: this is done when the running cell has ended.")), PATIENCE);
  return new Promise((resolve) => {
    store.waiting.set(id, (error) => { clearTimeout(late); resolve(error); });
    post(model, store, { ...action, id, secret: store.secret }, buffers);
  });
}

function receive(model, store, message) {
  if (message.type !== "state" && message.sequence !== store.sequence + 1) {
    // Something was lost, or this page has just come: what follows makes sense on top of the whole state only.
    store.sequence = message.sequence;
    if (message.type !== "done" && message.type !== "meta") sync(model, store);
    if (message.type === "blocks" || message.type === "turn" || message.type === "end") return;
  }
  store.sequence = message.sequence;
  const turn = store.turns.find((one) => one.id === message.turn);
  switch (message.type) {
    case "state":
      Object.assign(store, { turns: message.turns, start: message.start, secret: message.secret, gone: false });
      each(store, (view) => view.reset());
      break;
    case "earlier":
      if (message.start >= store.start) break;
      store.turns.unshift(...message.turns);
      store.start = message.start;
      each(store, (view) => view.prepend(message.turns));
      break;
    case "meta":
      Object.assign(store, { meta: message, metaAt: Date.now() });
      each(store, (view) => view.meta());
      break;
    case "turn":
      store.turns.push({ id: message.id, prompt: message.prompt, at: message.at, status: "in_progress", blocks: [] });
      each(store, (view) => view.append(store.turns.at(-1)));
      break;
    case "blocks":
      if (!turn) break;
      for (const change of message.blocks) merge(turn, change);
      each(store, (view) => view.update(turn, message.blocks));
      break;
    case "end":
      if (!turn) break;
      Object.assign(turn, { status: message.status, took: message.took });
      each(store, (view) => view.end(turn));
      setTimeout(() => keepSaved(model, store, message.copy), 1000);
      break;
    case "copy":
      replaceSaved(model, store, message.bundle);
      break;
    case "done":
      store.waiting.get(message.id)?.(message.error);
      store.waiting.delete(message.id);
      if (message.error) each(store, (view) => view.say(message.error));
      break;
    default:
      each(store, (view) => view[message.type]?.(message));
  }
}

// The copy for the saved notebook is an output that the kernel updates. After the page was reloaded, JupyterLab ignores such updates.

function findSaved(model) {
  for (const cell of model.widget_manager?.context?.model?.sharedModel?.cells ?? []) {
    const outputs = cell.toJSON().outputs ?? [];
    const at = outputs.findIndex((output) => output.data?.[TURNS] && JSON.stringify(output.data["text/html"] ?? "").includes(model.get("_mark")));
    if (at >= 0) return { cell, at, output: outputs[at] };
  }
  return null;
}

function keepSaved(model, store, copy) {
  const found = findSaved(model);
  if (found && found.output.data[TURNS].copy !== copy) ask(model, store, { do: "copy" });
}

function replaceSaved(model, store, bundle) {
  const found = findSaved(model);
  found?.cell.updateOutputs?.(found.at, found.at + 1, [{ ...found.output, data: bundle }]);
}

function each(store, act) {
  for (const view of store.views) act(view);
}

function merge(turn, change) {
  const known = turn.blocks.find((block) => block.block === change.block);
  if (!known) turn.blocks.push(change.append === undefined ? change : { ...change, text: change.append, append: undefined });
  else if (change.append !== undefined) known.text = (known.text ?? "") + change.append;
  else Object.assign(known, { html: undefined, text: undefined, source: undefined }, change);
}

// The view.

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

const button = (label, title, act, attributes = {}) =>
  make("button", { type: "button", title, "aria-label": title, onclick: act, ...attributes }, label);

function view(model, el, store) {
  const send = (action, buffers) => ask(model, store, action, buffers);
  const uid = `codex-${Math.random().toString(36).slice(2)}`;
  const log = make("div", { class: "codex-log", role: "log", "aria-label": "Conversation with Codex", tabindex: "0" });
  const jump = button("↓ newest", "Go to the newest message", () => toEnd(true), { class: "codex-jump", hidden: true });
  const notice = make("div", { class: "codex-notice", role: "alert", hidden: true });
  const queue = make("ul", { class: "codex-queue", "aria-label": "Waiting prompts" });
  const attached = make("div", { class: "codex-attached", role: "group", "aria-label": "Attached pictures" });
  const plots = make("div", { class: "codex-plots", hidden: true, role: "group", "aria-label": "Plots of the notebook" });
  const stored = make("ul", { class: "codex-stored", hidden: true, "aria-label": "Earlier threads" });
  const offers = make("ul", { class: "codex-offers", id: `${uid}-offers`, role: "listbox", "aria-label": "Pictures to mention", hidden: true });
  const input = make("textarea", {
    class: "codex-input", rows: "2", dir: "auto", "aria-label": "Message to Codex", "aria-autocomplete": "list", "aria-controls": `${uid}-offers`,
    placeholder: "Ask Codex… (Enter sends, Shift+Enter makes a new line, @ names a picture)",
  });
  const file = make("input", { type: "file", accept: PICTURES.join(","), multiple: true, hidden: true, "aria-label": "Picture files" });
  const sendButton = button("Send", "Send", () => submit(), { class: "codex-send" });
  const stopButton = button("Stop", "Stop the turn", () => stop(), { class: "codex-stop", hidden: true });
  const state = make("span", { class: "codex-state", role: "status" });
  const clock = make("span", { class: "codex-state", "aria-hidden": "true" });
  const choosers = {
    thread: chooser("Thread", "thread"), model: chooser("Model", "model"),
    effort: chooser("Effort", "effort"), sandbox: chooser("Sandbox", "sandbox"),
  };
  const steerButton = button("Steer", "Add this to the running turn", () => steer(), { hidden: true });
  const asks = make("section", { class: "codex-asks", role: "alertdialog", "aria-labelledby": `${uid}-asks`, tabindex: "-1", hidden: true });
  const name = make("input", { class: "codex-name", type: "text", "aria-label": "Name of the thread", hidden: true });
  const threads = Object.entries({
    new: "Begin a new thread", rename: "Rename the thread", fork: "Begin a thread with the history of this one", resume: "Go on with an earlier thread",
  }).map(([how, title]) => button(how, title, () => manage(how), { "aria-label": `${how} thread` }));
  const bar = make(
    "div", { class: "codex-bar", role: "group", "aria-label": "Thread and settings" },
    choosers.thread.label, ...threads, name, make("span", { class: "codex-space" }),
    choosers.model.label, choosers.effort.label, choosers.sandbox.label,
  );
  const root = make(
    "section", { class: "codex-chat", "aria-label": "Codex chat" },
    make("style", {}, `.${CSS.escape(model.get("_mark"))} { display: none; }`), bar, stored,
    make("div", { class: "codex-scroll" }, log, jump), asks, notice, queue, attached, plots,
    make("div", { class: "codex-compose" }, input, offers),
    make(
      "div", { class: "codex-actions" },
      button("Attach", "Attach picture files", () => file.click()), button("Plots", "Attach a plot of the notebook", showPlots), file,
      state, clock, make("span", { class: "codex-space" }), stopButton, steerButton, sendButton,
    ),
  );
  el.append(root);

  let follows = true, ticket = 0, recalled = -1, picked = 0, offered = [], kept = "", impatient = 0;
  const nodes = new Map();

  const toEnd = (always) => {
    if (always) follows = true;
    if (follows) log.scrollTop = log.scrollHeight;
    jump.hidden = follows;
  };
  log.addEventListener("scroll", () => {
    follows = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
    jump.hidden = follows;
    if (log.scrollTop < NEAR_END && store.start > 0 && ticket !== store.start) {
      ticket = store.start;
      send({ do: "earlier", before: store.start });
    }
  });

  // Turns.

  function turnNode(turn) {
    const facts = make("details", { class: "codex-facts" }, make("summary", {}));
    const items = make("div", { class: "codex-items" });
    const asked = make("div", { class: "codex-prompt", dir: "auto" }, turn.prompt);
    const node = make(
      "article", { class: "codex-turn", "aria-label": "Turn" },
      make("div", { class: "codex-asked" }, asked, button("copy", "Copy the prompt", (event) => copy(turn.prompt, event.target))),
      items, facts,
    );
    nodes.set(turn.id, { node, items, facts, blocks: new Map() });
    for (const block of turn.blocks) setBlock(turn, block);
    endTurn(turn);
    return node;
  }

  function setBlock(turn, block) {
    const known = nodes.get(turn.id);
    let node = known.blocks.get(block.block);
    if (!node) {
      node = make("div", { class: `codex-block codex-${block.kind}`, dir: "auto" });
      known.blocks.set(block.block, node);
      if (block.kind === "head" || block.kind === "foot") known.facts.append(node);
      else known.items.append(node);
    }
    if (block.append !== undefined) {
      (node.querySelector(":scope > .codex-growing") ?? node).append(block.append);
      return;
    }
    if (block.html !== undefined) node.innerHTML = block.html;
    else node.replaceChildren();
    // Ended blocks of past turns come without a text; so do those that never grew.
    if (block.text !== undefined) node.append(make("div", { class: `codex-growing${block.html === undefined ? " codex-open" : ""}` }, block.text));
    else if (block.kind === "agent_message") addButtons(node, block.source ?? node.textContent);
  }

  function addButtons(node, source) {
    for (const code of node.querySelectorAll("pre")) {
      const text = code.textContent;
      const tools = make(
        "div", { class: "codex-tools" },
        button("copy", "Copy the code", (event) => copy(text, event.target)),
        button("insert", "Insert the code into a new cell", (event) => insertCell(text, event.target)),
      );
      code.before(tools);
    }
    node.prepend(make("div", { class: "codex-tools" }, button("copy", "Copy the message", (event) => copy(source, event.target))));
  }

  function endTurn(turn) {
    const { node, facts } = nodes.get(turn.id);
    node.dataset.status = turn.status;
    const word = { in_progress: "working…", interrupted: "stopped", timed_out: "timed out", failed: "failed" }[turn.status];
    facts.firstChild.textContent = [moment(turn.at), turn.took, word].filter(Boolean).join(" · ") || "details";
    if (turn.status === "failed" || turn.status === "timed_out") facts.open = true;
    node.setAttribute("aria-busy", String(turn.status === "in_progress"));
  }

  function moment(seconds) {
    if (!seconds) return "";
    const when = new Date(seconds * 1000);
    const today = when.toDateString() === new Date().toDateString();
    return today ? when.toLocaleTimeString() : when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }

  async function copy(text, from) {
    try {
      await navigator.clipboard.writeText(text);
      flash(from, "copied");
    } catch {
      say("The browser does not let the page copy; select the text instead.");
    }
  }

  function flash(node, text) {
    node.dataset.label ??= node.textContent;
    node.textContent = text;
    setTimeout(() => (node.textContent = node.dataset.label), 1200);
  }

  function insertCell(text, from) {
    const notebook = model.widget_manager?.context?.model?.sharedModel;
    if (!notebook?.insertCell) return copy(text, from);
    const shows = (cell) => JSON.stringify(cell.toJSON().outputs ?? []).includes(store.meta?.id ?? "\0");
    let mine = notebook.cells.findIndex(shows);
    if (mine < 0) {
      // Inside another widget, the cell's output names that one.
      const cell = root.closest("[data-windowed-list-index]") ?? root.closest(".jp-Cell");
      mine = Number(cell?.dataset.windowedListIndex ?? [...(cell?.parentElement?.children ?? [])].indexOf(cell));
    }
    const at = (mine < 0 ? notebook.cells.length - 1 : mine) + 1;
    notebook.insertCell(at, { cell_type: "code", source: text.replace(/\n$/, ""), metadata: {} });
    flash(from, "inserted");
  }

  // What stands around the conversation.

  function chooser(label, trait) {
    const select = make("select", { "aria-label": label, onchange: () => send({ do: "choose", trait, value: select.value }) });
    return { select, label: make("label", {}, make("span", {}, label), select) };
  }

  function fill({ select }, values, chosen, empty) {
    const all = [...new Set([...(empty ? [""] : []), ...values, chosen].filter((value) => value || empty))];
    // A list that is open must not change under the user's hand.
    const same = select.options.length === all.length && all.every((value, at) => select.options[at].value === value);
    if (!same) select.replaceChildren(...all.map((value) => make("option", { value }, value || empty)));
    if (select.value !== chosen) select.value = chosen;
  }

  function showMeta() {
    const meta = store.meta;
    root.classList.toggle("codex-gone", store.gone);
    input.disabled = sendButton.disabled = store.gone;
    if (store.gone) say("The kernel has ended: run this cell again to go on.", true);
    if (!meta) return;
    fill(choosers.thread, meta.threads, meta.thread);
    fill(choosers.model, meta.choices.model, meta.settings.model, "default");
    fill(choosers.effort, meta.choices.effort, meta.settings.effort, "default");
    fill(choosers.sandbox, meta.choices.sandbox, meta.settings.sandbox, "default");
    choosers.thread.select.title = meta.thread_id || "The first prompt begins the thread.";
    choosers.sandbox.label.dataset.value = meta.settings.sandbox;
    stopButton.hidden = !meta.running || store.gone;
    steerButton.hidden = !meta.steers || store.gone;
    setText(sendButton, meta.running ? "Queue" : "Send");
    sendButton.setAttribute("aria-label", sendButton.textContent);
    setText(state, [meta.running ? "Codex is working…" : "", meta.demo ? "demo: a script answers" : ""].filter(Boolean).join(" · "));
    tick();
    if (changed("queue", meta.queue, meta.running)) showQueue(meta);
    if (changed("attached", meta.attached)) showAttached(meta);
  }

  const shown = {};
  function changed(what, ...values) {
    const now = JSON.stringify(values);
    return now !== shown[what] && ((shown[what] = now), true);
  }

  const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

  function tick() {
    const { meta } = store;
    setText(clock, meta?.running && !store.gone ? `${Math.round(meta.seconds + (Date.now() - store.metaAt) / 1000)} s` : "");
  }

  function showQueue(meta) {
    queue.replaceChildren(...meta.queue.map(({ item, text, pictures }) => make(
      "li", {}, make("span", { dir: "auto" }, text), ...pictures.map(({ url, caption }) => picture(url, caption)),
      button("edit", "Edit this prompt", () => { send({ do: "unqueue", item, edit: true }); setInput([text, input.value].filter(Boolean).join("\n\n")); }),
      button("×", "Remove this prompt", () => send({ do: "unqueue", item })),
    )));
    if (meta.queue.length && !meta.running) queue.append(make("li", {}, button("send next", "Send the next prompt", () => send({ do: "next" }))));
  }

  function showAttached(meta) {
    attached.replaceChildren(...meta.attached.map(({ item, url, caption }) => make(
      "figure", {}, picture(url, caption), make("figcaption", {}, caption), button("×", `Remove ${caption}`, () => send({ do: "detach", item })),
    )));
  }

  const picture = (url, caption) => make("img", { src: url.startsWith("data:image/") ? url : "", alt: caption });

  function manage(how) {
    if (how === "resume") {
      stored.hidden = !stored.hidden;
      if (!stored.hidden) send({ do: "stored" });
      return;
    }
    name.hidden = false;
    name.dataset.how = how;
    name.placeholder = `${how}: name, then Enter`;
    name.value = how === "rename" ? store.meta.thread : freeName(how === "fork" ? `${store.meta.thread}_fork` : "thread");
    name.focus();
    name.select();
  }

  function freeName(stem) {
    const taken = new Set(store.meta.threads);
    for (let number = 2; ; number += 1) if (!taken.has(`${stem}_${number}`)) return `${stem}_${number}`;
  }

  name.addEventListener("keydown", async (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") { name.hidden = true; input.focus(); }
    if (event.key !== "Enter") return;
    if (await send({ do: "thread", how: name.dataset.how, name: name.value.trim() })) return;
    name.hidden = true;
    input.focus();
  });

  function say(text, stays = false) {
    setText(notice, text);
    notice.hidden = !text;
    clearTimeout(say.timer);
    if (!stays) say.timer = setTimeout(() => (notice.hidden = true), 10_000);
  }

  // Input.

  function setInput(text) {
    input.value = text;
    input.focus();
    keepDraft();
  }

  function keepDraft() {
    clearTimeout(keepDraft.timer);
    keepDraft.timer = setTimeout(() => {
      model.set("draft", input.value);
      model.save_changes();
    }, 400);
  }

  async function submit() {
    const text = input.value;
    if (store.gone || (!text.trim() && !store.meta?.attached.length)) return;
    input.value = "";
    recalled = -1;
    follows = true;
    keepDraft();
    const error = await send({ do: "send", text });
    if (error && !input.value) setInput(text);
  }

  async function steer() {
    const text = input.value;
    if (!text.trim()) return;
    input.value = "";
    keepDraft();
    if (!(await send({ do: "steer", text }))) say(`Added to the running turn: ${text}`);
    else if (!input.value) setInput(text);
  }

  async function stop() {
    const kernel = model.widget_manager?.kernel;
    const told = send({ do: "stop" });
    if (!(await store.control) && kernel?.status === "busy") {
      // Without a way around the running cell, only an interrupt reaches the kernel. It ends that cell, too.
      if (store.meta?.blocks || Date.now() - impatient < 10_000) kernel.interrupt();
      else say("The kernel is busy, and this front end has no way around it: press Stop again to interrupt the running cell, too.");
      impatient = Date.now();
    }
    return told;
  }

  const prompts = () => store.turns.map((turn) => turn.prompt).filter((text, at, all) => text && text !== all[at - 1]);

  function recall(step) {
    const all = prompts();
    if (recalled < 0) kept = input.value;
    recalled = Math.max(-1, Math.min(recalled + step, all.length - 1));
    input.value = recalled < 0 ? kept : all.at(-1 - recalled);
    const at = step > 0 ? 0 : input.value.length;
    input.setSelectionRange(at, at);
  }

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (!offers.hidden && offered.length) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        picked = (picked + (event.key === "ArrowDown" ? 1 : offered.length - 1)) % offered.length;
        return showOffers();
      }
      if (event.key === "Enter" || event.key === "Tab") {
        event.preventDefault();
        return takeOffer(offered[picked]);
      }
      if (event.key === "Escape") return void hideOffers();
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && store.meta?.running) {
      stop();
    } else if (event.key === "ArrowUp" && input.selectionStart === 0 && input.selectionEnd === 0 && prompts().length) {
      event.preventDefault();
      recall(1);
    } else if (event.key === "ArrowDown" && recalled >= 0 && input.selectionEnd === input.value.length) {
      event.preventDefault();
      recall(-1);
    }
  });
  // What is typed here is no command of the notebook; its shortcuts with Ctrl or Cmd, such as saving, are, but for those that run cells.
  root.addEventListener("keydown", (event) => {
    if ((!event.ctrlKey && !event.metaKey) || event.key === "Enter") event.stopPropagation();
  });
  input.addEventListener("input", () => {
    keepDraft();
    if (mention() === null) hideOffers();
    else send({ do: "offers" });
  });
  input.addEventListener("blur", () => hideOffers());

  const mention = () => input.value.slice(0, input.selectionStart).match(/(?:^|\s)@([\w:-]*)$/)?.[1] ?? null;

  function showOffers() {
    offers.replaceChildren(...offered.map((offer, index) => make(
      "li", {
        id: `${uid}-offer-${index}`, role: "option", "aria-selected": String(index === picked),
        onmousedown: (event) => { event.preventDefault(); takeOffer(offer); },
      },
      `@${offer}`,
    )));
    offers.hidden = !offered.length;
    if (offered.length) input.setAttribute("aria-activedescendant", `${uid}-offer-${picked}`);
    else input.removeAttribute("aria-activedescendant");
  }

  function hideOffers() {
    offered = [];
    showOffers();
  }

  function takeOffer(offer) {
    const at = input.selectionStart;
    const before = input.value.slice(0, at).replace(/@[\w:-]*$/, `@${offer} `);
    input.value = before + input.value.slice(at);
    input.setSelectionRange(before.length, before.length);
    hideOffers();
    keepDraft();
  }

  // Pictures.

  async function upload(files) {
    for (const one of files) {
      if (!PICTURES.includes(one.type)) say(`${one.name || "This"} is no PNG, JPEG, GIF or WebP picture.`);
      else if (one.size > MAX_UPLOAD) say(`${one.name} is too large: at most ${MAX_UPLOAD / 1024 / 1024} MiB can be attached.`);
      else {
        const data = await one.arrayBuffer();
        const item = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
        // In pieces: the server closes the connection of whoever sends more than 10 MiB at once.
        for (let at = 0; at === 0 || at < data.byteLength; at += CHUNK) {
          const last = at + CHUNK >= data.byteLength;
          if (await send({ do: "upload", item, name: one.name || "pasted picture", last }, [data.slice(at, at + CHUNK)])) break;
        }
      }
    }
  }
  file.addEventListener("change", () => { upload([...file.files]); file.value = ""; });
  root.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    event.stopPropagation();
    if (files.length) { event.preventDefault(); upload(files); }
  });
  for (const kind of ["dragenter", "dragover", "drop"]) {
    root.addEventListener(kind, (event) => {
      event.preventDefault();
      event.stopPropagation();
      root.classList.toggle("codex-drop", kind !== "drop");
      if (kind === "drop") upload([...event.dataTransfer.files]);
    });
  }
  root.addEventListener("dragleave", (event) => { if (!root.contains(event.relatedTarget)) root.classList.remove("codex-drop"); });

  function showPlots() {
    plots.hidden = !plots.hidden;
    if (!plots.hidden) send({ do: "plots" });
  }

  // What the agent asks.

  function showQuestion({ number, question }) {
    asks.hidden = !question;
    asks.replaceChildren();
    if (!question) return;
    const fields = question.questions.map(({ id, text, options, secret }, at) => {
      const list = make("datalist", { id: `${uid}-answers-${at}` }, ...options.map((value) => make("option", { value })));
      const field = make("input", { class: "codex-name", type: secret ? "password" : "text", list: list.id, autocomplete: "off" });
      return { id, field, label: make("label", {}, make("span", { dir: "auto" }, text), field, list) };
    });
    const answer = (content) => {
      // One answer: a second click must not reach the next question.
      for (const one of asks.querySelectorAll("button")) one.disabled = true;
      send({ do: "answer", number, ...content });
    };
    const give = () => answer({ answers: Object.fromEntries(fields.map(({ id, field }) => [id, field.value])) });
    asks.append(
      make("strong", { id: `${uid}-asks`, dir: "auto" }, question.title),
      ...question.facts.map(({ name: what, text }) => make(
        "div", { class: "codex-fact" }, make("span", {}, what), make("pre", { tabindex: text.length > 400 ? "0" : undefined }, ...lines(what, text)),
      )),
      ...fields.map(({ label }) => label),
      make("div", { class: "codex-choices" },
        ...(fields.length ? [button("answer", "Give these answers", give)] : []),
        ...question.choices.map(({ choice, meaning }) => button(choice.replaceAll("_", " "), meaning, () => answer({ choice }))),
      ),
    );
    // Nothing that is being typed may answer: the card gets the focus, none of its buttons, and only from an empty box.
    if (fields.length) fields[0].field.focus();
    else if (!input.value && root.contains(document.activeElement)) asks.focus();
  }

  function lines(what, text) {
    if (what !== "patch") return [text];
    return text.split("\n").map((line) => make("span", { class: { "+": "codex-added", "-": "codex-removed" }[line[0]] ?? "" }, `${line}\n`));
  }

  const self = {
    question(message) {
      store.question = message;
      showQuestion(message);
    },
    reset() {
      nodes.clear();
      ticket = 0;
      log.replaceChildren(...store.turns.map(turnNode));
      if (!store.gone) say("");
      showMeta();
      if (store.question) showQuestion(store.question);
      requestAnimationFrame(() => toEnd(true));
    },
    prepend(turns) {
      const before = log.scrollHeight - log.scrollTop;
      log.prepend(...turns.map(turnNode));
      log.scrollTop = log.scrollHeight - before;
    },
    append(turn) {
      log.append(turnNode(turn));
      toEnd();
    },
    update(turn, changes) {
      for (const change of changes) setBlock(turn, change);
      toEnd();
    },
    end(turn) {
      endTurn(turn);
      toEnd();
    },
    meta: showMeta,
    say,
    plots({ plots: found }) {
      plots.replaceChildren(...found.map(({ spec, url, caption }) => make(
        "button", { type: "button", title: `Attach ${caption}`, onclick: () => { send({ do: "attach", spec }); plots.hidden = true; } },
        picture(url, caption),
      )));
      if (!found.length) plots.replaceChildren(make("span", {}, "The notebook has shown no plot yet."));
    },
    stored({ threads: found }) {
      stored.replaceChildren(...found.map(({ id, title, at, turns }) => make("li", {}, button(
        `${title || "(no prompt)"} · ${turns} turn${turns === 1 ? "" : "s"} · ${moment(at)}`, `Go on with thread ${id}`,
        async () => { stored.hidden = true; await send({ do: "thread", how: "resume", name: id }); input.focus(); },
        { "aria-label": undefined },
      ))));
      if (!found.length) stored.replaceChildren(make("li", {}, "No thread was begun in this folder yet."));
      stored.querySelector("button")?.focus();
    },
    offers({ offers: all }) {
      const word = mention();
      offered = word === null ? [] : all.filter((offer) => offer.startsWith(word)).slice(0, 8);
      picked = 0;
      showOffers();
    },
  };
  stored.addEventListener("keydown", (event) => { if (event.key === "Escape") { stored.hidden = true; input.focus(); } });
  store.views.add(self);
  const resized = new ResizeObserver(() => toEnd());
  resized.observe(log);
  const ticks = setInterval(tick, 1000);
  input.value = model.get("draft") ?? "";
  if (store.secret) self.reset();
  return () => {
    store.views.delete(self);
    resized.disconnect();
    clearInterval(ticks);
  };
}
