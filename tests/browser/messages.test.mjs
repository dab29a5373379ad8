// A provider talks to its customers: connects a gateway, writes to a group, watches it arrive, loses its gateway, reads a call again,
// lets somebody unsubscribe, and stops a campaign.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";

import { findings, launch, open, overflows, shoot, signUp } from "./browser.mjs";
import { startProviders } from "./providers.mjs";
import { start } from "./server.mjs";

const SLUG = "talks";

let server;
let browser;
let providers;
before(async () => {
  providers = await startProviders();
  server = await start({ LASTMILE_OUTBOUND__ALLOWED_NETWORKS: '["127.0.0.0/8"]' });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  providers?.stop();
});

/** Waits until something is there. */
async function until(what, look) {
  const end = Date.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function looksRight(page) {
  assert.deepEqual(await findings(page), []);
  assert.ok((await overflows(page)) <= 0, "the page scrolls sideways");
}

async function connect(page, portal, kind, label) {
  await page.goto(`${portal}/settings/channels/new?kind=${kind}`);
  await page.fill("#label", label);
  for (const [name, value] of Object.entries(providers.credentials[kind])) {
    const field = page.locator(`#cred_${name}`);
    if ((await field.count()) > 0) await field.fill(value);
  }
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await page.waitForURL(/\/settings\/channels\/[0-9a-f-]{36}$/);
  return (await page.content()).match(/\/hooks\/[a-z_]+\/[\w-]+/)[0];
}

async function makeGroup(page, portal) {
  const fill = async (to, fields) => {
    await page.goto(`${portal}${to}`);
    for (const [name, value] of Object.entries(fields)) await page.locator(`main [name=${name}]`).last().fill(value);
  };
  await fill("/groups/new", { name: "Market women" });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.waitForURL("**/groups");
  for (const [name, sms, email] of [["Ana Cruz", "09171234567", "ana@example.com"], ["Ben Reyes", "09171234568", ""]]) {
    await fill("/contacts/new", { name, sms, email });
    await page.getByText("Market women").first().click();
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.waitForURL(/contacts\/[0-9a-f-]{36}$/);
  }
}

/** Writes to the group; the message's page. */
async function write(page, portal, { channel, priority, subject, text }) {
  await page.goto(`${portal}/messages/new`);
  await page.selectOption("#channel", channel);
  await page.getByLabel("Market women").check();
  if (subject) await page.fill("#subject", subject);
  await page.fill("#text", text);
  if (priority) await page.selectOption("#priority", priority);
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText("What it would come to").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.waitForURL(/\/messages\/[0-9a-f-]{36}$/);
  return page.url();
}

/** The gateway tells what became of a message, signed as Standard Webhooks has it. */
function receipt(page, hook, id, status) {
  const call = `evt_${randomUUID()}`;
  const at = String(Math.floor(Date.now() / 1000));
  const body = JSON.stringify({ type: "message.status", timestamp: new Date().toISOString(), data: { id, status, error: null } });
  const key = Buffer.from(providers.credentials.generic.secret.replace("whsec_", ""), "base64");
  const signature = createHmac("sha256", key).update(`${call}.${at}.${body}`).digest("base64");
  const headers = { "content-type": "application/json", "webhook-id": call, "webhook-timestamp": at, "webhook-signature": `v1,${signature}` };
  return page.evaluate(async (of) => (await fetch(of.hook, { method: "POST", headers: of.headers, body: of.body })).status, { hook, headers, body });
}

async function approvedTemplate(page, portal) {
  await page.goto(`${portal}/templates/new?channel=sms`);
  await page.fill("#name", "Fiesta");
  await page.fill("#text", "Hi {{ first_name }}, happy fiesta!");
  await page.locator("#words button[type=submit]").click();
  await page.waitForURL(/\/templates\/[0-9a-f-]{36}$/);
  await page.getByRole("button", { name: "Hand in" }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByText("Approved").first().waitFor();
}

test("a provider talks to its customers", async () => {
  const { context, page, complaints } = await open(browser, { width: 1280, theme: "light" });
  const portal = server.at(SLUG);
  await signUp(page, server, "Talking Fiber", SLUG);
  const hook = await connect(page, portal, "generic", "Phone in a drawer");
  await connect(page, portal, "twilio", "Twilio");
  await connect(page, portal, "sendgrid", "Letters");
  await makeGroup(page, portal);

  // It goes out, and its page shows how it arrives without being asked again.
  await write(page, portal, { channel: "sms", text: "Hello {{ first_name }}" });
  await page.getByRole("link", { name: /Accepted/ }).waitFor();
  const sent = await until("both texts", async () => ((await providers.taken("generic")).length === 2 ? providers.taken("generic") : null));
  assert.deepEqual(sent.map((one) => one.text).sort(), ["Hello Ana", "Hello Ben"]);
  const list = await context.newPage();
  await list.goto(`${portal}/deliveries`);
  await list.getByRole("cell", { name: "Accepted" }).first().waitFor();
  const row = list.locator("#list a").first();
  await row.focus();
  for (const one of sent) assert.equal(await receipt(page, hook, one.id, "delivered"), 200);
  await page.getByRole("link", { name: /Delivered\s*2/ }).waitFor();
  assert.ok(await row.evaluate((link) => link === document.activeElement), "the keyboard lost its place");
  await row.evaluate((link) => link.blur());
  await list.getByRole("cell", { name: "Delivered" }).nth(1).waitFor();
  await list.close();
  await looksRight(page);
  await shoot(page, "messages-1-delivered");

  // The gateway refuses us: the other account takes over, and the breaker is shown.
  await providers.tell("revoke", { provider: "generic" });
  await write(page, portal, { channel: "sms", text: "Once more" });
  await page.getByRole("link", { name: /Accepted\s*2/ }).waitFor();
  assert.equal((await providers.taken("twilio")).length, 2);
  await page.goto(`${portal}/settings/channels`);
  await page.getByText("Out of use").waitFor();
  await looksRight(page);
  await shoot(page, "messages-2-breaker");

  // A call is read again, and nothing is counted twice.
  await page.goto(`${portal}/messages/hooks`);
  await page.locator("tbody .row-link").first().click();
  await page.getByRole("button", { name: "Read it again" }).click();
  await page.getByText("1 times").waitFor();
  await looksRight(page);

  // Somebody leaves by the link in a letter, and gets no more of them.
  const letter = { channel: "email", priority: "bulk", subject: "News", text: "What is new" };
  await write(page, portal, letter);
  const [mail] = await until("the letter", async () => ((await providers.taken("sendgrid")).length > 0 ? providers.taken("sendgrid") : null));
  const link = JSON.stringify(mail.body).match(/https?:\/\/[^"\\<>\s]+\/u\/[\w.-]+/)[0];
  const reader = await open(browser, { width: 390, theme: "dark" });
  await reader.page.goto(link);
  await looksRight(reader.page);
  await reader.page.getByRole("button", { name: "Unsubscribe" }).click();
  await reader.page.getByText("You are unsubscribed").waitFor();
  await write(page, portal, letter);
  await page.getByRole("link", { name: /Suppressed\s*1/ }).waitFor();
  assert.equal((await providers.taken("sendgrid")).length, 1);

  // A campaign to a file of people, one a minute: stopped after the first.
  await approvedTemplate(page, portal);
  await page.goto(`${portal}/campaigns/new`);
  await looksRight(page);
  await shoot(page, "messages-3-campaign-form");
  await page.fill("#name", "Fiesta 2026");
  await page.selectOption("#template", { label: "Fiesta" });
  await page.fill("#per_minute", "1");
  const rows = Array.from({ length: 20 }, (_, n) => `Person ${n},0918${String(1_000_000 + n)}`);
  await page.setInputFiles("#file", { name: "town.csv", mimeType: "text/csv", buffer: Buffer.from(`Name,Phone\n${rows.join("\n")}\n`) });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("town.csv, 20 recipients").waitFor();
  await page.getByText("Hi Person, happy fiesta!").waitFor();
  await looksRight(page);
  await shoot(page, "messages-4-campaign-ready");
  await page.getByRole("button", { name: "Start now" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Start now" }).click();
  await page.getByRole("link", { name: /Accepted\s*1/ }).waitFor();
  await shoot(page, "messages-5-campaign-running");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused", { exact: true }).first().waitFor();
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByText("Running", { exact: true }).first().waitFor();
  await page.getByRole("button", { name: "Cancel campaign" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel campaign" }).click();
  await page.getByRole("link", { name: /Cancelled\s*19/ }).waitFor();
  await looksRight(page);
  await shoot(page, "messages-6-campaign-cancelled");
  for (const theme of ["light", "dark"]) {
    const small = await open(browser, { width: 390, theme, state: await context.storageState() });
    await small.page.goto(page.url());
    assert.ok((await overflows(small.page)) <= 0);
    await shoot(small.page, `messages-7-campaign-390-${theme}`);
    await small.page.goto(`${portal}/settings/messaging`);
    await shoot(small.page, `messages-8-policy-390-${theme}`);
    await small.context.close();
  }
  assert.deepEqual(complaints, []);
  await context.close();
  await reader.context.close();
});
