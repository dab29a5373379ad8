// The server that speaks as providers and payment processors do.
import { spawn } from "node:child_process";
import path from "node:path";

import { program } from "./server.mjs";

/** A server that speaks the providers' protocols: where it is, what to enter, and how to tell it things. */
export async function startProviders() {
  const child = spawn(path.join(path.dirname(program), "examples", "fake_providers"), [], { stdio: ["pipe", "pipe", "inherit"] });
  const line = await new Promise((resolve) => {
    let text = "";
    child.stdout.on("data", (chunk) => (text += chunk).includes("\n") && resolve(text));
  });
  const { url, credentials } = JSON.parse(line);
  const tell = (what, body) => fetch(`${url}/_/${what}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const taken = async (kind) => (await (await fetch(`${url}/_/taken`)).json()).filter((one) => one.provider === kind);
  return { url, credentials, tell, taken, stop: () => child.stdin.end() };
}

/** The settings of a server whose payments in pesos go there. */
export function payingAt({ credentials }) {
  const { secret_key, webhook_secret, base_url } = credentials.paymongo;
  return {
    LASTMILE_OUTBOUND__ALLOWED_NETWORKS: '["127.0.0.0/8"]',
    LASTMILE_PAYMENTS__PAYMONGO__SECRET_KEY: secret_key,
    LASTMILE_PAYMENTS__PAYMONGO__WEBHOOK_SECRET: webhook_secret,
    LASTMILE_PAYMENTS__PAYMONGO__BASE_URL: base_url,
  };
}
