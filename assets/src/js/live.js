// What happens while a page is open: the bell's count, new lines as toasts, lists that changed. By WebSocket; where that does not come
// through, by server-sent events. A lost connection goes on where it was: the server is told the last moment that was seen.
import { toast } from "./toasts.js";

const KEY = "live-after";
const WAIT_MAX = 30_000;
const TRIES = 2;

export function startLive(htmx) {
  const count = document.querySelector(".bell-count");
  if (!count || !("WebSocket" in window)) return;
  let failures = 0;
  let socketFailures = 0;
  let timer;
  let source;

  const watched = () => [...document.querySelectorAll("[data-live]")].flatMap((element) => element.dataset.live.split(" ").filter(Boolean));
  const remembered = () => { try { return sessionStorage.getItem(KEY) || ""; } catch { return ""; } };
  const remember = (at) => { try { sessionStorage.setItem(KEY, at); } catch { /* Without a store the next page begins anew. */ } };

  /** What each part waits for: somebody goes through it by keyboard, and would lose their place. */
  const waiting = new WeakMap();

  function refresh(element) {
    if (!element.isConnected || waits(element)) return;
    htmx.trigger(element, "live");
  }

  /** Whether it is held; then it is refreshed when whoever holds it has left. */
  function waits(element) {
    if (waiting.get(element)?.isConnected) return true;
    const held = element.querySelector(":focus-visible");
    if (!held) return false;
    waiting.set(element, held);
    const left = () => {
      waiting.delete(element);
      refresh(element);
    };
    // The next one has the focus a moment after this one lost it.
    held.addEventListener("blur", () => setTimeout(left), { once: true });
    return true;
  }

  // Somebody may have come to it between the question and its answer.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const asked = event.detail.requestConfig?.elt;
    if (asked?.matches("[data-live]") && waits(asked)) event.detail.shouldSwap = false;
  });

  /** Between the page and the connection, and while that was lost, something may have changed unheard. */
  const catchUp = () => document.querySelectorAll("[data-live]").forEach(refresh);

  function hear(told) {
    if (told.type === "notices") {
      count.textContent = told.unread === 0 ? "" : told.unread >= 100 ? "99+" : String(told.unread);
      for (const line of told.items.slice(-3)) toast({ kind: "info", text: line.text });
      remember(told.at);
    } else if (told.type === "changed") {
      for (const element of document.querySelectorAll("[data-live]")) {
        if (element.dataset.live.split(" ").some((topic) => told.topics.includes(topic))) refresh(element);
      }
    }
  }

  const query = () => new URLSearchParams({ after: remembered(), topics: [...new Set(watched())].join(",") });
  const again = () => {
    clearTimeout(timer);
    const wait = Math.min(WAIT_MAX, 1_000 * 2 ** failures);
    failures += 1;
    timer = setTimeout(connect, wait / 2 + Math.random() * (wait / 2));
  };

  function bySocket() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws?${query()}`);
    let isOpen = false;
    source = socket;
    socket.addEventListener("open", () => { isOpen = true; failures = 0; socketFailures = 0; catchUp(); });
    socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      if (source !== socket) return;
      if (!isOpen) socketFailures += 1;
      again();
    });
  }

  function byEvents() {
    const events = new EventSource(`/events?${query()}`);
    source = events;
    events.addEventListener("open", () => { failures = 0; catchUp(); });
    events.addEventListener("message", (event) => hear(JSON.parse(event.data)));
    events.addEventListener("error", () => {
      if (source !== events) return;
      events.close();
      again();
    });
  }

  function connect() {
    if (socketFailures < TRIES) bySocket();
    else byEvents();
  }

  const leave = () => {
    clearTimeout(timer);
    const last = source;
    source = undefined;
    last?.close();
  };
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  window.addEventListener("online", () => { leave(); failures = 0; connect(); });
  connect();
}
