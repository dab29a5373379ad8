// <form data-confirm="Delete Ana Cruz?" data-confirm-detail=".." data-confirm-label="Delete" [data-confirm-type="word to type"]>
import { say } from "./words.js";

export function startConfirm() {
  const dialog = document.getElementById("confirm");
  if (!dialog) return;
  const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
  const yes = part("yes");
  const typed = part("typed");
  let waiting = null;

  const ready = () => {
    const word = waiting?.form.dataset.confirmType;
    yes.disabled = Boolean(word) && typed.value.trim() !== word;
  };
  typed.addEventListener("input", ready);

  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      const source = event.submitter?.dataset.confirm ? event.submitter : form;
      if (!source.dataset?.confirm || form.dataset.confirmed) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      waiting = { form: source, target: form, submitter: event.submitter };
      part("title").textContent = source.dataset.confirm;
      part("detail").textContent = source.dataset.confirmDetail || "";
      yes.textContent = source.dataset.confirmLabel || say("Continue");
      const word = source.dataset.confirmType;
      part("type").hidden = !word;
      part("word").textContent = word || "";
      typed.value = "";
      ready();
      dialog.showModal();
      (word ? typed : part("no")).focus();
    },
    true,
  );

  const send = () => {
    if (!waiting || yes.disabled) return;
    const { target, submitter } = waiting;
    dialog.close();
    target.dataset.confirmed = "1";
    target.requestSubmit(submitter ?? undefined);
    delete target.dataset.confirmed;
  };
  yes.addEventListener("click", send);
  typed.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      send();
    }
  });
  part("no").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    waiting?.submitter?.focus();
    waiting = null;
  });
}
