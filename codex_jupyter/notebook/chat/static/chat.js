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
    turns: [], start: 0, meta: null, metaAt: 0, secret: "", sequence: 0, views: new Set(), waiting: new Map(), next: 1, control: null, gone: false, inserted: new Set(),
  };
}

// The connection.

function connect(model, store) {
  const kernel = model.widget_manager?.kernel;
  const status = (_, now) => {
    if (!["restarting", "autorestarting", "terminating", "dead"].includes(now)) return;
    store.gone = true;
    watchSaved(model);
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
  const late = setTimeout(() => each(store, (view) => view.say("The kernel is busy: this is done when the running cell has ended.", true)), PATIENCE);
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

// After the end of the kernel, the cell may end with an error before it shows a chat, because the extension is not loaded. That takes the
// copy out of the notebook, so it is put back below the error.

function watchSaved(model) {
  const found = findSaved(model);
  if (!found?.cell.changed) return;
  const look = () => {
    const outputs = found.cell.toJSON().outputs ?? [];
    if (outputs.some((output) => output.data?.[TURNS])) return;
    const failed = outputs.some((output) => output.output_type === "error" || (output.name === "stderr" && /Error/.test(output.text)));
    if (failed) found.cell.updateOutputs(outputs.length, outputs.length, [found.output]);
  };
  // Which changes are told differs between versions of JupyterLab. The outputs come a moment later.
  found.cell.changed.connect(() => setTimeout(look, 300));
}

function each(store, act) {
  for (const view of store.views) act(view);
}

function merge(turn, change) {
  const known = turn.blocks.find((block) => block.block === change.block);
  if (!known) turn.blocks.push(change.append === undefined ? change : { ...change, text: change.append, append: undefined });
  else if (change.append !== undefined) known.text = (known.text ?? "") + change.append;
  else if (change.more !== undefined) Object.assign(known, { html: (known.html ?? "") + change.more, text: change.text });
  else Object.assign(known, { html: undefined, text: undefined, source: undefined }, change);
}

// The view: its parts share a context `chat` of the model, the store, and what all of them call.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  new: "M8 3v10M3 8h10",
  rename: "M10.8 2.6l2.6 2.6-7.9 7.9-3.1.5.5-3.1zM9.2 4.2l2.6 2.6",
  fork: "M4.5 6v4.2M4.5 6a1.7 1.7 0 1 0 0-.01M4.5 13.6a1.7 1.7 0 1 0 0-.01M11.5 6a1.7 1.7 0 1 0 0-.01M11.5 6c0 2.6-2 3-7 3.2",
  resume: "M2.6 8a5.4 5.4 0 1 0 1.8-4M4.6 1.8v2.6H2M8 5v3.2l2.2 1.4",
  attach: "M13 7.4l-5.3 5.3a3.1 3.1 0 0 1-4.4-4.4l5.6-5.6a2.1 2.1 0 0 1 3 3L6.4 11.200a1 1 0 0 1-1.5-1.500l4.9-4.9",
  plots: "M2.5 2.500v11h11M4.8 10.500l2.7-3.2 2.2 1.7 3.3-4.5",
  copy: "M5.5 5.500h8v8h-8zM3.5 10.500h-1v-8h8v1",
  insert: "M2.5 2.500h11v5h-11zM8 10v4M6 12h4",
  done: "M3 8.500l3.3 3.300L13 4.8",
  close: "M4 4l8 8M12 4l-8 8",
  send: "M8 13V3.200M3.8 7.400L8 3.200l4.2 4.2",
  queue: "M2.5 4h11M2.5 8h11M2.5 12h6",
  steer: "M3 13V9.500a3 3 0 0 1 3-3h7M10 3.500l3 3-3 3",
  stop: "M4.5 4.500h7v7h-7z",
  down: "M8 3v9.500M3.8 8.500L8 12.700l4.2-4.2",
};
const IDEAS = ["Explain the error of the last cell, and how to mend it.", "Describe the variables of this notebook.", "Write a test for the function "];
const CHOICES = {
  accept: "Allow once", accept_for_session: "Allow in this session", accept_always: "Always allow", decline: "Decline", cancel: "Decline and stop",
};
const PROMPTS = { new: "Name of the new thread", rename: "New name of this thread", fork: "Name of the copy" };

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function icon(name) {
  const node = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 16 16", "aria-hidden": "true", "data-icon": name })) node.setAttribute(key, value);
  path.setAttribute("d", ICONS[name]);
  node.append(path);
  return node;
}

// A button with an icon, words or both; `title` says what it does.
const button = (sign, words, title, act, attributes = {}) => make(
  "button", { type: "button", title, "aria-label": title, onclick: act, ...attributes },
  ...(sign ? [icon(sign)] : []), ...(words ? [make("span", {}, words)] : []),
);

const picture = (url, caption) => make("img", { src: url.startsWith("data:image/") ? url : "", alt: caption });
const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

function moment(seconds) {
  if (!seconds) return "";
  const when = new Date(seconds * 1000);
  const today = when.toDateString() === new Date().toDateString();
  return today ? when.toLocaleTimeString([], { timeStyle: "short" }) : when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function view(model, el, store) {
  const words = make("span", { dir: "auto" });
  const notice = make(
    "div", { class: "codex-notice", role: "alert", hidden: true }, words, button("close", "", "Close this message", () => chat.say("")),
  );
  const whisper = make("div", { class: "codex-whisper", role: "status" });
  const chat = {
    model, store, uid: `codex-${Math.random().toString(36).slice(2)}`,
    root: make("section", { class: "codex-chat", "aria-label": "Codex chat" }),
    send: (action, buffers) => ask(model, store, action, buffers),
    // What went wrong stays until it was read or something else is sent; what is only told goes by itself.
    say(text, told = false) {
      setText(words, text);
      notice.hidden = !text;
      notice.classList.toggle("codex-told", told);
      clearTimeout(notice.timer);
      if (told) notice.timer = setTimeout(() => (notice.hidden = true), 10_000);
    },
    whisper: (text) => { whisper.textContent = text; },
  };
  chat.composer = composer(chat);
  const log = transcript(chat), top = header(chat), asks = questionCard(chat), queue = waiting(chat), works = status(chat);
  chat.root.append(
    make("style", {}, `.${CSS.escape(model.get("_mark"))} { display: none; }`),
    top.node, log.node, asks.node, notice, works.node, queue.node, chat.composer.node, whisper,
  );
  // What is typed here is no command of the notebook; its shortcuts with Ctrl or Cmd, such as saving, are, but for those that run cells.
  chat.root.addEventListener("keydown", (event) => {
    const closes = event.defaultPrevented || event.isComposing || event.target.closest("select, .codex-head");
    if (event.key === "Escape" && store.meta?.running && !closes) chat.composer.stop();
    if ((!event.ctrlKey && !event.metaKey) || event.key === "Enter") event.stopPropagation();
  });
  el.append(chat.root);

  function meta() {
    chat.root.classList.toggle("codex-gone", store.gone);
    if (store.gone) chat.say("The kernel has ended. To continue, run %load_ext codex_jupyter and then this cell.");
    for (const part of [chat.composer, works, log]) part.meta(store.meta);
    if (store.meta) for (const part of [top, queue]) part.meta(store.meta);
  }
  const self = {
    ...log, meta, say: chat.say, plots: chat.composer.plots, offers: chat.composer.offers, stored: top.stored,
    reset() {
      log.reset();
      if (!store.gone) chat.say("");
      meta();
      if (store.question) asks.show(store.question);
    },
    question(message) {
      store.question = message;
      asks.show(message);
      meta();
    },
  };
  store.views.add(self);
  const ticks = setInterval(works.tick, 1000);
  if (store.secret) self.reset();
  return () => {
    store.views.delete(self);
    log.close();
    clearInterval(ticks);
  };
}

// The conversation.

function transcript(chat) {
  const { model, store, send, say } = chat;
  const turns = make("div");
  const log = make("div", { class: "codex-log", role: "log", "aria-label": "Conversation with Codex", tabindex: "0" }, turns);
  const jump = button("down", "Newest", "Go to the newest message", () => toEnd(true), { class: "codex-jump", hidden: true });
  const empty = make(
    "div", { class: "codex-empty" }, make("strong", {}, "What shall Codex do?"),
    make("p", {}, "It sees this notebook, works in its folder, and shares the thread with your %%codex cells."),
    make("div", { class: "codex-ideas" }, ...IDEAS.map((text) => button("", text, text, () => chat.composer.set(text)))),
  );
  // A thread that a saved notebook names may be anyone's: it is continued only when the user asks for it.
  const offer = make("div", { class: "codex-offer", hidden: true });
  empty.append(offer);
  const nodes = new Map();
  let follows = true, ticket = 0, top = 0;

  const toEnd = (always) => {
    if (always) follows = true;
    if (follows) log.scrollTop = log.scrollHeight;
    jump.hidden = follows;
  };
  log.addEventListener("scroll", () => {
    // Who reads, scrolls up; that there is more below, because it grew or was drawn only now, is no wish to stay.
    if (log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END) follows = true;
    else if (log.scrollTop < top) follows = false;
    top = log.scrollTop;
    jump.hidden = follows;
    if (log.scrollTop < NEAR_END && store.start > 0 && ticket !== store.start) {
      ticket = store.start;
      send({ do: "earlier", before: store.start });
    }
  });
  // Once for all that came before the page is drawn: a layout for each increment would make typing slow.
  const resized = new ResizeObserver(() => toEnd());
  for (const node of [log, turns]) resized.observe(node);

  function turnNode(turn) {
    const facts = make("details", { class: "codex-facts" }, make("summary", {}));
    const items = make("div", { class: "codex-items" });
    const node = make(
      "article", { class: "codex-turn", "aria-label": "Turn" },
      make(
        "div", { class: "codex-asked" },
        button("copy", "", "Copy the prompt", (event) => copy(turn.prompt, event.currentTarget), { class: "codex-quiet" }),
        make("div", { class: "codex-prompt", dir: "auto" }, turn.prompt),
      ),
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
      // While a turn runs, what stands below it says why nothing happens.
      if (block.kind === "head" || (block.kind === "foot" && turn.status === "completed")) known.facts.append(node);
      else if (block.kind === "rights") known.items.prepend(node);
      else known.items.append(node);
    }
    const growing = node.querySelector(":scope > .codex-growing");
    if (growing && block.append !== undefined) return grow(growing, block.append);
    if (growing && block.more !== undefined) {
      growing.insertAdjacentHTML("beforebegin", block.more);
      growing.replaceChildren();
      return grow(growing, block.text);
    }
    if (block.html !== undefined) node.innerHTML = block.html;
    else node.replaceChildren();
    // Ended blocks of past turns come without a text; so do those that never grew.
    if (block.text !== undefined) grow(node.appendChild(make("div", { class: "codex-growing" })), block.text);
    else if (block.kind === "agent_message") addButtons(node, block.source ?? node.textContent, block.languages ?? []);
  }

  function grow(node, text) {
    node.append(text);
    if (node.childNodes.length < 20) node.classList.toggle("codex-fenced", /^(```|~~~)/.test(node.textContent));
  }

  function addButtons(node, source, languages) {
    node.querySelectorAll("pre").forEach((code, at) => {
      const text = code.textContent, language = languages[at] ?? "";
      const frame = make("div", { class: "codex-code" });
      code.replaceWith(frame);
      frame.append(
        make(
          "div", { class: "codex-tools" }, make("span", { class: "codex-language" }, language),
          button("copy", "Copy", "Copy the code", (event) => copy(text, event.currentTarget)),
          button("insert", "Insert", "Insert the code into a new cell", (event) => insertCell(text, language, event.currentTarget)),
        ),
        code,
      );
    });
    node.prepend(button("copy", "", "Copy the message", (event) => copy(source, event.currentTarget), { class: "codex-quiet codex-corner" }));
  }

  function endTurn(turn) {
    const { node, items, facts, blocks } = nodes.get(turn.id);
    node.dataset.status = turn.status;
    const foot = blocks.get("foot"), completed = turn.status === "completed";
    if (foot) (completed ? facts : items).append(foot);
    facts.hidden = turn.status === "in_progress";
    facts.firstChild.textContent = [moment(turn.at), completed && turn.took].filter(Boolean).join(" · ") || "details";
    node.setAttribute("aria-busy", String(turn.status === "in_progress"));
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
    if (node.dataset.flash) return;
    const before = [...node.childNodes];
    node.dataset.flash = text;
    node.replaceChildren(icon("done"), make("span", {}, text));
    chat.whisper(text);
    setTimeout(() => {
      node.replaceChildren(...before);
      delete node.dataset.flash;
      chat.whisper("");
    }, 1500);
  }

  function insertCell(text, language, from) {
    const notebook = model.widget_manager?.context?.model?.sharedModel;
    const source = (/^(bash|sh)$/.test(language) ? "%%bash\n" : "") + text.replace(/\n$/, "");
    if (!notebook?.insertCell) return copy(source, from);
    const shows = (cell) => JSON.stringify(cell.toJSON().outputs ?? []).includes(store.meta?.id ?? "\0");
    let mine = notebook.cells.findIndex(shows);
    if (mine < 0) {
      // Inside another widget, the cell's output names that one.
      const cell = log.closest("[data-windowed-list-index]") ?? log.closest(".jp-Cell");
      mine = Number(cell?.dataset.windowedListIndex ?? [...(cell?.parentElement?.children ?? [])].indexOf(cell));
    }
    // Below those that were inserted before and are there still: code comes in the order in which it is inserted.
    let at = (mine < 0 ? notebook.cells.length - 1 : mine) + 1;
    while (store.inserted.has(notebook.cells[at]?.id)) at += 1;
    const cell = notebook.insertCell(at, { cell_type: "code", source, metadata: {} });
    store.inserted.add(cell.id);
    flash(from, "inserted");
  }

  const shown = () => { empty.hidden = store.turns.length > 0; };
  turns.append(empty);
  return {
    node: make("div", { class: "codex-scroll" }, log, jump),
    reset() {
      nodes.clear();
      ticket = 0;
      turns.replaceChildren(empty, ...store.turns.map(turnNode));
      shown();
      requestAnimationFrame(() => toEnd(true));
    },
    prepend(earlier) {
      const before = log.scrollHeight - log.scrollTop;
      empty.after(...earlier.map(turnNode));
      log.scrollTop = log.scrollHeight - before;
    },
    append(turn) {
      turns.append(turnNode(turn));
      shown();
    },
    update(turn, changes) {
      for (const change of changes) setBlock(turn, change);
    },
    meta(meta) {
      const found = meta?.offer;
      offer.hidden = !found;
      if (!found || offer.dataset.id === found.id) return;
      offer.dataset.id = found.id;
      offer.replaceChildren(
        make("p", {}, `The saved outputs of this notebook name an earlier thread (${found.turns} turn${found.turns === 1 ? "" : "s"}), last: `, make("q", { dir: "auto" }, found.prompt || "(no prompt)")),
        button("resume", "Continue it", `Continue thread ${found.id}`, () => send({ do: "thread", how: "resume", name: found.id })),
      );
    },
    end: endTurn,
    follow: () => { follows = true; },
    close: () => resized.disconnect(),
  };
}

// What stands around the conversation.

function chooser(chat, label, trait) {
  const select = make("select", { "aria-label": label, title: label, onchange: () => chat.send({ do: "choose", trait, value: select.value }) });
  return {
    select,
    fill(values, chosen, empty) {
      const all = [...new Set([...(empty ? [""] : []), ...values, chosen].filter((value) => value || empty))];
      // A list that is open must not change under the user's hand.
      const same = select.options.length === all.length && all.every((value, at) => select.options[at].value === value);
      if (!same) select.replaceChildren(...all.map((value) => make("option", { value }, value || empty)));
      if (select.value !== chosen) select.value = chosen;
      select.dataset.value = chosen;
    },
  };
}

function header(chat) {
  const { store, send } = chat;
  const thread = chooser(chat, "Thread", "thread");
  const manage = (how) => button(
    how, how[0].toUpperCase() + how.slice(1),
    { new: "Begin a new thread", rename: "Rename the thread", fork: "Begin a thread with the history of this one", resume: "Go on with an earlier thread" }[how],
    () => begin(how), { "aria-label": `${how} thread`, class: "codex-flat" },
  );
  const demo = make("span", { class: "codex-badge", hidden: true, title: "A script answers, no model." }, "demo");
  const name = make("input", { class: "codex-name", type: "text", "aria-label": "Name of the thread", autocomplete: "off", spellcheck: "false" });
  const naming = make(
    "form", { class: "codex-naming", hidden: true }, make("span", {}), name,
    make("button", { type: "submit" }, "OK"), button("", "Cancel", "Cancel", () => leave()),
  );
  const stored = make("ul", { class: "codex-stored", hidden: true, "aria-label": "Earlier threads" });
  const manages = ["new", "rename", "fork", "resume"].map(manage);
  const bar = make(
    "div", { class: "codex-bar", role: "group", "aria-label": "Thread and its history" },
    thread.select, demo, make("span", { class: "codex-space" }), ...manages,
  );

  function begin(how) {
    const again = how === "resume" ? !stored.hidden : !naming.hidden && naming.dataset.how === how;
    stored.hidden = naming.hidden = true;
    if (again || !store.meta) return;
    if (how === "resume") {
      stored.hidden = false;
      stored.replaceChildren(make("li", {}, "Looking for threads…"));
      send({ do: "stored" });
      return;
    }
    naming.hidden = false;
    naming.dataset.how = how;
    setText(naming.firstChild, PROMPTS[how]);
    name.value = how === "rename" ? store.meta.thread : freeName(how === "fork" ? `${store.meta.thread}_fork` : "thread");
    name.focus();
    name.select();
  }

  function leave() {
    stored.hidden = naming.hidden = true;
    chat.composer.focus();
  }

  function freeName(stem) {
    const taken = new Set(store.meta.threads);
    for (let number = 2; ; number += 1) if (!taken.has(`${stem}_${number}`)) return `${stem}_${number}`;
  }

  naming.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!(await send({ do: "thread", how: naming.dataset.how, name: name.value.trim() }))) {
      chat.say("");
      leave();
    }
  });
  for (const node of [naming, stored]) node.addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.isComposing) leave(); });

  return {
    node: make("div", { class: "codex-head" }, bar, naming, stored),
    meta(meta) {
      thread.fill(meta.threads, meta.thread);
      thread.select.title = meta.thread_id ? `Thread ${meta.thread_id}` : "Thread: the first prompt begins it.";
      demo.hidden = !meta.demo;
      thread.select.disabled = meta.locked;
      for (const node of manages) node.hidden = meta.locked;
    },
    stored({ threads }) {
      stored.replaceChildren(...threads.map(({ id, title, at, turns }) => make("li", {}, make(
        "button", { type: "button", title: `Go on with thread ${id}`, onclick: async () => { leave(); await send({ do: "thread", how: "resume", name: id }); } },
        make("span", { dir: "auto" }, title || "(no prompt)"), make("small", {}, `${turns} turn${turns === 1 ? "" : "s"} · ${moment(at)}`),
      ))));
      if (!threads.length) stored.replaceChildren(make("li", {}, "No thread was begun in this folder yet."));
      if (!stored.hidden) stored.querySelector("button")?.focus();
    },
  };
}

function status(chat) {
  const { store } = chat;
  const words = make("span", { role: "status" });
  const clock = make("span", { class: "codex-clock", "aria-hidden": "true" });
  const node = make(
    "div", { class: "codex-working", hidden: true },
    make("span", { class: "codex-pulse", "aria-hidden": "true" }), words, clock, make("span", { class: "codex-space" }), make("span", { class: "codex-hint", "aria-hidden": "true" }, "Esc stops"),
  );

  function tick() {
    const seconds = Math.round((store.meta?.seconds ?? 0) + (Date.now() - store.metaAt) / 1000);
    setText(clock, store.meta?.running ? (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`) : "");
  }

  return {
    node, tick,
    meta(meta) {
      const running = Boolean(meta?.running) && !store.gone;
      node.hidden = !running;
      setText(words, running ? (store.question?.question ? "Codex waits for your answer" : "Codex is working…") : "");
      tick();
    },
  };
}

function waiting(chat) {
  const { send } = chat;
  const queue = make("ul", { class: "codex-queue", "aria-label": "Waiting prompts" });
  let before = "";
  return {
    node: queue,
    meta(meta) {
      const now = JSON.stringify([meta.queue, meta.running]);
      if (now === before) return;
      before = now;
      queue.replaceChildren(...meta.queue.map(({ item, text, pictures }) => make(
        "li", {}, icon("queue"), make("span", { dir: "auto", title: text }, text), ...pictures.map(({ url, caption }) => picture(url, caption)),
        button("rename", "", "Edit this prompt", () => { send({ do: "unqueue", item, edit: true }); chat.composer.join(text); }),
        button("close", "", "Remove this prompt", () => send({ do: "unqueue", item })),
      )));
      if (meta.queue.length && !meta.running) queue.append(make("li", {}, button("send", "Send next", "Send the next prompt", () => send({ do: "next" }))));
    },
  };
}

// What the agent asks.

// What the agent asks. The title, the names of the facts and the choices are ours; the texts of the facts are not, and each stands in a block
// of its own. Keys answer only while the card has the focus, and not at once: what was typed for something else must decide nothing.

const KEYS = { y: "accept", n: "decline", s: "accept_for_session" };
const EARLY = 1000;
const LONG = { lines: 20, characters: 2000 };
const PROSE = ["message", "reason"];
const ESCAPES = "\\x.., \\u....: a character that cannot be seen; {3}: three of it; \\\\x.., \\\\u....: the text itself";

function questionCard(chat) {
  const { uid, send, root } = chat;
  const asks = make("section", { class: "codex-asks", role: "alertdialog", "aria-labelledby": `${uid}-asks`, tabindex: "-1", hidden: true });
  let shown = null, since = 0, answered = false, offered = [], confirming = null, answer = () => {}, give = () => {};

  function lines(what, text) {
    if (what !== "patch") return [text];
    return text.split("\n").map((line) => {
      const head = /^(\+\+\+|---) /.test(line);
      return make("span", { class: head ? "" : { "+": "codex-added", "-": "codex-removed" }[line[0]] ?? "" }, `${line}\n`);
    });
  }

  function fact({ name: what, text }) {
    const body = make("pre", { class: PROSE.includes(what) ? "codex-said" : "codex-exact" }, ...lines(what, text));
    const node = make("div", { class: "codex-fact", "data-fact": what }, make("span", {}, what), body);
    const count = text.split("\n").length;
    if (count <= LONG.lines && text.length <= LONG.characters) return node;
    body.tabIndex = 0;
    body.classList.add("codex-long");
    const words = `Show all: ${count > 1 ? `${count} lines, ` : ""}${text.length} characters`;
    const more = button("", words, words, () => {
      const whole = !body.classList.toggle("codex-long");
      setText(more.lastChild, whole ? "Show less" : words);
      more.setAttribute("aria-expanded", String(whole));
    }, { class: "codex-more", "aria-expanded": "false", "aria-label": undefined });
    node.append(more);
    return node;
  }

  function option({ choice, meaning }, first) {
    const label = CHOICES[choice] ?? choice;
    const key = Object.keys(KEYS).find((one) => KEYS[one] === choice);
    const act = choice === "accept_always" ? () => confirm(meaning) : () => answer({ choice });
    const node = button("", label, meaning, act, {
      "aria-label": `${label}: ${meaning}`, "aria-keyshortcuts": key, class: choice === "accept" && first && "codex-first",
    });
    if (key) node.append(make("kbd", {}, key));
    return node;
  }

  // What lasts for good takes a second act. Its button is not where the first one was, so that a double click does not reach it.
  function confirm(meaning) {
    confirming = () => answer({ choice: "accept_always" });
    const yes = button("", "Allow for good", meaning, confirming, { "aria-label": `Allow for good: ${meaning}`, "aria-keyshortcuts": "a" });
    yes.append(make("kbd", {}, "a"));
    asks.querySelector(".codex-choices").replaceChildren(
      make("span", { class: "codex-sure" }, `Sure? ${meaning}`), button("", "Back", "Back to the other answers", back), yes,
    );
    asks.focus();
  }

  function offer() {
    confirming = null;
    const fields = asks.querySelector("label") !== null;
    asks.querySelector(".codex-choices").replaceChildren(
      ...(fields ? [button("", "Answer", "Answer: give these answers", () => give(), { class: "codex-first" })] : []),
      ...offered.map((one) => option(one, !fields)),
    );
  }

  function back() {
    offer();
    asks.focus();
  }

  function show({ number, question }) {
    if (question && shown === number) return;
    const held = asks.contains(document.activeElement);
    shown = question ? number : null;
    since = performance.now();
    answered = false;
    asks.hidden = !question;
    asks.replaceChildren();
    offered = question?.choices ?? [];
    if (!question) {
      if (held) root.querySelector(".codex-log").focus();
      return;
    }
    const fields = question.questions.map(({ id, text, optional, options, hints, secret, value }, at) => {
      const list = make("datalist", { id: `${uid}-answers-${at}` }, ...options.map((one, place) => make("option", { value: one, label: hints[place] || undefined })));
      const field = make("input", { class: "codex-name", type: secret ? "password" : "text", value, list: list.id, autocomplete: "off" });
      const mark = optional ? [make("small", {}, " (optional)")] : [];
      return { id, field, label: make("label", {}, make("span", {}, make("span", { class: "codex-said" }, text), ...mark), field, list) };
    });
    answer = async (content) => {
      // One answer: a second click or key must not reach the next question. One that is refused may be mended.
      if (answered) return;
      answered = true;
      const buttons = [...asks.querySelectorAll("button")];
      for (const one of buttons) one.disabled = true;
      if (await send({ do: "answer", number, ...content }) && shown === number) {
        answered = false;
        for (const one of buttons) one.disabled = false;
      }
    };
    give = () => answer({ answers: Object.fromEntries(fields.map(({ id, field }) => [id, field.value])) });
    const texts = [...question.facts.map(({ text }) => text), ...question.questions.map(({ text }) => text)];
    const escapes = texts.some((text) => /\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})/.test(text));
    asks.append(
      make("strong", { id: `${uid}-asks` }, question.title), ...question.facts.map(fact),
      ...(escapes ? [make("small", { class: "codex-escapes" }, ESCAPES)] : []),
      ...fields.map(({ label }) => label), make("div", { class: "codex-choices" }),
    );
    offer();
    chat.whisper(`Codex asks: ${question.title}`);
    // The focus is never taken out of a text: what is being typed there would go on as an answer.
    const focused = document.activeElement;
    if (held || (root.contains(focused) && !focused.matches("input, textarea, select"))) (fields[0]?.field ?? asks).focus();
  }

  asks.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing && !event.repeat;
    if (!plain || event.target.closest("input, textarea, select") || performance.now() - since < EARLY) return;
    const key = event.key.toLowerCase();
    const choice = KEYS[key];
    if (confirming && key === "a") confirming();
    else if (confirming && key === "escape") back();
    else if (!confirming && offered.some((one) => one.choice === choice)) answer({ choice });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return { node: asks, show };
}

