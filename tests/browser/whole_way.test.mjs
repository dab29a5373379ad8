// An internet provider signs up, brings 2,000 customers, finds one, sees them on the map and what happened in the trail.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WIDTHS, customersCsv, findings, launch, open, overflows, shoot, signUp } from "./browser.mjs";
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
  test(`the whole way of a provider, ${width} px wide`, async () => {
    const slug = `way-${width}`;
    const { context, page, complaints } = await open(browser, { width, theme: "light" });
    await signUp(page, server, "Kagayan Fiber", slug);
    await page.getByRole("heading", { name: "Getting started" }).waitFor();
    await shoot(page, `way-${width}-1-landed`);

    await page.goto(`${server.at(slug)}/customers/import`);
    await page.setInputFiles("input[type=file]", {
      name: "customers.csv", mimeType: "text/csv", buffer: customersCsv(2000),
    });
    await page.getByRole("button", { name: "Read the file" }).click();
    await page.waitForURL("**/customers/imports/*");
    await page.locator("[name=create_areas]").check();
    await shoot(page, `way-${width}-2-mapping`);
    await page.locator("button[name=step][value=run]").first().click();
    await page.getByText(/2,000/).first().waitFor();
    await page.getByText("Finished", { exact: true }).waitFor({ timeout: 120_000 });
    await shoot(page, `way-${width}-3-imported`);

    await page.goto(`${server.at(slug)}/customers`);
    await page.getByText("2,000").first().waitFor();
    await page.fill("#customers-q, input[name=q]", "C-10777");
    await page.keyboard.press("Enter");
    await page.getByText("777", { exact: false }).first().waitFor();
    await page.waitForFunction(() => document.querySelectorAll("#customers tbody tr").length === 1);
    await shoot(page, `way-${width}-4-found`);
    await page.locator("#customers tbody tr a").first().click();
    await page.waitForURL("**/customers/*-*");
    assert.match(await page.locator("h1").innerText(), /777/);
    await shoot(page, `way-${width}-5-customer`);

    await page.goto(`${server.at(slug)}/customers/map`);
    await page.locator(".leaflet-container").waitFor();
    await page.waitForFunction(() => document.querySelectorAll(".leaflet-marker-icon, .leaflet-interactive").length > 0);
    await shoot(page, `way-${width}-6-map`);

    await page.goto(`${server.at(slug)}/audit`);
    await page.locator("main").getByText("customers.csv").first().waitFor();
    await shoot(page, `way-${width}-7-audit`);

    assert.deepEqual(await findings(page), []);
    assert.ok((await overflows(page)) <= 0, "the page scrolls sideways");
    assert.deepEqual(complaints, []);
    await context.close();
  });
}
