// Every page of the registry of routes, in both themes, at both widths: axe finds nothing, nothing scrolls sideways, and the
// browser's console has nothing to say.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { THEMES, WIDTHS, buildField, buildPlant, customersCsv, findings, joinPortal, launch, open, overflows, signUp } from "./browser.mjs";
import { keepBooks } from "./books.mjs";
import { joinConsole } from "./console.mjs";
import { payingAt, startProviders } from "./providers.mjs";
import { start } from "./server.mjs";

const SLUG = "every-page";

/** Paths that are no pages: files, fragments, data and pictures. */
const NO_PAGES = [
  /^\/static\//, /^\/internal\//, /^\/livez$/, /^\/readyz$/, /^\/\.well-known\//, /openapi\.json$/, /^\/branding\.css$/,
  /^\/logo$/, /\/avatar$/, /export/, /\.csv$/, /\.xlsx$/, /\/template$/, /^\/ws$/, /^\/events$/, /^\/hooks\//, /\/data$/, /\/status$/, /counts$/, /\/unread$/, /^\/installations\/ports$/, /\/files\/:file$/, /\/pdf$/, /\/paper$/, /\/certificate$/, /\.pdf$/, /\/preview$/, /^\/signup\/slug$/, /^\/find$/, /^\/my\/receipts\//, /^\/a\/:token$/, /\/file$/,
];

/** Pages that only a code from a letter or a redirect opens: without one they say so, and that page is looked at. */
const WITHOUT_A_CODE = { "/landing": 404, "/reset": 410, "/my/join": 410, "/my/reset": 410, "/u/:token": 404, "/console/join": 404 };

/** Pages that are about somebody whom their address names. */
const ABOUT = { "/erasures/new": () => `?contact=${ids["/contacts"]}` };

/** The platform's page with a far longer document, for which axe needs minutes: it looks at the platform's. */
const LONG = "tenant /api/redoc";

let server;
let providers;
let browser;
let state;
const ids = {};

