import { say } from "./words.js";

/** A value with a button that copies it. */
export const copy = () => ({
  done: false,
  get label() {
    return say(this.done ? "Copied" : "Copy");
  },
  async copy() {
    const source = this.$root.querySelector("[data-copy]");
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
    } catch {
      // Without the clipboard the text is selected, ready for Ctrl-C.
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      return;
    }
    this.done = true;
    setTimeout(() => (this.done = false), 2000);
  },
});

const channel = (value) => {
  const part = value / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
};
const luminance = (hex) => {
  const [r, g, b] = [1, 3, 5].map((at) => channel(Number.parseInt(hex.slice(at, at + 2), 16)));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

/** The accent colour: a picker and a text box that agree, a preview, and the contrast of its text (WCAG 2.2). */
export const accent = () => ({
  ratio: 0,
  init() {
    this.text = this.$root.querySelector("[data-accent-text]");
    this.picker = this.$root.querySelector("[data-accent-picker]");
    this.show(this.text.value);
  },
  typed() {
    this.show(this.text.value);
  },
  chosen() {
    this.text.value = this.picker.value;
    this.show(this.picker.value);
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
  },
  show(value) {
    const hex = value.trim().toLowerCase();
    if (!/^#[0-9a-f]{6}$/.test(hex)) {
      this.ratio = 0;
      return;
    }
    this.picker.value = hex;
    const back = luminance(hex);
    const onWhite = 1.05 / (back + 0.05);
    const onInk = (back + 0.05) / (luminance("#14202b") + 0.05);
    const onBlack = (back + 0.05) / 0.05;
    // As the server decides: white or ink where one of them reads well, else black or white, one of which always does.
    const [content, ratio] =
      Math.max(onWhite, onInk) >= 4.5
        ? onWhite >= onInk ? ["#ffffff", onWhite] : ["#14202b", onInk]
        : onBlack >= onWhite ? ["#000000", onBlack] : ["#ffffff", onWhite];
    this.ratio = ratio;
    for (const sample of document.querySelectorAll(".brand-preview")) {
      sample.style.setProperty("--preview", hex);
      sample.style.setProperty("--preview-content", content);
    }
  },
  get valid() {
    return this.ratio > 0;
  },
  get good() {
    return this.ratio >= 4.5;
  },
  get weak() {
    return this.ratio > 0 && this.ratio < 4.5;
  },
  get words() {
    return say("Contrast {} : 1", this.ratio.toFixed(1));
  },
});

/** One category of the permission catalogue: all or none at once. */
export const permissions = () => ({
  picked: 0,
  size: 0,
  init() {
    this.count();
  },
  boxes() {
    return [...this.$root.querySelectorAll('input[name="permissions"]:not(:disabled)')];
  },
  count() {
    const boxes = this.boxes();
    this.size = boxes.length;
    this.picked = boxes.filter((box) => box.checked).length;
  },
  all() {
    const on = this.picked < this.size;
    for (const box of this.boxes()) {
      if (box.checked !== on) {
        box.checked = on;
        box.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
    this.count();
  },
  get summary() {
    return say("{} of {}", this.picked, this.size);
  },
  get action() {
    return say(this.picked < this.size ? "Select all" : "Select none");
  },
});

/** The next step of a ticket: what it takes is asked for when it is chosen. */
export const step = () => ({
  to: "",
  init() {
    this.choose();
  },
  choose() {
    this.to = this.$root.querySelector('[name="status"]').value;
  },
  get resolves() {
    return this.to === "resolved";
  },
  get needsSomebody() {
    return this.to === "assigned" || this.to === "in_progress";
  },
});
