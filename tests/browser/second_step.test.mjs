// Two-step sign-in as somebody sees it: set up with the key of the page, asked for at the next sign-in, asked for by a role.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { code, turnOn } from "./authenticators.mjs";
import { PASSWORD, THEMES, WIDTHS, findings, inviteCashier, launch, open, overflows, shoot, signIn, signUp } from "./browser.mjs";
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
    test(`set up, signed in with, taken away; ${theme}, ${width} px`, async () => {
      const slug = `second-${theme}-${width}`;
      const { context, page, complaints } = await open(browser, { width, theme });
      const look = async (name) => {
        assert.deepEqual(await findings(page, theme), [], name);
        assert.ok((await overflows(page)) <= 0, `${name} scrolls sideways`);
        await shoot(page, `mfa-${name}-${theme}-${width}`);
      };
      await signUp(page, server, "Second Step Fiber", slug);
      const base = server.at(slug);
      await page.goto(`${base}/account`);
      await look("account");
      await page.getByRole("link", { name: "Set it up" }).click();
      await look("off");
      await page.fill("#current_password", PASSWORD);
      await page.getByRole("button", { name: "Go on" }).click();
      await page.getByRole("img", { name: "QR code for the authenticator app" }).waitFor();
      await look("begun");
      const key = await turnOn(page);
      await page.getByRole("heading", { name: "Two-step sign-in is on" }).waitFor();
      const codes = await page.getByRole("list", { name: "Recovery codes" }).getByRole("listitem").allTextContents();
      assert.equal(codes.length, 10);
      await look("codes");
      await page.getByRole("link", { name: "I have kept them" }).click();
      await look("on");

      // At the next sign-in the code is asked for, and the way back to the page is kept.
      await context.clearCookies();
      await page.goto(`${base}/roles`);
      await signIn(page, `maria@${slug}.example`);
      await page.getByRole("heading", { name: "Second step" }).waitFor();
      await look("code");
      await page.fill("#code", "000000");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("This code is wrong").waitFor();
      await look("code-wrong");
      await page.fill("#code", code(key));
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.waitForURL(`${base}/roles`);
      await page.getByRole("button", { name: "Ask for a second step" }).click();
      await page.getByText("Owners sign in with a second step.").waitFor();
      await look("roles");
      await page.goto(`${base}/account/mfa`);
      await page.getByText("so it stays on").waitFor();
      await look("required");

      // Somebody in a role that asks for it, who has none yet.
      const link = await inviteCashier(page, base, "Kim Keen", `kim@${slug}.example`);
      await page.goto(`${base}/staff?state=invited`);
      await look("invited-list");
      await page.getByRole("link", { name: "Kim Keen" }).click();
      await page.getByRole("button", { name: "Revoke the invitation" }).waitFor();
      await look("invited");
      await page.goto(`${base}/roles`);
      await page.getByRole("link", { name: "Cashier" }).click();
      await page.getByLabel("With a second step").check();
      await look("role");
      await page.getByRole("button", { name: "Save role" }).click();
      await page.getByText("The role Cashier was saved.").waitFor();
      const other = await open(browser, { width, theme });
      await other.page.goto(link);
      await other.page.fill("[name=password]", PASSWORD);
      await other.page.getByRole("button", { name: "Save the password" }).click();
      await signIn(other.page, `kim@${slug}.example`);
      await other.page.getByText("Your role asks for it").waitFor();
      assert.equal(new URL(other.page.url()).pathname, "/account/mfa");
      assert.deepEqual(await findings(other.page, theme), []);
      await shoot(other.page, `mfa-enrol-${theme}-${width}`);
      assert.deepEqual([...complaints, ...other.complaints], []);
      await other.context.close();
      await context.close();
    });
  }
}