before(async () => {
  providers = await startProviders();
  server = await start(payingAt(providers));
  browser = await launch();
  const { context, page } = await open(browser, { width: 1280, theme: "light" });
  await signUp(page, server, "Every Page Fiber", SLUG);
  await page.goto(`${server.at(SLUG)}/customers/import`);
  await page.setInputFiles("input[type=file]", { name: "c.csv", mimeType: "text/csv", buffer: customersCsv(60) });
  await page.getByRole("button", { name: "Read the file" }).click();
  await page.waitForURL("**/customers/imports/*");
  ids["/customers/imports"] = page.url().split("/").pop();
  await page.locator("[name=create_areas]").check();
  await page.locator("button[name=step][value=run]").first().click();
  await page.getByText("Finished", { exact: true }).waitFor({ timeout: 120_000 });
  ids["/customers"] = await idOf(page, "/customers", /\/customers\/([0-9a-f-]{36})/);
  ids["/areas"] = await idOf(page, "/areas", /\/areas\/([0-9a-f-]{36})/);
  ids["/roles"] = await idOf(page, "/roles", /\/roles\/([0-9a-f-]{36})/);
  await page.goto(`${server.at(SLUG)}/api-keys`);
  await page.fill("#new-key [name=name]", "Every page");
  await page.check("#new-key input[value='customers.read']");
  await page.click("#new-key button[type=submit]");
  ids["/api-keys"] = await idOf(page, "/api-keys", /\/api-keys\/([0-9a-f-]{36})/);
  ids["/staff"] = await idOf(page, "/staff", /\/staff\/([0-9a-f-]{36})/);
  const plant = await buildPlant(page, server.at(SLUG));
  ids["/plant/lcps"] = plant.lcp.split("/").pop();
  ids["/plant/splitters"] = plant.splitter.split("/").pop();
  ids["/plant/naps"] = plant.nap.split("/").pop();
  const field = await buildField(page, server.at(SLUG), ids["/customers"], ids["/plant/naps"]);
  ids["/routers"] = field.router.split("/").pop();
  ids["/installations"] = field.installation.split("/").pop();
  ids["/visits"] = field.visit.split("/").pop();
  const books = await keepBooks(server, SLUG, { customer: ids["/customers"], installation: ids["/installations"], nap: ids["/plant/naps"] });
  for (const [stem, id] of Object.entries(books)) ids[stem] = id;
  Object.assign(ids, await gatherContacts(page, server.at(SLUG)));
  await page.goto(`${server.at(SLUG)}/contacts/new`);
  await page.locator("main [name=name]").fill("Teo Reyes");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.waitForURL(/contacts\/[0-9a-f-]{36}$/);
  const gone = page.url().split("/").pop();
  await page.goto(`${server.at(SLUG)}/erasures/new?contact=${gone}`);
  await page.locator("#reason").fill("Asked by letter");
  await page.getByRole("button", { name: "Erase for good" }).click();
  await page.getByRole("button", { name: "Erase", exact: true }).click();
  await page.waitForURL(/\/erasures\/[0-9a-f-]{36}$/);
  ids["/erasures"] = page.url().split("/").pop();
  ids["/my/tickets"] = (await joinPortal(page, server.at(SLUG), ids["/customers"])).split("/").pop();
  await page.goto(`${server.at(SLUG)}/templates/new?channel=sms`);
  await page.locator("#name").fill("Reminder");
  await page.locator("#text").fill("Hi {{ first_name }}");
  await page.locator("#words button[type=submit]").click();
  await page.waitForURL(/\/templates\/[0-9a-f-]{36}$/);
  ids["/templates"] = page.url().split("/").pop();
  ids[`/templates/${ids["/templates"]}/versions`] = "1";
  await page.goto(`${server.at(SLUG)}/settings/channels/new?kind=generic`);
  await page.locator("#cred_base_url").fill("https://8.8.8.8");
  await page.locator("#cred_secret").fill("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  await page.getByRole("button", { name: "Connect" }).click();
  await page.waitForURL(/\/settings\/channels\/[0-9a-f-]{36}$/);
  ids["/settings/channels"] = page.url().split("/").pop();
  const hook = (await page.content()).match(/\/hooks\/generic\/[\w-]+/)[0];
  await page.evaluate((path) => fetch(path, { method: "POST", body: "{}" }), hook);
  ids["/messages/hooks"] = await idOf(page, "/messages/hooks", /\/messages\/hooks\/([0-9a-f-]{36})/);
  await page.goto(`${server.at(SLUG)}/messages/new`);
  await page.locator("#addresses").fill("Ana Cruz, +639171234567");
  await page.locator("#text").fill("Hi {{ first_name }}");
  await page.locator("[name=dry_run]").check();
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText("What it would come to").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.waitForURL(/\/messages\/[0-9a-f-]{36}$/);
  ids["/messages"] = page.url().split("/").pop();
  ids["/deliveries"] = (await page.locator("a[href^='/deliveries/']").first().getAttribute("href")).split("/").pop();
  ids["/campaigns"] = await draftCampaign(page, server.at(SLUG));
  await joinConsole(page, server, "ada@platform.example");
  await page.goto(`${server.base}/console/plans/new`);
  await page.locator("#code").fill("starter");
  await page.locator("#name").fill("Starter");
  await page.locator("#monthly_price").fill("1500");
  await page.locator("#customers").fill("70");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/console/plans");
  await page.goto(`${server.base}/console/invoices/terms`);
  await page.locator("#seller").fill("Lastmile Operations Inc.");
  await page.locator("#tax_name").fill("VAT");
  await page.locator("#tax_percent").fill("12");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/console/invoices");
  ids["/pay"] = await buyCredit(page, server.at(SLUG));
  await page.goto(`${server.base}/console/library/new`);
  await page.locator("#name").fill("Reminder");
  await page.locator("#text").fill("Hi {{ first_name }}");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Offer it to all providers" }).click();
  for (const stem of ["/console/people", "/console/tenants", "/console/plans", "/console/invoices", "/console/library"]) {
    await page.goto(`${server.base}${stem}`);
    ids[stem] = (await page.content()).match(new RegExp(`${stem}/([0-9a-f-]{36})`))?.[1];
  }
  await page.goto(`${server.base}/console/tenants/${ids["/console/tenants"]}`);
  await page.getByRole("button", { name: "Give it" }).click();
  await page.getByText("Its plan is Starter now.").waitFor();
  // Somebody with a zone of their own: every page of the portal bears its mark.
  await page.goto(`${server.at(SLUG)}/account`);
  await page.selectOption("#time_zone", "America/Argentina/Buenos_Aires");
  await page.getByRole("button", { name: "Save profile" }).click();
  await page.getByText("Times are shown in America/Argentina/Buenos_Aires").waitFor();
  state = await context.storageState();
  await context.close();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  providers?.stop();
});

/** Credit for messages, paid for as a person pays: to the processor and back. The token of what was paid. */
async function buyCredit(page, portal) {
  await page.goto(`${portal}/settings/plan`);
  await page.getByRole("link", { name: "Invoices and credit" }).click();
  await page.locator("#amount").fill("1,500");
  await page.getByRole("button", { name: "Go on to pay" }).click();
  await page.waitForURL("**/pay/*");
  await page.getByRole("link", { name: "Continue at PayMongo" }).click();
  await page.getByRole("button", { name: "Pay" }).click();
  await page.waitForURL("**/pay/*");
  await page.getByText("There is nothing more to do.").waitFor();
  const token = page.url().split("/").pop();
  await page.goto(`${portal}/settings/invoices`);
  await page.getByText("INV-000001", { exact: true }).waitFor();
  assert.ok((await page.locator("#credit").textContent()).includes("₱1,500.00"));
  return token;
}

/** A group, a contact in it, somebody who claims its number, a list that waits to be imported, an address not to be used. */
async function gatherContacts(page, base) {
  const fill = async (path, fields, button) => {
    await page.goto(`${base}${path}`);
    for (const [name, value] of Object.entries(fields)) await page.locator(`main [name=${name}]`).last().fill(value);
    await page.getByRole("button", { name: button, exact: true }).click();
  };
  await fill("/groups/new", { name: "Market women" }, "Save");
  await page.waitForURL("**/groups");
  const group = (await page.content()).match(/\/groups\/([0-9a-f-]{36})/)?.[1];
  await fill("/contacts/new", { name: "Ana Cruz", sms: "09171234567", tags: "vip" }, "Save");
  await page.waitForURL(/contacts\/[0-9a-f-]{36}$/);
  const contact = page.url().split("/").pop();
  await fill("/contacts/new", { name: "Ben Cruz", sms: "09171234567" }, "Save");
  await page.getByRole("button", { name: "Save without it" }).click();
  await page.waitForURL(/contacts\/[0-9a-f-]{36}$/);
  await fill("/contacts/import", { text: "Eve Diaz, 09181234567\nOdd, 0" }, "Read the list");
  await page.waitForURL("**/contacts/imports/*");
  const waiting = page.url().split("/").pop();
  await fill("/suppressions", { address: "09191234567" }, "Suppress");
  await page.getByText("is no longer written to").waitFor();
  return { "/groups": group, "/contacts": contact, "/contacts/imports": waiting, "/u": "no-link-of-ours" };
}

/** A campaign that is prepared, with a template that was approved for it. */
async function draftCampaign(page, base) {
  await page.goto(`${base}/templates/${ids["/templates"]}`);
  await page.getByRole("button", { name: "Hand in" }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.goto(`${base}/campaigns/new`);
  await page.locator("#name").fill("Fiesta");
  await page.locator("#template").selectOption({ label: "Reminder" });
  await page.getByLabel("Market women").check();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.waitForURL(/\/campaigns\/[0-9a-f-]{36}$/);
  return page.url().split("/").pop();
}

async function idOf(page, path, pattern) {
  await page.goto(`${server.at(SLUG)}${path}`);
  return (await page.content()).match(pattern)?.[1];
}

/** A path without its variables, or nothing when the portal has no such thing to show. */
function concrete(route) {
  let path = route.path;
  const stems = Object.entries(ids).sort((a, b) => b[0].length - a[0].length);
  // Twice: what stands behind one variable may hang on another.
  for (const [stem, id] of [...stems, ...stems]) {
    if (id && path.startsWith(`${stem}/:`)) path = path.replace(/:[a-z_]+/, id);
  }
  return path + (ABOUT[route.path]?.() ?? "");
}

/** Turns the page that is open to another theme, as the system would, and waits until its colours have come to rest. */
async function turn(page, theme) {
  await page.emulateMedia({ colorScheme: theme });
  await page.waitForFunction((wanted) => [undefined, wanted].includes(document.documentElement.dataset.theme), theme);
  await page.evaluate(async () => {
    // What inherits a colour begins to change when the one above it has: until two pictures in a row have nothing in motion.
    for (let still = 0; still < 2; still += 1) {
      await new Promise(requestAnimationFrame);
      const changes = document.getAnimations().filter((one) => one instanceof CSSTransition);
      if (changes.length > 0) still = -1;
      await Promise.allSettled(changes.map((one) => one.finished));
    }
  });
}

/** Opens one page and holds it to everything, first light, then dark. */
async function look(route, { page, complaints }) {
  const where = `${route.surface} ${route.path}`;
  const path = concrete(route);
  assert.ok(!path.includes(":"), `${where} has a variable that this test cannot fill`);
  const host = route.surface === "platform" ? server.base : server.at(SLUG);
  complaints.length = 0;
  await page.emulateMedia({ colorScheme: THEMES[0] });
  const answer = await page.goto(`${host}${path}`, { waitUntil: "load" });
  const status = answer.status();
  assert.ok(status < 400 || status === WITHOUT_A_CODE[route.path], `${path} answered ${status}`);
  for (const theme of THEMES) {
    await turn(page, theme);
    if (where !== LONG) assert.deepEqual(await findings(page, theme), [], theme);
    assert.ok((await overflows(page)) <= 0, `the page scrolls sideways when ${theme}`);
  }
  assert.deepEqual(complaints, []);
}

/** English texts that are others in French. */
const FRENCH = JSON.parse(readFileSync(new URL("../../translations/fr.json", import.meta.url)));
const SENTENCE = /(?<!\p{L})(the|of|is|are|was|has|have|and|with|that|this|not|your|you|nobody|nothing|yet)(?!\p{L})/iu;
/** Documents for programmers. */
const IN_ENGLISH = /\/api\/(docs|redoc)$/;
/** What people typed, or what was kept when something was done: it is shown as it is. */
const KEPT = /Gateway of your own|Every Page|TKT-|OUT-|NAP-00|sign-up of|Cash 1500|^\w+\/\w+|^(Owner|Admin|Manager|Cashier|Technician|Support|Viewer|Cash|Reminder|Credit for messages)$|^May do everything|technician is on the way|^is (default|offered): /;

/** What a page says in English. */
const english = (page) =>
  page.evaluate(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) {
      const within = walker.currentNode.parentElement;
      if (within.closest("[lang]") === document.documentElement && !within.closest("[translate=no], script, style, template, code, pre, .mono, textarea")) texts.push(walker.currentNode.data.trim().replace(/\s+/g, " "));
    }
    for (const element of document.querySelectorAll("[aria-label], [title], [placeholder], [data-label]")) {
      if (element.closest("[lang]") !== document.documentElement) continue;
      for (const name of ["aria-label", "title", "placeholder", "data-label"]) texts.push(element.getAttribute(name)?.trim() ?? "");
    }
    return [...new Set(texts)];
  });

