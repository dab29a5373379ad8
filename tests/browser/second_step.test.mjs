// Two-step sign-in as somebody sees it: set up with the key of the page, asked for at the next sign-in, asked for by a role.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";

import { PASSWORD, THEMES, WIDTHS, findings, launch, open, overflows, shoot, signUp } from "./browser.mjs";
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

/** The code that an app with this key shows now, or so many steps later (RFC 6238). */
function code(key, later = 0) {
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
      const key = await page.getByLabel("Key for the app").textContent();
      await page.getByRole("img", { name: "QR code for the authenticator app" }).waitFor();
      await look("begun");
      await earlyInAStep();
      await page.fill("#code", code(key, -1));
      await page.getByRole("button", { name: "Turn it on" }).click();
      await page.getByRole("heading", { name: "Two-step sign-in is on" }).waitFor();
      const codes = await page.getByRole("list", { name: "Recovery codes" }).getByRole("listitem").allTextContents();
      assert.equal(codes.length, 10);
      await look("codes");
      await page.getByRole("link", { name: "I have kept them" }).click();
      await look("on");

      // At the next sign-in the code is asked for, and the way back to the page is kept.
      await context.clearCookies();
      await page.goto(`${base}/roles`);
      await page.fill("[name=email]", `maria@${slug}.example`);
      await page.fill("[name=password]", PASSWORD);
      await page.getByRole("button", { name: "Sign in" }).click();
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
      await page.goto(`${base}/staff/new`);
      await page.fill("[name=name]", "Kim Keen");
      await page.fill("[name=email]", `kim@${slug}.example`);
      await page.getByLabel("Cashier").check();
      await page.getByRole("button", { name: "Add and make the link" }).click();
      const link = await page.getByLabel("Sign-in link").textContent();
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
      await other.page.fill("[name=email]", `kim@${slug}.example`);
      await other.page.fill("[name=password]", PASSWORD);
      await other.page.getByRole("button", { name: "Sign in" }).click();
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
