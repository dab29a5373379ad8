// The server under test: the real program on a database of its own, both ended with the tests.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const target = process.env.CARGO_TARGET_DIR ?? path.join(root, "target");
export const program = path.join(target, "debug", "lastmile");

/** Starts PostgreSQL and the server, with these settings besides; answers where they are and how to end them. */
export async function start(settings = {}) {
  if (!existsSync(program)) throw new Error(`${program} is missing: run cargo build`);
  const folder = mkdtempSync(path.join(tmpdir(), "lastmile-browser-"));
  const postgres = path.join(target, "tmp", "browser-postgres");
  mkdirSync(path.dirname(postgres), { recursive: true });
  const name = `browser_${process.pid}`;
  const database = execFileSync(program, ["postgres", "--dir", postgres, "--database", name], { encoding: "utf8" }).trim();
  const port = 20000 + (process.pid % 20000);
  const environment = {
    ...process.env,
    LASTMILE_DATABASE_URL: database,
    LASTMILE_LISTEN: `127.0.0.1:${port}`,
    LASTMILE_METRICS_LISTEN: "127.0.0.1:0",
    LASTMILE_BASE_DOMAIN: "localhost",
    LASTMILE_PUBLIC_URL_SCHEME: "http",
    LASTMILE_PUBLIC_PORT: String(port),
    LASTMILE_ENVIRONMENT: "test",
    LASTMILE_SECRETS__KIND: "file",
    LASTMILE_SECRETS__PATH: path.join(folder, "secrets"),
    LASTMILE_MAIL__FOLDER: path.join(folder, "mail"),
    LASTMILE_MAP__TILE_URL: "https://maps.example/tiles/{z}/{x}/{y}.png",
    LASTMILE_LIMITS__ADDRESS_PER_SECOND: "10000",
    LASTMILE_LIMITS__CREDENTIAL_PER_SECOND: "10000",
    LASTMILE_LIMITS__TENANT_PER_SECOND: "10000",
    LASTMILE_LIMITS__SIGNUPS_PER_HOUR: "1000",
    ...settings,
  };
  const child = spawn(program, ["serve"], { env: environment, cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const log = [];
  await new Promise((resolve, reject) => {
    let text = "";
    const late = setTimeout(() => reject(new Error(`the server did not start:\n${log.join("\n")}`)), 60_000);
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) {
        log.push(line);
        if (line.includes('"message":"ready"')) {
          clearTimeout(late);
          resolve();
        }
      }
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}:\n${log.join("\n")}`)));
  });
  const stop = async () => {
    child.removeAllListeners("exit");
    const ended = new Promise((resolve) => child.on("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    execFileSync(program, ["postgres", "--dir", postgres, "--stop"], { stdio: "ignore" });
    rmSync(folder, { recursive: true, force: true });
  };
  const run = (...args) => execFileSync(program, args, { env: environment, cwd: folder, encoding: "utf8" });
  const routes = JSON.parse(run("routes"));
  return { port, base: `http://localhost:${port}`, at: (slug) => `http://${slug}.localhost:${port}`, routes, log, run, stop };
}
