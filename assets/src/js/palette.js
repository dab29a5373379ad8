// Cmd/Ctrl-K: one box that finds records, pages and actions. The server answers GET /search?q= with a list of options.
export function startPalette(htmx) {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("#palette-list");
  const options = () => [...list.querySelectorAll('[role="option"]')];
  let current = -1;

  const choose = (index) => {
    const all = options();
    current = all.length ? (index + all.length) % all.length : -1;
    all.forEach((option, at) => option.setAttribute("aria-selected", String(at === current)));
    const option = all[current];
    if (option) {
      option.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", option.id);
    } else input.removeAttribute("aria-activedescendant");
  };

  const open = () => {
    if (dialog.open) return;
    document.querySelectorAll("[popover]:popover-open").forEach((menu) => menu.hidePopover());
    dialog.showModal();
    input.select();
    if (!options().length) htmx.trigger(input, "palette-open");
  };

  document.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (dialog.open) dialog.close();
      else open();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open-palette]")) {
      event.preventDefault();
      open();
    } else if (event.target === dialog) dialog.close();
  });
  list.addEventListener("htmx:afterSwap", () => choose(0));
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(current + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      options()[current]?.click();
    }
  });
  // Options lie out of the tab order (the box keeps the focus), so a click is followed by hand.
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[data-href]");
    if (!option) return;
    event.preventDefault();
    if (event.metaKey || event.ctrlKey) window.open(option.dataset.href, "_blank", "noopener");
    else {
      dialog.close();
      location.assign(option.dataset.href);
    }
  });
}
