// Passkeys as somebody sees them, with Chromium's virtual authenticator: invited, accepted with one, signed in without a password, proved
// again, taken away.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { device } from "./authenticators.mjs";
import { THEMES, WIDTHS, findings, inviteCashier, launch, open, overflows, shoot, signIn, signUp } from "./browser.mjs";
import { start } from "./server.mjs";

let server;
let browser;

before(async () => {
  server = await start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const width of WIDTHS) {
  for (const theme of THEMES) {
    test(`invited, in without a password, removed; ${theme}, ${width} px`, async () => {
      const slug = `passkey-${theme}-${width}`;
      const { context, page, complaints } = await open(browser, { width, theme });
      const look = async (at, name) => {
        assert.deepEqual(await findings(at, theme), [], name);
        assert.ok((await overflows(at)) <= 0, `${name} scrolls sideways`);
        await shoot(at, `passkey-${name}-${theme}-${width}`);
      };
      await signUp(page, server, "Passkey Fiber", slug);
      const base = server.at(slug);
      const link = await inviteCashier(page, base, "Kim Keen", `kim@${slug}.example`);

      // Invited: a passkey in the place of a password.
      const other = await open(browser, { width, theme });
      const kim = other.page;
      const phone = await device(kim);
      await kim.goto(link);
      await look(kim, "welcome");
      await kim.getByRole("button", { name: "Use a passkey instead" }).click();
      await kim.getByRole("heading", { name: /^Good / }).waitFor();
      assert.equal((await phone.keys()).length, 1);
      assert.ok((await phone.keys())[0].isResidentCredential);

      // Signed in by it alone, and back to the page that was asked for. A page that is left first does not go to sign in by itself.
      await kim.goto("about:blank");
      await other.context.clearCookies();
      await kim.goto(`${base}/account/mfa`);
      await look(kim, "sign-in");
      await kim.getByRole("button", { name: "Use a passkey" }).click();
      await kim.waitForURL(`${base}/account/mfa`);
      await kim.getByText("My first passkey").first().waitFor();
      await look(kim, "own");

      // A second one, on another device; the first gets a name of its own and goes.
      await phone.client.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: phone.authenticatorId });
      const laptop = await device(kim);
      await kim.fill("#passkey_name", "Laptop");
      await kim.getByRole("button", { name: "Add a passkey" }).click();
      await kim.getByText("The passkey was added.").waitFor();
      assert.equal((await laptop.keys()).length, 1);
      await kim.getByLabel("New name of My first passkey").fill("Old phone");
      await kim.getByRole("button", { name: "Rename My first passkey" }).click();
      await kim.getByText("The passkey has a new name.").waitFor();
      await kim.getByRole("button", { name: "Remove Old phone" }).click();
      await kim.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
      await kim.getByText("The passkey counts no more.").waitFor();
      await look(kim, "one-left");
      await kim.getByRole("button", { name: "Remove Laptop" }).click();
      await kim.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
      await kim.getByText("this is your only way in").waitFor();

      // Shown once more.
      await kim.goto(`${base}/account/prove?next=/account`);
      await look(kim, "prove");
      await kim.getByRole("button", { name: "Use a passkey" }).click();
      await kim.waitForURL(`${base}/account`);

      // The owner adds one, and has it asked for after the password.
      const key = await device(page);
      await page.goto(`${base}/account/mfa`);
      await page.fill("#passkey_name", "Desk key");
      await page.getByRole("button", { name: "Add a passkey" }).click();
      await page.getByText("The passkey was added.").waitFor();
      await look(page, "owner");
      await context.clearCookies();
      await page.goto(`${base}/roles`);
      await signIn(page, `maria@${slug}.example`);
      await page.getByRole("heading", { name: "Second step" }).waitFor();
      await look(page, "second-step");
      await page.getByRole("button", { name: "Use a passkey" }).click();
      await page.waitForURL(`${base}/roles`);

      // A device without it cannot help, and says so.
      await key.client.send("WebAuthn.clearCredentials", { authenticatorId: key.authenticatorId });
      await context.clearCookies();
      await page.goto(`${base}/sign-in`);
      await page.getByRole("button", { name: "Use a passkey" }).click();
      await page.getByText("Nothing was chosen").waitFor();
      await look(page, "nothing");
      assert.deepEqual([...complaints, ...other.complaints], []);
      await other.context.close();
      await context.close();
    });
  }
}
