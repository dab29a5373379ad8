// Runs before the first paint, so that a dark page never flashes white. Loaded as a blocking script in <head>.
const root = document.documentElement;
let choice = "system";
try {
  choice = localStorage.getItem("lm.theme") || root.dataset.themeChoice || "system";
} catch {
  choice = root.dataset.themeChoice || "system";
}
const dark = choice === "dark" || (choice === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
root.dataset.theme = dark ? "dark" : "light";
root.dataset.themeChoice = choice;
root.classList.add("has-js");
