// The page's side of the chat. HTML is inserted only where the kernel's renderer made it, and only as it comes over the live connection;
// everything else is text. Nothing is asked of the kernel but what the user asks for.

const CHUNK = 2 * 1024 * 1024;
const MAX_UPLOAD = 20 * 1024 * 1024;
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const NEAR_END = 60;
const TURNS = "application/vnd.codex.turns+json";

export default () => {
  const store = newStore();
  return {
    initialize({ model }) {
      connect(model, store);
    },
    render({ model, el }) {
      return view(model, el, store);
    },
  };
};

function newStore() {
  return {
    turns: [], start: 0, meta: null, secret: "", saved: "", sequence: 0, views: new Set(),
    waiting: new Map(), next: 1, control: null, history: [],
  };
}

// The connection.

function connect(model, store) {
  model.on("msg:custom", (message) => receive(model, store, message));
  store.control = openControl(model).catch(() => null);
  model.send({ do: "sync" });
}

async function openControl(model) {
  // A comm of our own on a subshell: the kernel hears it while a cell runs. Not every front end and kernel has them.
  const kernel = model.widget_manager?.kernel;
  if (!kernel?.createComm) return null;
  const comm = kernel.createComm("codex_jupyter.chat");
  if (!kernel.supportsSubshells || !comm.subshellStarted) return null;
  await comm.subshellStarted;
  comm.open({});
  return comm;
}

async function ask(model, store, action, buffers = []) {
  const id = store.next++;
  const message = { ...action, id, secret: store.secret };
  const done = new Promise((resolve) => store.waiting.set(id, resolve));
  const control = await store.control;
  if (control && store.meta?.id) control.send({ ...message, widget: store.meta.id }, undefined, buffers);
  else model.send(message, undefined, buffers);
  return done;
}

