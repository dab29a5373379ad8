// A provider from its first day to its last, as people meet it: asked for and approved, stopped by its plan and on a larger one, its
// data taken along, closed; and then nothing of it is left.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { PASSWORD, WIDTHS, findings, launch, open, overflows, shoot } from "./browser.mjs";
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

/** A plan with so many customers that owners may choose. */
async function addPlan(page, { code, name, customers, isDefault }) {
  await page.goto(`${server.base}/console/plans/new`);
  await page.fill("#code", code);
  await page.fill("#name", name);
  await page.fill("#monthly_price", "500");
  if (customers) await page.fill("#customers", String(customers));
  await page.check("#is_offered");
  if (isDefault) await page.check("#is_default");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/console/plans");
}

async function addCustomer(page, portal, first) {
  await page.goto(`${portal}/customers/new`);
  await page.fill("#first_name", first);
  await page.fill("#last_name", "Cruz");
  await page.getByRole("button", { name: "Add customer" }).click();
}

for (const width of WIDTHS) {
  test(`from the first day to the last, ${width} px`, async () => {
    const slug = `life-${width}`;
    const portal = server.at(slug);
    const opened = await Promise.all([1, 2].map(() => open(browser, { width, theme: "light" })));
    const [boss, owner] = opened.map((one) => one.page);
    const look = async (page, name) => {
      assert.deepEqual(await findings(page), [], name);
      assert.ok((await overflows(page)) <= 0, `${name} scrolls sideways`);
      await shoot(page, `life-${name}-${width}`);
    };
    await joinConsole(boss, server, `boss-${width}@platform.example`);
    await addPlan(boss, { code: `one-${width}`, name: `One ${width}`, customers: 1, isDefault: true });
    await addPlan(boss, { code: `more-${width}`, name: `More ${width}` });
    await boss.goto(`${server.base}/console/settings`);
    await boss.selectOption("#signups", "approval");
    await boss.getByRole("button", { name: "Save" }).click();

    // Asked for, approved.
    await owner.goto(`${server.base}/signup`);
    for (const [field, text] of Object.entries({ company_name: "Life Fiber", slug, owner_name: "Olive Owner", owner_email: `owner@${slug}.example`, password: PASSWORD }))
      await owner.fill(`#${field}`, text);
    await owner.locator("form[action='/signup'] button[type=submit]").click();
    await owner.getByRole("heading", { name: "Thank you" }).waitFor();
    await boss.goto(`${server.base}/console/signups`);
    await boss.getByRole("listitem").filter({ hasText: slug }).getByRole("button", { name: "Approve" }).click();
    await boss.getByText("has a portal, and was told").waitFor();
    await owner.goto(`${portal}/sign-in`);
    await owner.fill("#email", `owner@${slug}.example`);
    await owner.fill("#password", PASSWORD);
    await owner.getByRole("button", { name: "Sign in" }).click();
    await owner.waitForURL(`${portal}/`);

    // Stopped by the plan, on a larger one, and on.
    await addCustomer(owner, portal, "Ana");
    await owner.waitForURL(/\/customers\/[0-9a-f-]{36}$/);
    await addCustomer(owner, portal, "Ben");
    await owner.getByText("An owner can choose a larger plan").waitFor();
    await look(owner, "limit");
    await owner.goto(`${portal}/settings/plan`);
    await look(owner, "plan");
    await owner.getByRole("button", { name: `Choose More ${width}` }).click();
    await owner.getByRole("button", { name: "Change", exact: true }).click();
    await owner.locator("p.text-lg", { hasText: `More ${width}` }).waitFor();
    await addCustomer(owner, portal, "Ben");
    await owner.waitForURL(/\/customers\/[0-9a-f-]{36}$/);

    // The data is taken along.
    await owner.goto(`${portal}/settings/takeouts`);
    await owner.getByRole("button", { name: "Make the file" }).click();
    const link = owner.getByRole("link", { name: "Download" });
    await link.waitFor({ timeout: 60_000 });
    await look(owner, "data");
    const [download] = await Promise.all([owner.waitForEvent("download"), link.click()]);
    const file = readFileSync(await download.path());
    assert.equal(file.subarray(0, 2).toString(), "PK");
    assert.ok(file.includes("manifest.json"));

    // Closed: not served from that moment on, and once its grace is over nothing is left.
    await boss.goto(`${server.base}/console/tenants?q=${slug}`);
    await boss.getByRole("link", { name: "Life Fiber" }).click();
    await boss.getByText("Close this provider…").click();
    await boss.fill("#close-reason", "They sold their business");
    await boss.fill("#close-slug", slug);
    await boss.getByRole("button", { name: "Close", exact: true }).click();
    await boss.getByText("This provider is closing").waitFor();
    await look(boss, "closing");
    const answer = await owner.goto(`${portal}/customers`);
    assert.ok(answer.status() >= 400, `it is still served: ${answer.status()}`);
    server.run("tenant", "delete", slug, "--yes", "--now");
    server.run("tenant", "verify-erased", slug);
    assert.equal((await owner.goto(`${portal}/sign-in`)).status(), 404);
    for (const one of opened) await one.context.close();
  });
}
