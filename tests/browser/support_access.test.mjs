// The platform's console and support access, as people meet them: a sign-up is approved, its owner lets support in, support enters
// and is shown out again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { PASSWORD, THEMES, WIDTHS, findings, launch, open, overflows, shoot } from "./browser.mjs";
import { joinConsole } from "./console.mjs";
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
    test(`approved, let in, shown out; ${theme}, ${width} px`, async () => {
      const slug = `support-${theme}-${width}`;
      const people = await Promise.all([1, 2, 3].map(() => open(browser, { width, theme })));
      const [console_, visitor, owner] = people.map((one) => one.page);
      const look = async (page, name) => {
        assert.deepEqual(await findings(page, theme), [], name);
        assert.ok((await overflows(page)) <= 0, `${name} scrolls sideways`);
        await shoot(page, `console-${name}-${theme}-${width}`);
      };

      // Somebody of the platform joins by the link of the command line.
      await joinConsole(console_, server, `${slug}@platform.example`, (name) => look(console_, name));
      await console_.goto(`${server.base}/console/settings`);
      await console_.selectOption("#signups", "approval");
      await console_.getByRole("button", { name: "Save" }).click();
      await look(console_, "settings");

      // Somebody signs a provider up, and waits.
      await visitor.goto(`${server.base}/signup`);
      await visitor.fill("#company_name", "Cagayan Fiber");
      await visitor.fill("#slug", slug);
      await visitor.fill("#owner_name", "Olive Owner");
      await visitor.fill("#owner_email", `owner@${slug}.example`);
      await visitor.fill("#password", PASSWORD);
      await visitor.locator("form[action='/signup'] button[type=submit]").click();
      await visitor.getByRole("heading", { name: "Thank you" }).waitFor();
      await look(visitor, "waits");
      await console_.goto(`${server.base}/console/signups`);
      await look(console_, "signups");
      await console_.getByRole("listitem").filter({ hasText: slug }).getByRole("button", { name: "Approve" }).click();
      await console_.getByText("has a portal, and was told").waitFor();

      // The owner lets support in.
      await owner.goto(`${server.at(slug)}/sign-in`);
      await owner.fill("#email", `owner@${slug}.example`);
      await owner.fill("#password", PASSWORD);
      await owner.getByRole("button", { name: "Sign in" }).click();
      await owner.waitForURL(`${server.at(slug)}/`);
      await owner.goto(`${server.at(slug)}/settings/support`);
      await look(owner, "owner-off");
      await owner.getByRole("button", { name: "Turn on" }).click();
      await look(owner, "owner-on");
      await owner.fill("#reason", "A receipt is missing");
      await owner.getByRole("button", { name: "Let support in" }).click();
      await owner.getByText("Support is let in").waitFor();
      await look(owner, "owner-open");

      // Support comes in from the console, and sees under what.
      await console_.goto(`${server.base}/console/tenants?q=${slug}`);
      await look(console_, "tenants");
      await console_.getByRole("link", { name: "Cagayan Fiber" }).click();
      await look(console_, "tenant");
      await console_.getByRole("button", { name: "Enter the portal" }).click();
      await console_.waitForURL(/support\/enter/);
      await look(console_, "enter");
      await console_.getByRole("button", { name: "Enter" }).click();
      await console_.getByText("You are here for support").waitFor();
      await look(console_, "inside");
      await console_.goto(`${server.at(slug)}/customers`);
      assert.equal(await console_.getByText("You are here for support").count(), 1);

      // The owner ends it from any page; whoever was in is out.
      await owner.goto(`${server.at(slug)}/customers`);
      await owner.getByRole("button", { name: "End it now" }).click();
      await owner.getByText("Support access has ended").waitFor();
      await look(owner, "owner-ended");
      await console_.goto(`${server.at(slug)}/customers`);
      await console_.waitForURL(/sign-in/);

      await console_.goto(`${server.base}/console/log`);
      await look(console_, "log");
      await console_.goto(`${server.base}/console/people`);
      await look(console_, "people");
      await console_.getByRole("link", { name: "Ada Reyes" }).first().click();
      await look(console_, "person");
      await console_.goto(`${server.base}/console/people/new`);
      await look(console_, "invite");
      await console_.goto(`${server.base}/console/account`);
      await look(console_, "account");
      for (const { context, complaints } of people) {
        assert.deepEqual(complaints, []);
        await context.close();
      }
    });
  }
}
