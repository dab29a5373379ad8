// A day at a provider that has been in business for a year: a lapsed customer renews and gets a receipt, somebody complains, NAP-003
// goes down and comes back, and those who hung on it get their time back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { apiOf } from "./books.mjs";
import { WIDTHS, findings, launch, open, overflows, shoot, signUp } from "./browser.mjs";
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

/** What a person sees and a program cannot: axe has nothing to say, nothing scrolls sideways. */
async function looksRight(page) {
  assert.deepEqual(await findings(page), []);
  assert.ok((await overflows(page)) <= 0, "the page scrolls sideways");
}

async function renew(page, portal, api) {
  const lapsed = (await api.get("/installations?status=inactive&limit=1")).items[0];
  const plan = (await api.get("/plans?q=Monthly%20Basic")).items[0];
  await page.goto(`${portal}/subscriptions/new?installation=${lapsed.id}`);
  await page.selectOption("[name=plan]", plan.id);
  await page.selectOption("[name=kind]", "one_month");
  await page.locator("#preview").getByText("30 days").first().waitFor();
  await page.fill("[name=pay_amount]", plan.price);
  await page.selectOption("[name=pay_method]", "cash");
  await looksRight(page);
  await page.getByRole("button", { name: "Sell", exact: true }).click();
  await page.waitForURL(/\/payments\/[0-9a-f-]{36}$/);
  assert.equal((await api.get(`/installations/${lapsed.id}`)).status, "active", "the lapsed one is served again");
  return { customer: lapsed.customer_id };
}

/** A file as the browser gets it: what it is, and its bytes. */
function fetched(page, path) {
  return page.evaluate(async (from) => {
    const answer = await fetch(from);
    return { type: answer.headers.get("content-type"), bytes: [...new Uint8Array(await answer.arrayBuffer())].join() };
  }, path);
}

async function printReceipt(page, portal, api, customer) {
  const payment = (await api.get(`/payments?customer_id=${customer}&limit=1`)).items[0];
  await page.goto(`${portal}/payments/${payment.id}`);
  await page.getByText(payment.receipt_number).first().waitFor();
  await looksRight(page);
  const first = await fetched(page, `/receipts/${payment.receipt_id}/pdf`);
  assert.equal(first.type, "application/pdf");
  const again = await fetched(page, `/receipts/${payment.receipt_id}/pdf`);
  assert.deepEqual(again, first, "a reprint is the same to the byte");
  const { verification_code: code } = await api.get(`/receipts/${payment.receipt_id}`);
  await page.goto(`${portal}/receipts/verify/${code}`);
  await page.getByText(payment.receipt_number).first().waitFor();
}

/** The subscribers of NAP-003 that are served, from the tree. */
async function servedBy(api, nap) {
  return (await api.get(`/installations?nap_id=${nap.id}&status=active&limit=200`)).items;
}

async function complain(page, portal, customer) {
  await page.goto(`${portal}/tickets/new?customer=${customer}`);
  await page.fill("[name=title]", "No internet since this morning");
  await page.selectOption("[name=category]", "no_connection");
  await page.selectOption("[name=priority]", "high");
  await page.getByRole("button", { name: "Open ticket" }).click();
  await page.waitForURL(/\/tickets\/[0-9a-f-]{36}$/);
  await looksRight(page);
}

async function goDown(page, portal, nap) {
  await page.goto(`${portal}/outages/new?q=NAP-003`);
  await page.locator("#found a", { hasText: "NAP-003" }).first().click();
  const since = page.locator("[name=started_at]");
  await since.waitFor();
  const shown = await since.inputValue();
  const earlier = new Date(Date.parse(`${shown.slice(0, 16)}Z`) - 3 * 3_600_000).toISOString().slice(0, 16);
  await since.fill(earlier);
  await page.selectOption("[name=cause]", "fibre_cut");
  await page.getByRole("button", { name: "Mark as down" }).click();
  await page.waitForURL(/\/outages\/[0-9a-f-]{36}$/);
  await page.getByRole("heading", { name: new RegExp(nap.code) }).waitFor();
}

async function comeBack(page) {
  await page.getByRole("link", { name: /^Restore/ }).click();
  await page.waitForURL("**/restore");
  await looksRight(page);
  await page.getByRole("button", { name: "Restore", exact: true }).click();
  await page.waitForURL(/\/outages\/[0-9a-f-]{36}$/);
  const decide = page.getByRole("button", { name: /^Extend all/ });
  if (await decide.isVisible()) {
    await decide.click();
    await page.locator("dialog[open]").getByRole("button", { name: "Extend all" }).click();
  }
  await page.getByText(/added to \d+ periods/).waitFor();
}

for (const width of WIDTHS) {
  test(`a provider's day, ${width} px wide`, async () => {
    const slug = `day-${width}`;
    const portal = server.at(slug);
    const { context, page, complaints } = await open(browser, { width, theme: "light" });
    await signUp(page, server, "Misamis Fiber", slug);
    server.run("demo", "--tenant", slug);
    const api = await apiOf(server, slug);

    const { customer } = await renew(page, portal, api);
    await shoot(page, `day-${width}-1-renewed`);
    await printReceipt(page, portal, api, customer);
    await shoot(page, `day-${width}-2-receipt`);

    const nap = (await api.get("/naps?q=NAP-003")).items[0];
    const before = await servedBy(api, nap);
    assert.ok(before.length > 3, "the demo's NAP-003 serves somebody");
    await complain(page, portal, before[0].customer_id);
    await shoot(page, `day-${width}-3-ticket`);

    await goDown(page, portal, nap);
    for (const one of before.slice(0, 3)) await page.getByText(one.customer_name).first().waitFor();
    await looksRight(page);
    await shoot(page, `day-${width}-4-down`);
    await comeBack(page);
    await looksRight(page);
    await shoot(page, `day-${width}-5-restored`);

    const after = new Map((await servedBy(api, nap)).map((one) => [one.id, one]));
    const given = before.filter((one) => Date.parse(after.get(one.id).paid_until) - Date.parse(one.paid_until) >= 175 * 60_000);
    assert.ok(given.length > 3, `only ${given.length} of ${before.length} got their three hours back`);
    assert.deepEqual(complaints, []);
    await context.close();
  });
}
