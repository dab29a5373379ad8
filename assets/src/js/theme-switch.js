// Light, dark or what the system says; kept on this device.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

function apply(choice) {
  root.dataset.themeChoice = choice;
  root.dataset.theme = choice === "dark" || (choice === "system" && system.matches) ? "dark" : "light";
  for (const button of document.querySelectorAll("[data-theme-set]")) button.setAttribute("aria-pressed", String(button.dataset.themeSet === choice));
}

export function startTheme() {
  apply(root.dataset.themeChoice || "system");
  system.addEventListener("change", () => apply(root.dataset.themeChoice || "system"));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-set]");
    if (!button) return;
    try {
      localStorage.setItem("lm.theme", button.dataset.themeSet);
    } catch {
      // Storage may be switched off; the choice then lasts for this page.
    }
    apply(button.dataset.themeSet);
  });
}
