// The platform's console, as its first person comes to it.
import { createHmac } from "node:crypto";

import { PASSWORD } from "./browser.mjs";

/** The code that an app with this key showed a step ago (RFC 6238): good early in a step, and then so is that of now. */
function code(key) {
  const bits = [...key.replace(/\s/g, "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigInt64BE(BigInt(Math.floor(Date.now() / 30_000) - 1));
  const tag = createHmac("sha1", secret).update(step).digest();
  const at = tag[19] & 15;
  return String((tag.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function earlyInAStep() {
  while (Date.now() % 30_000 > 5_000) await new Promise((resolve) => setTimeout(resolve, 200));
}

/** Joins by the link of the command line and sets the second step up; `look` is told of each page on the way. */
export async function joinConsole(page, server, email, look = async () => {}) {
  const said = server.run("platform", "invite", "--email", email, "--name", "Ada Reyes", "--role", "super-admin");
  await page.goto(said.match(/http\S+/)[0]);
  await look("join");
  await page.fill("#password", PASSWORD);
  await page.getByRole("button", { name: "Go on" }).click();
  const key = await page.getByLabel("Key for the app").textContent();
  await look("enrol");
  await earlyInAStep();
  await page.fill("#code", code(key));
  await page.getByRole("button", { name: "Turn it on" }).click();
  await page.getByRole("heading", { name: "The second step is set up" }).waitFor();
}
