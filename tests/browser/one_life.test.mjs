// A provider from its first day to its last, as people meet it: asked for and approved; its people come in with a passkey, a second step
// and the account of their work; support is let in and shown out; stopped by its plan and on a larger one; its data taken along, closed;
// and then nothing of it is left.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { device, turnOn } from "./authenticators.mjs";
import { PASSWORD, WIDTHS, findings, inviteCashier, launch, open, overflows, shoot, signIn } from "./browser.mjs";
import { joinConsole } from "./console.mjs";
import { atTheIssuer, fillIssuer, startIssuer } from "./issuer.mjs";
import { start } from "./server.mjs";

const slugs = new Map(WIDTHS.map((width) => [width, `life-${width}`]));

let server;
let browser;
let issuer;

before(async () => {
  server = await start({ LASTMILE_OUTBOUND__ALLOWED_NETWORKS: '["127.0.0.0/8"]' });
  issuer = await startIssuer([...slugs.values()].map((slug) => server.at(slug)));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  issuer?.stop();
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

/** The first day: somebody asks for a portal, the platform approves, its owner comes in. */
async function openPortal({ boss, owner, slug, portal }) {
  await owner.goto(`${server.base}/signup`);
  const asked = { company_name: "Life Fiber", slug, owner_name: "Olive Owner", owner_email: `owner@${slug}.example`, password: PASSWORD };
  for (const [field, text] of Object.entries(asked)) await owner.fill(`#${field}`, text);
  await owner.locator("form[action='/signup'] button[type=submit]").click();
  await owner.getByRole("heading", { name: "Thank you" }).waitFor();
  await boss.goto(`${server.base}/console/signups`);
  await boss.getByRole("listitem").filter({ hasText: slug }).getByRole("button", { name: "Approve" }).click();
  await boss.getByText("has a portal, and was told").waitFor();
  await owner.goto(`${portal}/sign-in`);
  await signIn(owner, `owner@${slug}.example`);
  await owner.waitForURL(`${portal}/`);
}

/** Kim is invited, and accepts with a passkey instead of a password. */
async function acceptWithPasskey({ owner, kim, slug, portal }) {
  const phone = await device(kim);
  await kim.goto(await inviteCashier(owner, portal, "Kim Keen", `kim@${slug}.example`));
  await kim.getByRole("button", { name: "Use a passkey instead" }).click();
  await kim.getByRole("heading", { name: /^Good / }).waitFor();
  assert.equal((await phone.keys()).length, 1);
}

/** Cashiers must show a second step: Lou, who chose a password, sees nothing until an app shows her codes. */
async function enforceSecondStep({ owner, lou, slug, portal, look }) {
  await owner.goto(`${portal}/roles`);
  await owner.getByRole("link", { name: "Cashier" }).click();
  await owner.getByLabel("With a second step").check();
  await owner.getByRole("button", { name: "Save role" }).click();
  await owner.getByText("The role Cashier was saved.").waitFor();
  await lou.goto(await inviteCashier(owner, portal, "Lou Lane", `lou@${slug}.example`));
  await lou.fill("[name=password]", PASSWORD);
  await lou.getByRole("button", { name: "Save the password" }).click();
  await signIn(lou, `lou@${slug}.example`);
  await lou.getByText("Your role asks for it").waitFor();
  await lou.goto(`${portal}/customers`);
  assert.equal(new URL(lou.url()).pathname, "/account/mfa");
  await look(lou, "enforced");
  await lou.fill("#current_password", PASSWORD);
  await lou.getByRole("button", { name: "Go on" }).click();
  await turnOn(lou);
  await lou.getByRole("heading", { name: "Two-step sign-in is on" }).waitFor();
  await lou.goto(`${portal}/customers`);
  await lou.getByRole("heading", { name: "Customers", exact: true }).waitFor();
}

/** Sam comes in with the account of their work, and lands on the page that they asked for. */
async function comeBySingleSignOn({ owner, sam, slug, portal }) {
  await owner.goto(`${portal}/settings/sso`);
  await fillIssuer(owner, issuer.url, `${slug}.example`);
  await owner.getByText("Single sign-on is on.").waitFor();
  await sam.goto(`${portal}/customers`);
  await sam.getByRole("link", { name: "Sign in with your work account" }).click();
  await atTheIssuer(sam, issuer.url, `sam@${slug}.example`);
  await sam.waitForURL(`${portal}/customers`);
}

/** Support sees nothing until the owner lets it in, and is out when the owner ends it. */
async function letSupportIn({ boss, owner, slug, portal }) {
  await owner.goto(`${portal}/settings/support`);
  await owner.getByRole("button", { name: "Turn on" }).click();
  await owner.fill("#reason", "A receipt is missing");
  await owner.getByRole("button", { name: "Let support in" }).click();
  await owner.getByText("Support is let in").waitFor();
  await boss.goto(`${server.base}/console/tenants?q=${slug}`);
  await boss.getByRole("link", { name: "Life Fiber" }).click();
  await boss.getByRole("button", { name: "Enter the portal" }).click();
  await boss.waitForURL(/support\/enter/);
  await boss.getByRole("button", { name: "Enter" }).click();
  await boss.getByText("You are here for support").waitFor();
  await owner.goto(`${portal}/customers`);
  await owner.getByRole("button", { name: "End it now" }).click();
  await owner.getByText("Support access has ended").waitFor();
  await boss.goto(`${portal}/customers`);
  await boss.waitForURL(/sign-in/);
}

/** Stopped by the plan, on a larger one, and on. */
async function outgrowThePlan({ owner, portal, width, look }) {
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
}

/** The data is taken along, as a file that others can read. */
async function takeTheData({ owner, portal, look }) {
  await owner.goto(`${portal}/settings/takeouts`);
  await owner.getByRole("button", { name: "Make the file" }).click();
  const link = owner.getByRole("link", { name: "Download" });
  await link.waitFor({ timeout: 60_000 });
  await look(owner, "data");
  const [download] = await Promise.all([owner.waitForEvent("download"), link.click()]);
  const file = readFileSync(await download.path());
  assert.equal(file.subarray(0, 2).toString(), "PK");
  assert.ok(file.includes("manifest.json"));
}

/** Closed: not served from that moment on, and once its grace is over nothing is left. */
async function close({ boss, owner, kim, lou, sam, slug, portal, look }) {
  // An open page would say in the console that it was shut out.
  for (const page of [owner, kim, lou, sam]) await page.goto("about:blank");
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
}

for (const width of WIDTHS) {
  test(`from the first day to the last, ${width} px`, async () => {
    const slug = slugs.get(width);
    const opened = await Promise.all([1, 2, 3, 4, 5].map(() => open(browser, { width, theme: "light" })));
    const [boss, owner, kim, lou, sam] = opened.map((one) => one.page);
    const look = async (page, name) => {
      assert.deepEqual(await findings(page), [], name);
      assert.ok((await overflows(page)) <= 0, `${name} scrolls sideways`);
      await shoot(page, `life-${name}-${width}`);
    };
    const story = { boss, owner, kim, lou, sam, slug, portal: server.at(slug), width, look };
    await joinConsole(boss, server, `boss-${width}@platform.example`);
    await addPlan(boss, { code: `one-${width}`, name: `One ${width}`, customers: 1, isDefault: true });
    await addPlan(boss, { code: `more-${width}`, name: `More ${width}` });
    await boss.goto(`${server.base}/console/settings`);
    await boss.selectOption("#signups", "approval");
    await boss.getByRole("button", { name: "Save" }).click();
    const chapters = [openPortal, acceptWithPasskey, enforceSecondStep, comeBySingleSignOn, letSupportIn, outgrowThePlan, takeTheData, close];
    for (const chapter of chapters) await chapter(story);
    for (const one of opened) {
      assert.deepEqual(one.complaints, []);
      await one.context.close();
    }
  });
}
