// <form data-passkey="get|create" data-begin="/path" action="/path" method="post"> with hidden fields `challenge` and `answer`: asks the
// server what the device is to sign, the device for its answer, and sends that with the form.
import { say } from "./words.js";

export function startPasskeys() {
  if (!window.PublicKeyCredential) {
    for (const form of document.querySelectorAll("form[data-passkey]")) form.hidden = true;
    for (const note of document.querySelectorAll("[data-no-passkeys]")) note.hidden = false;
    return;
  }
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.passkey || form.elements.answer.value) return;
    event.preventDefault();
    tell(form, "");
    const button = form.querySelector('button[type="submit"]');
    button.disabled = true;
    try {
      const begun = await fetch(form.dataset.begin, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" } });
      // Another page answers: who they are has to be shown first.
      if (begun.redirected) {
        location.assign(begun.url);
        return;
      }
      if (!begun.ok) throw new Error(begun.status === 429 ? "Too many requests. Wait a moment and try again." : "This cannot be done now. Reload the page and try again.");
      const { challenge, options } = await begun.json();
      const credential = form.dataset.passkey === "create" ? await navigator.credentials.create({ publicKey: forCreation(options) }) : await navigator.credentials.get({ publicKey: forShowing(options) });
      form.elements.challenge.value = challenge;
      form.elements.answer.value = JSON.stringify(answer(credential));
      button.disabled = false;
      form.requestSubmit(button);
    } catch (error) {
      button.disabled = false;
      tell(form, wordsFor(error));
    }
  });
  // A page taken back from the browser's memory must not send an answer twice.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-passkey]")) form.elements.answer.value = "";
  });
}

function tell(form, text) {
  const place = form.querySelector("[data-passkey-problem]");
  place.textContent = say(text);
  place.hidden = !text;
}

function wordsFor(error) {
  if (error.name === "NotAllowedError") return "Nothing was chosen, or it took too long. Try again.";
  if (error.name === "InvalidStateError") return "This device holds a passkey for you already.";
  if (error instanceof DOMException) return "This browser cannot use a passkey here.";
  return error.message;
}

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const known = (list) => list?.map((each) => ({ ...each, id: bytes(each.id) }));

const forShowing = (options) => ({ ...options, challenge: bytes(options.challenge), allowCredentials: known(options.allowCredentials) });

const forCreation = (options) => ({
  ...options,
  challenge: bytes(options.challenge),
  user: { ...options.user, id: bytes(options.user.id) },
  excludeCredentials: known(options.excludeCredentials),
});

function answer(credential) {
  const { response } = credential;
  const parts = { clientDataJSON: text(response.clientDataJSON) };
  if (response.attestationObject) {
    parts.attestationObject = text(response.attestationObject);
    parts.transports = response.getTransports?.() ?? [];
  } else {
    parts.authenticatorData = text(response.authenticatorData);
    parts.signature = text(response.signature);
    parts.userHandle = response.userHandle ? text(response.userHandle) : null;
  }
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, extensions: {}, response: parts };
}
