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
export async function open(browser, { width, theme, state }) {
  const context = await browser.newContext({
    viewport: { width, height: width < 600 ? 844 : 860 },
    colorScheme: theme,
    reducedMotion: "reduce",
    storageState: state,
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

/** axe over the whole page, in words that say where. */
export async function findings(page) {
  const { violations } = await new AxeBuilder({ page }).withTags(STANDARDS).analyze();
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
