// Let a user who looks elsewhere know that a long turn has ended, or that Codex asks: in the title of the window, and by a notification
// of the browser if the user wants it.

const STORED_CHOICE = "codex-jupyter.notify";
/** The end of a shorter turn is not news. */
const LONG_MS = 8000;

/** @param {(text: string) => void} notify shows a message in the chat */
export function createAttention(notify) {
  // The title of the window before it was changed. It is kept in the page, because each of its chats has its own copy of this module.
  const page = document.documentElement.dataset;
  let startedAt = 0;

  const isAway = () => document.hidden || !document.hasFocus();

  function restore() {
    if (page.codexTitle === undefined || isAway()) return;
    document.title = page.codexTitle;
    delete page.codexTitle;
  }

  /** @param {string} text */
  function call(text) {
    if (!isAway()) return;
    page.codexTitle ??= document.title;
    document.title = `${text} · ${page.codexTitle}`;
    // The notifications of several chats about one turn have one tag, so that the browser shows one.
    if (isEnabled()) new Notification("Codex", { body: text, tag: STORED_CHOICE });
  }

  const isAllowed = () => "Notification" in window && Notification.permission === "granted";
  const isEnabled = () => isAllowed() && localStorage.getItem(STORED_CHOICE) === "yes";

  async function toggle() {
    const wanted = !isEnabled();
    if (wanted && !("Notification" in window)) return notify("This browser has no notifications.");
    if (wanted && (await Notification.requestPermission()) !== "granted")
      return notify("The browser does not allow notifications of this page. Allow them in its settings.");
    localStorage.setItem(STORED_CHOICE, wanted ? "yes" : "no");
    return notify(wanted ? "You will be notified when a long turn ends, or Codex asks." : "There are no notifications any more.");
  }

  window.addEventListener("focus", restore);
  document.addEventListener("visibilitychange", restore);
  return {
    isEnabled,
    toggle,
    started: () => {
      startedAt = Date.now();
    },
    /** @param {string} text */
    ended: (text) => {
      if (startedAt && Date.now() - startedAt > LONG_MS) call(text);
      startedAt = 0;
    },
    asked: () => call("Codex asks"),
    close: () => {
      window.removeEventListener("focus", restore);
      document.removeEventListener("visibilitychange", restore);
    },
  };
}
