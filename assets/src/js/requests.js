// htmx under a strict policy: nothing evaluated, nothing from elsewhere, the anti-forgery token as a header on every request.
import { toast } from "./toasts.js";
import { say } from "./words.js";

export const csrfToken = () => document.querySelector('meta[name="csrf"]')?.content ?? "";

export function startHtmx(htmx) {
  Object.assign(htmx.config, {
    allowEval: false,
    allowScriptTags: false,
    selfRequestsOnly: true,
    includeIndicatorStyles: false,
    historyCacheSize: 0,
    refreshOnHistoryMiss: true,
    scrollIntoViewOnBoost: false,
    timeout: 20000,
    // Refusals of a form come back as the form itself; every other failure is told in a message.
    responseHandling: [
      { code: "204", swap: false },
      { code: "[23]..", swap: true },
      { code: "(409|422)", swap: true, error: false },
      { code: "[45]..", swap: false, error: true },
    ],
  });

  document.addEventListener("htmx:configRequest", (event) => {
    const token = csrfToken();
    if (token && event.detail.verb !== "get") event.detail.headers["X-CSRF-Token"] = token;
    // Filters left empty stay out of the address.
    if (event.detail.verb === "get") {
      const data = event.detail.formData;
      for (const [key, value] of [...data.entries()]) if (value === "") data.delete(key);
    }
  });

  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    if (status === 401) {
      location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
      return;
    }
    const id = event.detail.xhr.getResponseHeader("X-Request-ID");
    const words = { 403: "You may not do that.", 404: "That is no longer there.", 429: "Too many requests. Wait a moment and try again.", 503: "The service is busy. Try again shortly." };
    toast({ kind: "error", text: `${say(words[status] ?? "Something went wrong.")}${id ? ` ${say("(request {})", id)}` : ""}` });
  });
  document.addEventListener("htmx:sendError", () => toast({ kind: "error", text: say("No connection. Nothing was saved.") }));
  document.addEventListener("htmx:timeout", () => toast({ kind: "error", text: say("The server took too long to answer. Try again.") }));
  // HX-Trigger: {"toast": {kind, text, undo?}}
  document.addEventListener("toast", (event) => toast(event.detail));

  const banner = document.getElementById("offline");
  const connection = () => banner && (banner.hidden = navigator.onLine);
  addEventListener("online", connection);
  addEventListener("offline", connection);
  connection();

  // A menu or an open column chooser closes when the visitor turns elsewhere.
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details.drop[open]")) if (!open.contains(event.target)) open.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.drop[open]")) {
      open.open = false;
      open.querySelector("summary")?.focus();
    }
  });
}
