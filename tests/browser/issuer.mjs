// A provider of OpenID Connect that somebody else wrote, on this machine.
import { createServer } from "node:http";

import Provider from "oidc-provider";

/** What portals call themselves there. */
export const CLIENT = { client_id: "lastmile", client_secret: "a secret of the client's own" };
/** Where portals are called back. */
export const BACK = "/sign-in/sso/callback";

/** Starts it for these portals; answers its address and how to end it. */
export async function startIssuer(portals) {
  const http = createServer();
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${http.address().port}`;
  const provider = new Provider(url, {
    clients: [{ ...CLIENT, redirect_uris: portals.map((portal) => `${portal}${BACK}`) }],
    claims: { email: ["email", "email_verified"], profile: ["name"] },
    cookies: { keys: ["of this test alone"] },
    // Whoever signs in there is who they say: it is the page of a test.
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: `account-of-${id}`, email: id, email_verified: true, name: "Sam Single" }) }),
  });
  http.on("request", provider.callback());
  const stop = () => {
    http.close();
    http.closeAllConnections();
  };
  return { url, stop };
}

/** Turns single sign-on with it on, in the settings of the portal where this page's owner is. */
export async function fillIssuer(page, url, domain) {
  await page.selectOption("#preset", "other");
  await page.fill("#issuer", url);
  await page.fill("#client_id", CLIENT.client_id);
  await page.fill("#client_secret", CLIENT.client_secret);
  await page.fill("#domains", domain);
  await page.selectOption("#default_role_id", { label: "Viewer" });
  await page.getByLabel("On", { exact: true }).check();
  await page.getByRole("button", { name: "Save" }).click();
}

/** At the provider's own pages: signs in, and agrees. */
export async function atTheIssuer(page, url, email) {
  await page.waitForURL(`${url}/interaction/**`);
  await page.fill("[name=login]", email);
  await page.fill("[name=password]", "whatever");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
}