// What is written.

function composer(chat) {
  const { model, store, uid, send, say, root } = chat;
  const attached = make("div", { class: "codex-attached", role: "group", "aria-label": "Attached pictures" });
  const plots = make("div", { class: "codex-plots", hidden: true, role: "group", "aria-label": "Plots of the notebook" });
  const offers = make("ul", { class: "codex-offers", id: `${uid}-offers`, role: "listbox", "aria-label": "What can be mentioned", hidden: true });
  const input = make("textarea", {
    class: "codex-input", rows: "2", dir: "auto", "aria-label": "Message to Codex", "aria-autocomplete": "list", "aria-controls": `${uid}-offers`,
  });
  const file = make("input", { type: "file", accept: PICTURES.join(","), multiple: true, hidden: true, "aria-label": "Picture files" });
  const sendButton = button("send", "Send", "Send", () => submit(), { class: "codex-send" });
  const stopButton = button("stop", "Stop", "Stop the turn", () => stop(), { class: "codex-stop", hidden: true });
  const steerButton = button("steer", "Steer", "Steer: add this to the running turn", () => steer(), { hidden: true });
  const choosers = { model: chooser(chat, "Model", "model"), effort: chooser(chat, "Effort", "effort"), sandbox: chooser(chat, "Sandbox", "sandbox") };
  const plotsButton = button("plots", "", "Attach a plot of the notebook", showPlots, { class: "codex-flat" });
  const node = make(
    "div", { class: "codex-compose" }, plots, attached, input, offers,
    make(
      "div", { class: "codex-actions" },
      button("attach", "", "Attach picture files", () => file.click(), { class: "codex-flat" }),
      plotsButton, file,
      make("div", { class: "codex-settings", role: "group", "aria-label": "Settings" }, ...Object.values(choosers).map(({ select }) => select)),
      make("span", { class: "codex-space" }), stopButton, steerButton, sendButton,
    ),
  );
  let recalled = -1, picked = 0, offered = [], kept = "", impatient = 0, drafting, before = "";
  input.value = model.get("draft") ?? "";

  function set(text) {
    input.value = text;
    input.focus();
    input.setSelectionRange(text.length, text.length);
    keepDraft();
  }

  function keepDraft() {
    clearTimeout(drafting);
    drafting = setTimeout(() => {
      model.set("draft", input.value);
      model.save_changes();
    }, 400);
  }

  async function submit() {
    const text = input.value;
    if (store.gone || (!text.trim() && !store.meta?.attached.length)) return;
    input.value = "";
    recalled = -1;
    for (const one of store.views) one.follow();
    say("");
    keepDraft();
    const error = await send({ do: "send", text });
    if (error && !input.value) set(text);
  }

  async function steer() {
    const text = input.value;
    if (!text.trim()) return;
    input.value = "";
    keepDraft();
    if (!(await send({ do: "steer", text }))) say(`Added to the running turn: ${text}`, true);
    else if (!input.value) set(text);
  }

  async function stop() {
    const kernel = model.widget_manager?.kernel;
    const told = send({ do: "stop" });
    if (!(await store.control) && kernel?.status === "busy") {
      // Without a way around the running cell, only an interrupt reaches the kernel. It ends that cell, too.
      if (store.meta?.blocks || Date.now() - impatient < 10_000) kernel.interrupt();
      else say("The kernel is busy, and this front end has no way around it: press Stop again to interrupt the running cell, too.", true);
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
    // Safari ends the composition before the Enter that does so.
    if (event.isComposing || event.keyCode === 229) return;
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
      if (event.key === "Escape") {
        event.preventDefault();
        return void hideOffers();
      }
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "ArrowUp" && input.selectionStart === 0 && input.selectionEnd === 0 && prompts().length) {
      event.preventDefault();
      recall(1);
    } else if (event.key === "ArrowDown" && recalled >= 0 && input.selectionEnd === input.value.length) {
      event.preventDefault();
      recall(-1);
    }
  });
  input.addEventListener("input", () => {
    keepDraft();
    if (mention() === null) hideOffers();
    else send({ do: "offers", word: mention() });
  });
  input.addEventListener("blur", () => hideOffers());

  // Mentions.

  const mention = () => input.value.slice(0, input.selectionStart).match(/(?:^|\s)@([\w:-]*)$/)?.[1] ?? null;

  function showOffers() {
    offers.replaceChildren(...offered.map((offer, index) => make(
      "li", {
        id: `${uid}-offer-${index}`, role: "option", "aria-selected": String(index === picked),
        onmousedown: (event) => { event.preventDefault(); takeOffer(offer); },
      },
      make("span", {}, `@${offer.name}`), make("small", {}, offer.what),
    )));
    offers.hidden = !offered.length;
    if (offered.length) input.setAttribute("aria-activedescendant", `${uid}-offer-${picked}`);
    else input.removeAttribute("aria-activedescendant");
  }

  function hideOffers() {
    if (!offered.length) return;
    offered = [];
    showOffers();
  }

  function takeOffer({ text }) {
    const at = input.selectionStart;
    const start = input.value.slice(0, at).replace(/@[\w:-]*$/, `${text} `);
    input.value = start + input.value.slice(at);
    input.setSelectionRange(start.length, start.length);
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
      if (!event.dataTransfer.types.includes("Files")) return;
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

  return {
    node, set, stop,
    focus: () => input.focus(),
    empty: () => !input.value,
    join: (text) => set([text, input.value].filter(Boolean).join("\n\n")),
    meta(meta) {
      input.disabled = sendButton.disabled = store.gone;
      stopButton.hidden = !meta?.running || store.gone;
      steerButton.hidden = !meta?.steers || store.gone;
      if (!meta) return;
      for (const [trait, { select, fill }] of Object.entries(choosers)) {
        fill(meta.choices[trait], meta.settings[trait], `default ${trait}`);
        select.disabled = meta.bounded.includes(trait) && meta.choices[trait].every((value) => value === meta.settings[trait]);
      }
      plotsButton.hidden = !meta.variables;
      input.placeholder = `Ask Codex…  ${meta.variables ? "@ mentions plots and variables, " : ""}Shift+Enter makes a new line`;
      const word = meta.running ? "Queue" : "Send";
      setText(sendButton.lastChild, word);
      sendButton.title = word;
      sendButton.setAttribute("aria-label", word);
      const now = JSON.stringify(meta.attached);
      if (now === before) return;
      before = now;
      attached.replaceChildren(...meta.attached.map(({ item, url, caption }) => make(
        "figure", {}, picture(url, caption), make("figcaption", {}, caption), button("close", "", `Remove ${caption}`, () => send({ do: "detach", item })),
      )));
    },
    plots({ plots: found }) {
      plots.replaceChildren(...found.map(({ spec, url, caption }) => make(
        "button", { type: "button", title: `Attach ${caption}`, onclick: () => { send({ do: "attach", spec }); plots.hidden = true; input.focus(); } },
        picture(url, caption),
      )));
      if (!found.length) plots.replaceChildren(make("span", {}, "The notebook has shown no plot yet."));
    },
    offers({ offers: all }) {
      const word = mention()?.toLowerCase() ?? null;
      offered = word === null ? [] : all.filter(({ name }) => name.toLowerCase().startsWith(word));
      picked = 0;
      showOffers();
    },
  };
}