function receive(model, store, message) {
  if (message.type !== "state" && message.sequence !== store.sequence + 1) {
    // Something was lost, or this page has just come: what follows makes sense on top of the whole state only.
    store.sequence = message.sequence;
    if (message.type !== "done" && message.type !== "meta") model.send({ do: "sync" });
    if (message.type === "blocks" || message.type === "turn" || message.type === "end") return;
  }
  store.sequence = message.sequence;
  const turn = store.turns.find((one) => one.id === message.turn);
  switch (message.type) {
    case "state":
      Object.assign(store, { turns: message.turns, start: message.start, secret: message.secret, saved: message.saved });
      each(store, (view) => view.reset());
      break;
    case "earlier":
      if (message.start >= store.start) break;
      store.turns.unshift(...message.turns);
      store.start = message.start;
      each(store, (view) => view.prepend(message.turns));
      break;
    case "meta":
      store.meta = message;
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
      turn.status = message.status;
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

function findSaved(model, store) {
  for (const cell of model.widget_manager?.context?.model?.sharedModel?.cells ?? []) {
    const outputs = cell.toJSON().outputs ?? [];
    const at = outputs.findIndex((output) => output.data?.[TURNS] && JSON.stringify(output.data["text/html"] ?? "").includes(store.saved));
    if (at >= 0) return { cell, at, output: outputs[at] };
  }
  return null;
}

function keepSaved(model, store, copy) {
  const found = findSaved(model, store);
  if (found && found.output.data[TURNS].copy !== copy) ask(model, store, { do: "copy" });
}

function replaceSaved(model, store, bundle) {
  const found = findSaved(model, store);
  found?.cell.updateOutputs?.(found.at, found.at + 1, [{ ...found.output, data: bundle }]);
}

function each(store, act) {
  for (const view of store.views) act(view);
}

function merge(turn, change) {
  const known = turn.blocks.find((block) => block.block === change.block);
  if (!known) turn.blocks.push({ ...change, text: change.append ?? change.text });
  else if (change.append !== undefined) known.text = (known.text ?? "") + change.append;
  else Object.assign(known, { html: undefined, text: undefined }, change);
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
  const log = make("div", { class: "codex-log", role: "log", "aria-label": "Conversation with Codex", tabindex: "0" });
  const jump = button("↓ newest", "Go to the newest message", () => toEnd(true), { class: "codex-jump", hidden: true });
  const notice = make("div", { class: "codex-notice", role: "alert", hidden: true });
  const queue = make("ul", { class: "codex-queue", "aria-label": "Waiting prompts" });
  const attached = make("div", { class: "codex-attached", "aria-label": "Attached pictures" });
  const plots = make("div", { class: "codex-plots", hidden: true, role: "group", "aria-label": "Plots of the notebook" });
  const offers = make("ul", { class: "codex-offers", role: "listbox", "aria-label": "Pictures to mention", hidden: true });
  const input = make("textarea", {
    class: "codex-input", rows: "2", dir: "auto", "aria-label": "Message to Codex",
    placeholder: "Ask Codex… (Enter sends, Shift+Enter makes a new line, @ names a picture)",
  });
  const file = make("input", { type: "file", accept: PICTURES.join(","), multiple: true, hidden: true, "aria-label": "Picture files" });
  const sendButton = button("Send", "Send", () => submit(), { class: "codex-send" });
  const stopButton = button("Stop", "Stop the turn", () => stop(), { class: "codex-stop", hidden: true });
  const state = make("span", { class: "codex-state", role: "status" });
  const choosers = {
    thread: chooser("Thread", "thread"), model: chooser("Model", "model"),
    effort: chooser("Effort", "effort"), sandbox: chooser("Sandbox", "sandbox"),
  };
  const name = make("input", { class: "codex-name", type: "text", "aria-label": "Name of the thread", hidden: true });
  const threads = ["new", "rename", "fork", "resume"].map((how) => button(how, `${how} thread`, () => manage(how)));
  const bar = make(
    "div", { class: "codex-bar" },
    choosers.thread.label, ...threads, name, make("span", { class: "codex-space" }),
    choosers.model.label, choosers.effort.label, choosers.sandbox.label,
  );
  const steerButton = button("Steer", "Add this to the running turn", () => steer(), { hidden: true });
  const asks = make("div", { class: "codex-asks", role: "alertdialog", "aria-label": "Codex asks", hidden: true });
  const hide = make("style");
  const root = make(
    "section", { class: "codex-chat", "aria-label": "Codex chat" },
    hide, bar, make("div", { class: "codex-scroll" }, log, jump), asks, notice, queue, attached, plots,
    make("div", { class: "codex-compose" }, input, offers),
    make(
      "div", { class: "codex-actions" },
      button("Attach", "Attach picture files", () => file.click()), button("Plots", "Attach a plot of the notebook", showPlots), file,
      state, make("span", { class: "codex-space" }), stopButton, steerButton, sendButton,
    ),
  );
  el.append(root);

  let follows = true, ticket = 0, recalled = -1, picked = 0, offered = [];
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
    const when = turn.at ? new Date(turn.at * 1000).toLocaleTimeString() : "";
    const facts = make("details", { class: "codex-facts" }, make("summary", {}, when || "details"));
    const items = make("div", { class: "codex-items" });
    const pictures = make("div", { class: "codex-sent" });
    const asked = make("div", { class: "codex-prompt", dir: "auto" }, turn.prompt);
    const node = make(
      "article", { class: "codex-turn", "aria-label": "Turn" },
      make("div", { class: "codex-asked" }, asked, button("copy", "Copy the prompt", (event) => copy(turn.prompt, event.target))),
      pictures, items, facts,
    );
    nodes.set(turn.id, { node, items, facts, pictures, blocks: new Map() });
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
      if (block.kind === "head") known.facts.append(node);
      else if (block.kind === "foot") known.facts.append(node);
      else known.items.append(node);
    }
    if (block.append !== undefined) {
      node.append(block.append);
    } else if (block.html !== undefined) {
      node.innerHTML = block.html;
      node.classList.remove("codex-open");
      if (block.kind === "head") raise(known, node);
      if (block.kind === "agent_message") addButtons(node);
    } else {
      node.classList.add("codex-open");
      node.textContent = block.text ?? "";
    }
  }

  function raise(known, head) {
    // Attached pictures are seen without opening anything.
    known.pictures.replaceChildren(...head.querySelectorAll("img"));
  }

  function addButtons(node) {
    const said = node.textContent;
    for (const code of node.querySelectorAll("pre")) {
      const text = code.textContent;
      const tools = make(
        "div", { class: "codex-tools" },
        button("copy", "Copy the code", (event) => copy(text, event.target)),
        button("insert", "Insert the code into a new cell", (event) => insertCell(text, event.target)),
      );
      code.before(tools);
    }
    node.prepend(make("div", { class: "codex-tools" }, button("copy", "Copy the message", (event) => copy(said, event.target))));
  }

  function endTurn(turn) {
    const { node, facts } = nodes.get(turn.id);
    node.dataset.status = turn.status;
    if (turn.status === "failed") facts.open = true;
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
    const before = node.textContent;
    node.textContent = text;
    setTimeout(() => (node.textContent = before), 1200);
  }

  function insertCell(text, from) {
    const notebook = model.widget_manager?.context?.model?.sharedModel;
    if (!notebook?.insertCell) return copy(text, from);
    const mine = notebook.cells.findIndex((cell) =>
      JSON.stringify(cell.toJSON().outputs ?? []).includes(store.meta?.id ?? "\0"));
    notebook.insertCell((mine < 0 ? notebook.cells.length - 1 : mine) + 1, { cell_type: "code", source: text.replace(/\n$/, ""), metadata: {} });
    flash(from, "inserted");
  }

  // What stands around the conversation.

  function chooser(label, trait) {
    const select = make("select", { "aria-label": label, onchange: () => send({ do: "choose", trait, value: select.value }) });
    return { select, label: make("label", {}, make("span", {}, label), select) };
  }

  function fill({ select }, values, chosen, empty) {
    const all = [...new Set([...(empty ? [""] : []), ...values, chosen].filter((value) => value || empty))];
    select.replaceChildren(...all.map((value) => make("option", { value, selected: value === chosen }, value || empty)));
    select.value = chosen;
  }

  function showMeta() {
    const meta = store.meta;
    if (!meta) return;
    fill(choosers.thread, meta.threads, meta.thread);
    fill(choosers.model, meta.choices.model, meta.settings.model, "default");
    fill(choosers.effort, meta.choices.effort, meta.settings.effort, "default");
    fill(choosers.sandbox, meta.choices.sandbox, meta.settings.sandbox, "default");
    choosers.thread.select.title = meta.thread_id || "The first prompt begins the thread.";
    stopButton.hidden = !meta.running;
    steerButton.hidden = !(meta.running && meta.steers);
    sendButton.textContent = meta.running ? "Queue" : "Send";
    sendButton.setAttribute("aria-label", sendButton.textContent);
    state.textContent = [meta.running ? "Codex is working…" : "", meta.demo ? "demo: a script answers" : ""].filter(Boolean).join(" · ");
    queue.replaceChildren(...meta.queue.map(({ item, text }) => make(
      "li", {}, make("span", { dir: "auto" }, text),
      button("edit", "Edit this prompt", () => { send({ do: "unqueue", item }); setInput(text); }),
      button("×", "Remove this prompt", () => send({ do: "unqueue", item })),
    )));
    if (meta.queue.length && !meta.running) queue.append(make("li", {}, button("send next", "Send the next prompt", () => send({ do: "next" }))));
    attached.replaceChildren(...meta.attached.map(({ item, url, caption }) => make(
      "figure", {}, picture(url, caption), make("figcaption", {}, caption), button("×", `Remove ${caption}`, () => send({ do: "detach", item })),
    )));
    hide.textContent = store.saved ? `.${CSS.escape(store.saved)} { display: none; }` : "";
  }

  const picture = (url, caption) => make("img", { src: url.startsWith("data:image/") ? url : "", alt: caption });

  async function manage(how) {
    if (how === "resume") return send({ do: "thread", how, name: "" });
    if (name.hidden || name.dataset.how !== how) {
      name.hidden = false;
      name.dataset.how = how;
      name.placeholder = `${how}: name, then Enter`;
      name.value = how === "rename" ? store.meta.thread : "";
      name.focus();
    }
  }
  name.addEventListener("keydown", async (event) => {
    if (event.key === "Escape") name.hidden = true;
    if (event.key !== "Enter") return;
    if (!(await send({ do: "thread", how: name.dataset.how, name: name.value.trim() }))) name.hidden = true;
    input.focus();
  });

  function say(text) {
    notice.textContent = text;
    notice.hidden = false;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => (notice.hidden = true), 10_000);
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
    if (!text.trim() && !store.meta?.attached.length) return;
    input.value = "";
    follows = true;
    keepDraft();
    const error = await send({ do: "send", text });
    if (error) {
      if (!input.value) setInput(text);
    } else {
      store.history.push(text);
      recalled = -1;
    }
  }

  async function steer() {
    const text = input.value;
    if (!text.trim()) return;
    setInput("");
    if (await send({ do: "steer", text })) setInput(text);
    else say(`Added to the running turn: ${text}`);
  }

  async function stop() {
    const control = await store.control;
    const kernel = model.widget_manager?.kernel;
    // Without a way around the running cell, only an interrupt reaches the kernel.
    if (!control && kernel?.status === "busy") kernel.interrupt();
    return send({ do: "stop" });
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
      if (event.key === "Escape") return void (offers.hidden = true);
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && store.meta?.running) {
      stop();
    } else if (event.key === "ArrowUp" && input.selectionStart === 0 && store.history.length) {
      recalled = Math.min(recalled + 1, store.history.length - 1);
      input.value = store.history.at(-1 - recalled);
      input.setSelectionRange(0, 0);
    } else if (event.key === "ArrowDown" && recalled >= 0 && input.selectionEnd === input.value.length) {
      recalled -= 1;
      input.value = recalled < 0 ? "" : store.history.at(-1 - recalled);
    }
  });
  // What is typed here is no command of the notebook; its shortcuts with Ctrl or Cmd, such as saving, are.
  root.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); });
  input.addEventListener("input", () => {
    keepDraft();
    const word = mention();
    if (word === null) offers.hidden = true;
    else send({ do: "offers" });
  });

  const mention = () => input.value.slice(0, input.selectionStart).match(/(?:^|\s)@([\w:-]*)$/)?.[1] ?? null;

  function showOffers() {
    offers.replaceChildren(...offered.map((offer, index) => make(
      "li", { role: "option", "aria-selected": String(index === picked), onmousedown: (event) => { event.preventDefault(); takeOffer(offer); } },
      `@${offer}`,
    )));
    offers.hidden = !offered.length;
  }

  function takeOffer(offer) {
    const at = input.selectionStart;
    const before = input.value.slice(0, at).replace(/@[\w:-]*$/, `@${offer} `);
    input.value = before + input.value.slice(at);
    input.setSelectionRange(before.length, before.length);
    offers.hidden = true;
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

  function showQuestion(question) {
    asks.hidden = !question;
    if (!question) return asks.replaceChildren();
    const answer = (content) => send({ do: "answer", item: question.item, ...content });
    const fields = question.questions.map(({ id, text, options, secret }) => {
      const list = make("datalist", { id: `codex-${Math.random().toString(36).slice(2)}` }, ...options.map((value) => make("option", { value })));
      const field = make("input", { type: secret ? "password" : "text", list: list.id, name: id });
      return { id, field, label: make("label", {}, text, field, list) };
    });
    const give = () => answer({ answers: Object.fromEntries(fields.map(({ id, field }) => [id, field.value])) });
    asks.replaceChildren(
      make("div", { class: "codex-question", dir: "auto" }, question.text),
      ...fields.map(({ label }) => label),
      make("div", { class: "codex-choices" },
        ...(fields.length ? [button("answer", "Give these answers", give)] : []),
        ...question.choices.map(({ choice, meaning }) => button(choice.replaceAll("_", " "), meaning, () => answer({ choice }))),
      ),
    );
    (asks.querySelector("input") ?? asks.querySelector("button:last-child"))?.focus();
  }

  const self = {
    question: ({ question }) => {
      store.question = question;
      showQuestion(question);
    },
    reset() {
      nodes.clear();
      ticket = 0;
      log.replaceChildren(...store.turns.map(turnNode));
      showMeta();
      showQuestion(store.question);
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
    offers({ offers: all }) {
      const word = mention();
      offered = word === null ? [] : all.filter((offer) => offer.startsWith(word)).slice(0, 8);
      picked = 0;
      showOffers();
    },
  };
  store.views.add(self);
  const resized = new ResizeObserver(() => toEnd());
  resized.observe(log);
  input.value = model.get("draft") ?? "";
  if (store.secret) self.reset();
  return () => {
    store.views.delete(self);
    resized.disconnect();
  };
}
