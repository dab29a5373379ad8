// Every page of the registry of routes, in both themes, at both widths: axe finds nothing, nothing scrolls sideways, and the
// browser's console has nothing to say.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { THEMES, WIDTHS, buildField, buildPlant, customersCsv, findings, joinPortal, launch, open, overflows, signUp } from "./browser.mjs";
import { keepBooks } from "./books.mjs";
import { start } from "./server.mjs";

const SLUG = "every-page";

/** Paths that are no pages: files, fragments, data and pictures. */
const NO_PAGES = [
  /^\/static\//, /^\/internal\//, /^\/livez$/, /^\/readyz$/, /^\/\.well-known\//, /openapi\.json$/, /^\/branding\.css$/,
  /^\/logo$/, /export/, /\.csv$/, /\.xlsx$/, /template/, /\/data$/, /\/status$/, /counts$/, /\/unread$/, /^\/installations\/ports$/, /\/files\/:file$/, /\/pdf$/, /\/preview$/, /^\/signup\/slug$/, /^\/find$/, /^\/my\/receipts\//,
];

/** Pages that only a code from a letter or a redirect opens: without one they say so, and that page is looked at. */
const WITHOUT_A_CODE = { "/landing": 404, "/reset": 410, "/my/join": 410, "/my/reset": 410 };

/** The platform's page with a far longer document, for which axe needs minutes: it looks at the platform's. */
const LONG = "tenant /api/redoc";

let server;
let browser;
let state;
const ids = {};

before(async () => {
  server = await start();
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
  ids["/my/tickets"] = (await joinPortal(page, server.at(SLUG), ids["/customers"])).split("/").pop();
  state = await context.storageState();
  await context.close();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function idOf(page, path, pattern) {
  await page.goto(`${server.at(SLUG)}${path}`);
  return (await page.content()).match(pattern)?.[1];
}

/** A path without its variables, or nothing when the portal has no such thing to show. */
function concrete(route) {
  let path = route.path;
  for (const [stem, id] of Object.entries(ids).sort((a, b) => b[0].length - a[0].length)) {
    if (id && path.startsWith(`${stem}/:`)) path = path.replace(/:[a-z_]+/, id);
  }
  return path;
}

test("every page, both themes, both widths", async (t) => {
  const pages = server.routes.filter(
    (route) =>
      route.method === "GET" && ["tenant", "platform"].includes(route.surface) && !route.path.startsWith("/api/v1") &&
      !route.path.startsWith("/api/platform/v1") && !NO_PAGES.some((pattern) => pattern.test(route.path)),
  );
  assert.ok(pages.length > 20, `only ${pages.length} pages in the registry`);
  for (const width of WIDTHS) {
    for (const theme of THEMES) {
      const { context, page, complaints } = await open(browser, { width, theme, state });
      for (const route of pages) {
        const where = `${route.surface} ${route.path}`;
        await t.test(`${where}, ${theme}, ${width} px`, async () => {
          const path = concrete(route);
          assert.ok(!path.includes(":"), `${where} has a variable that this test cannot fill`);
          const host = route.surface === "platform" ? server.base : server.at(SLUG);
          complaints.length = 0;
          const answer = await page.goto(`${host}${path}`, { waitUntil: "load" });
          const status = answer.status();
          assert.ok(status < 400 || status === WITHOUT_A_CODE[route.path], `${path} answered ${status}`);
          if (where !== LONG) assert.deepEqual(await findings(page, theme), []);
          assert.ok((await overflows(page)) <= 0, "the page scrolls sideways");
          assert.deepEqual(complaints, []);
        });
      }
      await context.close();
    }
  }
});
