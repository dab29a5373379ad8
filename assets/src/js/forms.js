// Focus goes to the summary of what is wrong; an edited form is not left by accident; a form is sent once.
export function startForms() {
  focusFirstError(document);
  // One step that needs nothing from the person, and a button for when this file has not loaded.
  document.querySelector("form[data-autosubmit]")?.requestSubmit();
  document.addEventListener("htmx:afterSwap", (event) => focusFirstError(event.detail.target));

  let dirty = false;
  document.addEventListener("input", (event) => {
    if (event.target.closest("form[data-guard]")) dirty = true;
  });
  document.addEventListener("submit", (event) => {
    dirty = false;
    const form = event.target;
    // The button is put to sleep after the browser has read its name and value.
    if (form.method !== "dialog" && form.method === "post" && !form.hasAttribute("hx-post") && !event.defaultPrevented)
      setTimeout(() => {
        for (const button of form.querySelectorAll('button[type="submit"], button:not([type])')) button.disabled = true;
      });
  });
  addEventListener("beforeunload", (event) => {
    if (dirty) event.preventDefault();
  });
  // A page taken back from the browser's own memory must not come back with its buttons asleep.
  addEventListener("pageshow", (event) => {
    if (event.persisted) for (const button of document.querySelectorAll("form button:disabled:not([data-off])")) button.disabled = false;
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-auto-submit]")) event.target.form?.requestSubmit();
    // A canned text goes to the end of what was written already.
    const into = event.target.matches("[data-insert-into]") && document.getElementById(event.target.dataset.insertInto);
    if (into && event.target.value) {
      into.value = [into.value.trimEnd(), event.target.value].filter(Boolean).join("\n\n");
      into.dispatchEvent(new Event("input", { bubbles: true }));
      event.target.value = "";
      into.focus();
    }
  });
  document.addEventListener("click", (event) => {
    const toggle = event.target.closest("[data-reveal]");
    if (toggle) {
      const input = document.getElementById(toggle.dataset.reveal);
      if (!input) return;
      const shown = input.type === "text";
      input.type = shown ? "password" : "text";
      toggle.setAttribute("aria-pressed", String(!shown));
    }
    if (event.target.closest("[data-print]")) print();
  });
}

function focusFirstError(within) {
  const summary = within?.querySelector?.("[data-error-summary]");
  if (summary) summary.focus();
}
