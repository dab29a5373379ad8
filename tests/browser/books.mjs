// What a provider does all day, by its API: plans, sales, money, tickets and an outage, so that there is something to look at.
import assert from "node:assert/strict";
import { request } from "node:http";

import { PASSWORD } from "./browser.mjs";

/** One request to the server's address, which names the provider's host itself: not every machine resolves names below localhost. */
function sent(server, slug, method, path, headers, body) {
  const host = `${slug}.localhost:${server.port}`;
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: server.port, method, path, headers: { host, ...headers } }, async (answer) => {
      let text = "";
      for await (const chunk of answer.setEncoding("utf8")) text += chunk;
      resolve({ status: answer.statusCode, text });
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Calls of a provider's API as its owner. */
export async function apiOf(server, slug) {
  const headers = { "content-type": "application/json" };
  const call = async (method, path, body) => {
    const { status, text } = await sent(server, slug, method, `/api/v1${path}`, headers, body && JSON.stringify(body));
    assert.ok(status < 300, `${method} ${path} answered ${status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  const tokens = await call("POST", "/auth/token", { email: `maria@${slug}.example`, password: PASSWORD });
  headers.authorization = `Bearer ${tokens.access_token}`;
  return { get: (path) => call("GET", path), post: (path, body) => call("POST", path, body) };
}

/** One thing of each kind that has a page: its id by its page's stem. */
export async function keepBooks(server, slug, { customer, installation, nap }) {
  const api = await apiOf(server, slug);
  const shift = await api.post("/shifts", { opening_cash: "500.00" });
  const plan = await api.post("/plans", { name: "Home 50", download_mbps: 50, upload_mbps: 25, price: "1299.00" });
  const sale = await api.post("/subscriptions", {
    installation_id: installation, plan_id: plan.id, kind: "one_month", payment: { amount: "1500.00", method: "cash" },
  });
  const receipt = await api.get(`/receipts/${sale.payment.receipt_id}`);
  const ticket = await api.post("/tickets", { customer_id: customer, title: "No internet since last night", category: "no_connection", priority: "high" });
  await api.post(`/tickets/${ticket.id}/comments`, { comment: "A technician is on the way.", is_internal: false });
  const outage = await api.post("/outages", { node_kind: "nap", node_id: nap, cause: "fibre_cut" });
  const schedule = await api.post("/report-schedules", { report: "daily-collection", format: "csv", every: "day", at_hour: 6 });
  return {
    "/plans": plan.id,
    "/subscriptions": sale.subscription.id,
    "/payments": sale.payment.id,
    "/receipts": receipt.id,
    "/receipts/verify": receipt.verification_code,
    "/shifts": shift.id,
    "/tickets": ticket.id,
    "/outages": outage.id,
    "/reports/schedules": schedule.id,
  };
}
