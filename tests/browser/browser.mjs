// Chromium, and what every page is held to: no policy violation, no script error, no axe finding.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const output = path.join(path.dirname(fileURLToPath(import.meta.url)), "output");
mkdirSync(output, { recursive: true });

const STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

export const WIDTHS = [1280, 390];
export const THEMES = ["light", "dark"];
export const PASSWORD = "lively otter paints 42 fences";

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
}

/** A page that remembers every complaint of the browser's console. Map tiles that are not there are no complaint. */
export async function open(browser, { width, theme, state, locale = "en-US" }) {
  const context = await browser.newContext({
    viewport: { width, height: width < 600 ? 844 : 860 },
    colorScheme: theme,
    reducedMotion: "reduce",
    storageState: state,
    locale,
    geolocation: { latitude: 8.48, longitude: 124.65 },
  });
  await context.route(/\/tiles\//, (route) => route.fulfill({ status: 204 }));
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    // Leaving a page ends the request that it had under way: htmx says so, and nobody minds.
    const harmless = /Failed to load resource|htmx:(afterRequest|sendAbort)/;
    if (message.type() === "error" && !harmless.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { context, page, complaints };
}

/** axe over the whole page, in words that say where. Between the themes nothing differs but colours: in the dark one, those are looked at. */
export async function findings(page, theme = "light") {
  // What is well is not told: of the long pages that would be more than there is room for.
  const axe = new AxeBuilder({ page }).options({ resultTypes: ["violations"] });
  const { violations } = await (theme === "dark" ? axe.withRules(["color-contrast"]) : axe.withTags(STANDARDS)).analyze();
  return violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(" | ")}`);
}

export async function overflows(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

export async function shoot(page, name) {
  await page.screenshot({ path: path.join(output, `${name}.png`) });
}

/** Signs a provider up by the page, and waits until its owner has landed in the portal. */
export async function signUp(page, server, company, slug) {
  await page.goto(`${server.base}/signup`);
  await page.fill("[name=company_name]", company);
  await page.fill("[name=slug]", slug);
  await page.fill("[name=owner_name]", "Maria Santos");
  await page.fill("[name=owner_email]", `maria@${slug}.example`);
  await page.fill("[name=password]", PASSWORD);
  await page.click("form[action='/signup'] button[type=submit]");
  await page.waitForURL(`${server.at(slug)}/**`);
  const onward = page.getByRole("button", { name: "Continue" });
  if (await onward.isVisible().catch(() => false)) await onward.click().catch(() => {});
  await page.getByRole("heading", { name: /^Good / }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/");
}

/** Signs in by password at a portal's door, from any page that asks for it. */
export async function signIn(page, email) {
  await page.fill("[name=email]", email);
  await page.fill("[name=password]", PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Invites a cashier by the page; answers the link that they get. */
export async function inviteCashier(page, base, name, email) {
  await page.goto(`${base}/staff/new`);
  await page.fill("[name=name]", name);
  await page.fill("[name=email]", email);
  await page.getByLabel("Cashier").check();
  await page.getByRole("button", { name: "Add and make the link" }).click();
  return page.getByLabel("Sign-in link").textContent();
}

/** Builds a small plant by the pages' own forms, with places on the map; answers the paths of one node of each kind. */
export async function buildPlant(page, base) {
  const add = async (path, fields, submit) => {
    await page.goto(`${base}${path}`);
    for (const [name, value] of Object.entries(fields)) {
      const field = page.locator(`form[data-guard] [name="${name}"]`);
      if ((await field.evaluate((element) => element.tagName)) === "SELECT") await field.selectOption(value);
      else await field.fill(value);
    }
    await page.getByRole("button", { name: submit }).click();
    await page.waitForURL(/\/plant\/[a-z]+\/[0-9a-f-]{36}$/);
    return new URL(page.url()).pathname;
  };
  const idOf = (path) => path.split("/").pop();
  const place = (latitude, longitude) => ({ latitude: String(latitude), longitude: String(longitude) });
  const lcp = await add("/plant/lcps/new", { code: "LCP-001", name: "Carmen market", fibre_m: "3200", ...place(8.48, 124.64) }, "Add LCP");
  const splitter = await add(`/plant/splitters/new?lcp=${idOf(lcp)}`, { code: "SP-1", type: "1:4", ...place(8.481, 124.641) }, "Add splitter");
  const cascaded = await add(`/plant/splitters/new?splitter=${idOf(splitter)}&output=1`, { code: "SP-1-1", fibre_m: "400", ...place(8.482, 124.643) }, "Add splitter");
  let nap;
  for (const n of [1, 2, 3])
    nap = await add(`/plant/naps/new?splitter=${idOf(cascaded)}&output=${n}`, { code: `NAP-00${n}`, name: `Corner ${n}`, fibre_m: "250", ...place(8.482 + n / 1500, 124.644 + n / 2000) }, "Add NAP");
  await page.goto(`${base}${nap}?port=2`);
  await page.getByRole("button", { name: "Reserve" }).click();
  await page.goto(`${base}${nap}?port=3`);
  await page.getByRole("button", { name: "Mark faulty" }).click();
  await page.waitForURL("**/plant/naps/*");
  return { lcp, splitter: cascaded, nap };
}

/** A router, an installation of a customer on the NAP with that router, and a visit: where each is shown. */
export async function buildField(page, base, customer, nap) {
  const shown = async (pattern) => {
    await page.waitForURL(pattern);
    return new URL(page.url()).pathname;
  };
  await page.goto(`${base}/routers/new`);
  await page.locator("#brand").fill("MikroTik");
  await page.locator("#serial_number").fill("HF409ABCDEF");
  await page.locator("#mac_address").fill("48-a9-8a-01-02-03");
  await page.getByRole("button", { name: "Add router" }).click();
  const router = await shown(/\/routers\/[0-9a-f-]{36}$/);
  await page.goto(`${base}/installations/new?customer=${customer}&nap=${nap}`);
  await page.locator(".pick", { hasText: "P1" }).first().click();
  await page.locator("#router").fill("HF409ABCDEF");
  await page.locator("#installed_on").fill("2026-01-05");
  await page.getByRole("button", { name: "Add installation" }).click();
  const installation = await shown(/\/installations\/[0-9a-f-]{36}$/);
  await page.goto(`${base}/visits/new?customer=${customer}&installation=${installation.split("/").pop()}`);
  await page.getByRole("button", { name: "Plan the visit" }).click();
  const visit = await shown(/\/visits\/[0-9a-f-]{36}$/);
  return { router, installation, visit };
}

/** Invites a customer to the subscriber portal, signs them in there in the same browser, and asks for help: where the ticket is. */
export async function joinPortal(page, base, customer) {
  await page.goto(`${base}/customers/${customer}/portal`);
  await page.getByRole("button", { name: "Invite to the portal" }).click();
  const link = await page.locator("[data-copy]").textContent();
  await page.goto(link.trim());
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Open the account" }).click();
  await page.waitForURL("**/my");
  await page.goto(`${base}/my/tickets/new`);
  await page.locator("#category").selectOption("slow_connection");
  await page.locator("#title").fill("Slow every evening");
  await page.locator("#description").fill("Since Monday, from about seven to ten.");
  await page.getByRole("button", { name: "Send" }).click();
  await page.waitForURL(/\/my\/tickets\/[0-9a-f-]{36}$/);
  return new URL(page.url()).pathname;
}

/** A file of so many customers, as an internet provider's spreadsheet would have them. */
export function customersCsv(count) {
  const first = ["Ana", "Jose", "Lourdes", "Ramon", "Grace", "Emil", "Nena", "Paolo", "Rosa", "Dante"];
  const last = ["Cruz", "Reyes", "Dizon", "Aquino", "Bautista", "Uy", "Tan", "Ramos", "Flores", "Castro"];
  const areas = ["Carmen", "Lapasan", "Macasandig", "Nazareth"];
  const lines = ["Account No,First Name,Last Name,Email,Mobile,Address,Barangay,Latitude,Longitude"];
  for (let i = 0; i < count; i += 1) {
    const f = first[i % 10];
    const l = last[Math.floor(i / 10) % 10];
    const lat = (8.45 + (i % 100) / 1500).toFixed(6);
    const lng = (124.62 + (Math.floor(i / 100) % 100) / 1500).toFixed(6);
    lines.push(
      `C-${10000 + i},${f},${l} ${i},${f}.${l}.${i}@example.com,0917${String(1000000 + i)},"${i} Corrales Ave, Zone ${i % 9}",${areas[i % 4]},${lat},${lng}`,
    );
  }
  return Buffer.from(lines.join("\r\n"));
}
