// Keyboard shortcuts. Those of a single letter can be switched off (WCAG 2.1.4); the choice is kept on this device.
const store = "lm.keys";
const read = () => {
  try {
    return localStorage.getItem(store) !== "off";
  } catch {
    return true;
  }
};

export function startKeys() {
  const dialog = document.getElementById("shortcuts");
  let on = read();
  let lead = 0;

  for (const box of document.querySelectorAll("[data-keys-switch]")) {
    box.checked = on;
    box.addEventListener("change", () => {
      on = box.checked;
      try {
        localStorage.setItem(store, on ? "on" : "off");
      } catch {
        // Storage may be switched off; the choice then lasts for this page.
      }
    });
  }
  for (const opener of document.querySelectorAll("[data-open-shortcuts]"))
    opener.addEventListener("click", (event) => {
      if (!dialog) return;
      event.preventDefault();
      opener.closest("[popover]")?.hidePopover();
      dialog.showModal();
    });
  for (const closer of document.querySelectorAll("dialog [data-close-dialog]")) closer.addEventListener("click", () => closer.closest("dialog").close());

  document.addEventListener("keydown", (event) => {
    if (!on || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog[open], .leaflet-container")) return;
    if (event.key === "?" && dialog) {
      event.preventDefault();
      dialog.showModal();
      return;
    }
    if (event.key === "/") {
      const search = document.querySelector("[data-list-search]") ?? document.querySelector("[data-open-palette]");
      if (search) {
        event.preventDefault();
        if (search.matches("input")) search.focus();
        else search.click();
      }
      return;
    }
    const now = Date.now();
    const key = event.key.toLowerCase();
    if (key === "g") {
      lead = now;
      return;
    }
    const wanted = now - lead < 1200 ? `g ${key}` : key;
    lead = 0;
    const target = [...document.querySelectorAll("[data-key]")].find((element) => element.dataset.key === wanted);
    if (target) {
      event.preventDefault();
      target.click();
    } else if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
  });
}

/** j and k walk the rows of a list; Enter then opens the focused one, as any link. */
function move(step) {
  const rows = [...document.querySelectorAll("table tbody .row-link")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, at + step))].focus();
}
