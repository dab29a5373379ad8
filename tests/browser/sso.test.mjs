// Single sign-on as an owner and a newcomer see it, against a provider of OpenID Connect that somebody else wrote.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { THEMES, WIDTHS, findings, launch, open, overflows, shoot, signUp } from "./browser.mjs";
import { BACK, CLIENT, atTheIssuer, fillIssuer, startIssuer } from "./issuer.mjs";
import { start } from "./server.mjs";

const slugs = WIDTHS.flatMap((width) => THEMES.map((theme) => `sso-${theme}-${width}`));

let server;
let browser;
let issuer;

before(async () => {
  server = await start({ LASTMILE_OUTBOUND__ALLOWED_NETWORKS: '["127.0.0.0/8"]' });
  issuer = await startIssuer(slugs.map((slug) => server.at(slug)));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  issuer?.stop();
  await server?.stop();
});

for (const width of WIDTHS) {
  for (const theme of THEMES) {
    test(`set up, come by, the only way in; ${theme}, ${width} px`, async () => {
      const slug = `sso-${theme}-${width}`;
      const { context, page, complaints } = await open(browser, { width, theme });
      const look = async (at, name) => {
        assert.deepEqual(await findings(at, theme), [], name);
        assert.ok((await overflows(at)) <= 0, `${name} scrolls sideways`);
        await shoot(at, `sso-${name}-${theme}-${width}`);
      };
      await signUp(page, server, "Single Fiber", slug);
      const base = server.at(slug);
      await page.goto(`${base}/settings/company`);
      await page.getByRole("link", { name: "Single sign-on" }).click();
      await look(page, "empty");
      assert.equal((await page.getByLabel("Redirect URI").textContent()).trim(), `${base}${BACK}`);
      await fillIssuer(page, "http://127.0.0.1:1", `${slug}.example`);
      await page.getByText("The issuer could not be asked").first().waitFor();
      await look(page, "unreachable");
      await page.fill("#issuer", issuer.url);
      await page.fill("#client_secret", CLIENT.client_secret);
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Single sign-on is on.").waitFor();
      await look(page, "on");

      // Somebody new asks for a page, and has it when they are back.
      const other = await open(browser, { width, theme });
      const sam = other.page;
      await sam.goto(`${base}/customers`);
      await look(sam, "sign-in");
      await sam.getByRole("link", { name: "Sign in with your work account" }).click();
      await atTheIssuer(sam, issuer.url, `sam@${slug}.example`);
      await sam.waitForURL(`${base}/customers`);
      await sam.getByRole("heading", { name: "Customers", exact: true }).waitFor();

      // Somebody of elsewhere is told that they cannot come in.
      const stranger = await open(browser, { width, theme });
      await stranger.page.goto(`${base}/sign-in`);
      await stranger.page.getByRole("link", { name: "Sign in with your work account" }).click();
      await atTheIssuer(stranger.page, issuer.url, "sam@elsewhere.example");
      await stranger.page.getByText("Addresses of your domain do not sign in here.").waitFor();
      await look(stranger.page, "refused");

      // An open page would say in the console that it was signed out.
      await sam.goto("about:blank");
      // The only way in: whoever has a password is told so, and the colleague's page shows how they come.
      await page.getByLabel("The only way in").check();
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Single sign-on is on.").waitFor();
      await page.goto(`${base}/staff`);
      await page.getByRole("link", { name: "Sam Single" }).click();
      await page.getByRole("button", { name: "Forget single sign-on" }).waitFor();
      await look(page, "colleague");
      await sam.goto(`${base}/customers`);
      await sam.getByText("opens to owners only").waitFor();
      await look(sam, "only");
      assert.deepEqual([...complaints, ...other.complaints], []);
      for (const each of [context, other.context, stranger.context]) await each.close();
    });
  }
}
