// The platform's console, as its first person comes to it.
import { turnOn } from "./authenticators.mjs";
import { PASSWORD } from "./browser.mjs";

/** Joins by the link of the command line and sets the second step up; `look` is told of each page on the way. */
export async function joinConsole(page, server, email, look = async () => {}) {
  const said = server.run("platform", "invite", "--email", email, "--name", "Ada Reyes", "--role", "super-admin");
  await page.goto(said.match(/http\S+/)[0]);
  await look("join");
  await page.fill("#password", PASSWORD);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByLabel("Key for the app").waitFor();
  await look("enrol");
  await turnOn(page);
  await page.getByRole("heading", { name: "The second step is set up" }).waitFor();
}
