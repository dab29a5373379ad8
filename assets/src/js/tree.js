// The plant's tree: opens and closes the list at once, and draws the same tree as a diagram that the arrow keys walk through.
import { say } from "./words.js";

const box = document.querySelector("[data-tree]");
const list = box?.querySelector("[data-tree-list]");
const diagram = box?.querySelector("[data-tree-diagram]");

/** A small tree is shown whole. */
const isSmall = (list?.querySelectorAll("li").length ?? 0) <= 60;

/** One node of the list as a treeitem, with its children in a group. */
function drawn(item, level) {
  const line = item.querySelector(":scope > .plant-line");
  const link = line.querySelector("a");
  const node = document.createElement("li");
  node.setAttribute("role", "treeitem");
  node.setAttribute("aria-level", String(level));
  node.tabIndex = -1;
  node.dataset.href = link.href;
  const card = document.createElement("span");
  card.className = "plant-card";
  Object.assign(card.dataset, line.dataset);
  const code = document.createElement("strong");
  code.textContent = link.textContent;
  const about = document.createElement("span");
  about.textContent = [...line.querySelectorAll(".muted")].slice(0, 2).map((part) => part.textContent).join(", ");
  const ports = line.querySelector(".fill").cloneNode(true);
  card.append(code, about, ports);
  const state = line.querySelector(".badge");
  if (state) card.append(state.cloneNode(true));
  node.append(card);
  node.setAttribute("aria-label", [...card.children].map((part) => part.textContent).join(", "));
  const below = item.querySelectorAll(":scope > details > ul > li");
  if (below.length) {
    const group = document.createElement("ul");
    group.setAttribute("role", "group");
    group.append(...[...below].map((child) => drawn(child, level + 1)));
    node.append(group);
    fold(node, level < 3 || isSmall);
  }
  return node;
}

function fold(node, open) {
  node.setAttribute("aria-expanded", String(open));
  node.querySelector(":scope > ul").hidden = !open;
}

function draw() {
  const root = document.createElement("ul");
  root.setAttribute("role", "tree");
  root.setAttribute("aria-label", say("Plant. Arrow keys walk through it, Enter opens the page."));
  root.append(...[...list.querySelectorAll(":scope > ul > li")].map((item) => drawn(item, 1)));
  diagram.replaceChildren(root);
  if (root.firstElementChild) root.firstElementChild.tabIndex = 0;
}

function walk(event) {
  const node = event.target.closest("[role=treeitem]");
  if (!node) return;
  const shown = [...diagram.querySelectorAll("[role=treeitem]")].filter((one) => !one.parentElement.closest("ul[hidden]"));
  const at = shown.indexOf(node);
  const expanded = node.getAttribute("aria-expanded");
  const above = node.parentElement.closest("[role=treeitem]");
  const moves = {
    ArrowDown: () => shown[at + 1],
    ArrowUp: () => shown[at - 1],
    Home: () => shown[0],
    End: () => shown.at(-1),
    ArrowRight: () => (expanded === "false" ? void fold(node, true) : node.querySelector(":scope > ul > li")),
    ArrowLeft: () => (expanded === "true" ? void fold(node, false) : above),
    Enter: () => void location.assign(node.dataset.href),
    " ": () => void (expanded && fold(node, expanded === "false")),
  };
  if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  focus(moves[event.key]());
}

function focus(node) {
  if (!node) return;
  diagram.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
  node.tabIndex = 0;
  node.focus();
}

function view(name) {
  const isDiagram = name === "diagram";
  for (const button of box.querySelectorAll("[data-tree-view]")) button.setAttribute("aria-pressed", String(button.dataset.treeView === name));
  if (isDiagram && !diagram.firstChild) draw();
  list.hidden = isDiagram;
  diagram.hidden = !isDiagram;
}

if (list && diagram) {
  box.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-tree-view]");
    if (chosen) view(chosen.dataset.treeView);
    const all = event.target.closest("[data-tree-open], [data-tree-close]");
    if (all) {
      const open = "treeOpen" in all.dataset;
      for (const details of list.querySelectorAll("details")) details.open = open;
      for (const node of diagram.querySelectorAll("[aria-expanded]")) fold(node, open);
    }
  });
  diagram.addEventListener("keydown", walk);
  diagram.addEventListener("click", (event) => {
    const node = event.target.closest("[role=treeitem]");
    if (!node) return;
    focus(node);
    if (node.hasAttribute("aria-expanded")) fold(node, node.getAttribute("aria-expanded") === "false");
  });
  diagram.addEventListener("dblclick", (event) => {
    const node = event.target.closest("[role=treeitem]");
    if (node) location.assign(node.dataset.href);
  });
}
