// Short messages at the bottom: success leaves after a while (not while it is pointed at or focused), failure stays until it is closed.
import { csrfToken } from "./requests.js";

const stay = 8000;

function watch(element) {
  element.querySelector("[data-close]")?.addEventListener("click", () => element.remove());
  if (element.dataset.kind === "error") return;
  let timer;
  const start = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (element.contains(document.activeElement)) start();
      else element.remove();
    }, stay);
  };
  element.addEventListener("mouseenter", () => clearTimeout(timer));
  element.addEventListener("mouseleave", start);
  start();
}

export function toast({ kind = "success", text, undo }) {
  const region = document.getElementById(kind === "error" ? "alerts" : "toasts");
  const shape = document.getElementById("toast-shape");
  if (!region || !shape || !text) return;
  const element = shape.content.firstElementChild.cloneNode(true);
  element.dataset.kind = kind;
  element.classList.toggle("toast-error", kind === "error");
  element.querySelector("[data-text]").textContent = text;
  const form = element.querySelector("form");
  if (undo?.action) {
    form.action = undo.action;
    form.querySelector('[name="_csrf"]').value = undo.csrf || csrfToken();
  } else form.remove();
  region.append(element);
  watch(element);
}

export function startToasts() {
  for (const element of document.querySelectorAll("[data-toast]")) watch(element);
}