/** Opens one page as somebody who reads French. */
async function readInFrench(route, { page, complaints }) {
  const path = concrete(route);
  const host = route.surface === "platform" ? server.base : server.at(SLUG);
  complaints.length = 0;
  await page.goto(`${host}${path}`, { waitUntil: "load" });
  assert.ok((await overflows(page)) <= 0, "the page scrolls sideways");
  assert.deepEqual(complaints, []);
  if (IN_ENGLISH.test(path)) return;
  assert.equal(await page.evaluate(() => document.documentElement.lang), "fr");
  const left = (await english(page)).filter((text) => !KEPT.test(text) && ((FRENCH[text] ?? text) !== text || SENTENCE.test(text)));
  assert.deepEqual(left, [], "in English");
}

test("every page, both themes, both widths", { concurrency: WIDTHS.length }, async (t) => {
  const pages = server.routes.filter(
    (route) =>
      route.method === "GET" && ["tenant", "platform"].includes(route.surface) && !route.path.startsWith("/api/v1") &&
      !route.path.startsWith("/api/platform/v1") && !NO_PAGES.some((pattern) => pattern.test(route.path)),
  );
  assert.ok(pages.length > 20, `only ${pages.length} pages in the registry`);
  const walk = (width) =>
    t.test(`${width} px`, async (t) => {
      const opened = await open(browser, { width, theme: THEMES[0], state });
      for (const route of pages) await t.test(`${route.surface} ${route.path}, ${width} px`, () => look(route, opened));
      await opened.context.close();
      const french = await open(browser, { width, theme: THEMES[0], state, locale: "fr-FR" });
      for (const route of pages) await t.test(`${route.surface} ${route.path}, ${width} px, French`, () => readInFrench(route, french));
      await french.context.close();
    });
  await Promise.all(WIDTHS.map(walk));
});
