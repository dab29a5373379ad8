// What people prove themselves with: an app that shows codes, and a device that keeps passkeys.
import { createHmac } from "node:crypto";

/** The code that an app with this key shows now, or so many steps later (RFC 6238). */
export function code(key, later = 0) {
  const bits = [...key.replace(/\s/g, "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigInt64BE(BigInt(Math.floor(Date.now() / 30_000) + later));
  const tag = createHmac("sha1", secret).update(step).digest();
  const at = tag[19] & 15;
  return String((tag.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** A code of the step before this one counts in the first ten seconds of a step, and leaves that of now good. */
async function earlyInAStep() {
  while (Date.now() % 30_000 > 5_000) await new Promise((resolve) => setTimeout(resolve, 200));
}

/** Sets the second step up with the key on the page, and leaves the code of now good; answers the key. */
export async function turnOn(page) {
  const key = await page.getByLabel("Key for the app").textContent();
  await earlyInAStep();
  await page.fill("#code", code(key, -1));
  await page.getByRole("button", { name: "Turn it on" }).click();
  return key;
}

/** A device that makes sure of its person and keeps keys that are found without a name. */
export async function device(page) {
  const client = await page.context().newCDPSession(page);
  await client.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
  const { authenticatorId } = await client.send("WebAuthn.addVirtualAuthenticator", { options });
  return { client, authenticatorId, keys: async () => (await client.send("WebAuthn.getCredentials", { authenticatorId })).credentials };
}
