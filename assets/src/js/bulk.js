// Selection in a list: the page's rows, or all that match the filter.
import { say } from "./words.js";

export const bulk = () => ({
  picked: 0,
  all: false,
  total: 0,
  more: false,
  onPage: 0,

  init() {
    this.read();
    this.$root.addEventListener("htmx:afterSwap", () => this.read());
    // Enter on a box would press the first button that is awake, and change all that are picked.
    this.$root.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches('[data-pick-all], input[name="ids"]')) event.preventDefault();
    });
  },
  read() {
    const list = this.$root.querySelector("[data-list-total]");
    // Without a count (it is asked for only at times) there may still be more than this page shows.
    this.total = Number(list?.dataset.listTotal || 0);
    this.more = Boolean(list?.dataset.listMore);
    this.all = false;
    this.count();
  },
  boxes() {
    return [...this.$root.querySelectorAll('input[name="ids"]')];
  },
  count() {
    const boxes = this.boxes();
    this.onPage = boxes.length;
    this.picked = boxes.filter((box) => box.checked).length;
    const head = this.$root.querySelector("[data-pick-all]");
    if (head) {
      head.checked = boxes.length > 0 && this.picked === boxes.length;
      head.indeterminate = this.picked > 0 && this.picked < boxes.length;
    }
    if (this.picked < boxes.length) this.all = false;
  },
  changed(event) {
    if (event.target.matches("[data-pick-all]")) for (const box of this.boxes()) box.checked = event.target.checked;
    if (event.target.matches('[data-pick-all], input[name="ids"]')) this.count();
  },
  everything() {
    this.all = true;
  },
  clear() {
    for (const box of this.boxes()) box.checked = false;
    this.all = false;
    this.count();
  },
  get some() {
    return this.picked > 0;
  },
  get offerAll() {
    return !this.all && this.picked > 0 && this.picked === this.onPage && (this.more || this.total > this.onPage);
  },
  get label() {
    if (!this.all) return say("{} selected", this.picked);
    return this.total ? say("All {} selected", this.total.toLocaleString()) : say("All that match selected");
  },
  get deleteWords() {
    if (this.all && !this.total) return say("Delete all customers that match?");
    const count = this.all ? this.total : this.picked;
    return count === 1 ? say("Delete this customer?") : say("Delete {} customers?", count.toLocaleString());
  },
  get allLabel() {
    return this.total ? say("Select all {} that match", this.total.toLocaleString()) : say("Select all that match");
  },
  get scope() {
    return this.all ? "all" : "ids";
  },
});
