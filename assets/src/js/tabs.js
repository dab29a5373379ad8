// Where tabs do not fit, they scroll: the current one is brought into sight.
export function startTabs() {
  for (const tabs of document.querySelectorAll(".tabs")) {
    const current = tabs.querySelector("[aria-current]");
    if (!current || tabs.scrollWidth <= tabs.clientWidth) continue;
    const [outer, inner] = [tabs.getBoundingClientRect(), current.getBoundingClientRect()];
    tabs.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  }
}
