// Builds every style sheet and script into ../static with content-hashed names, and writes static/manifest.json,
// which maps the plain name that templates use ("app.css") to the hashed one ("app.3fa2c1d9.css").
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, basename } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { icons } from "./icons.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const out = join(here, "..", "static");
const tailwind = join(dirname(require.resolve("@tailwindcss/cli/package.json")), "dist", "index.mjs");

/** Compiles one Tailwind source into `into` and returns the file's path. */
function compileTailwind(source, into) {
  const file = join(into, basename(source));
  execFileSync(process.execPath, [tailwind, "-i", source, "-o", file], { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
  return file;
}

/** One sprite for all icons: pages refer to a symbol by name, and the browser keeps the file. */
function sprite() {
  const folder = join(dirname(require.resolve("lucide-static/package.json")), "icons");
  const symbols = Object.entries(icons).map(([name, file]) => {
    const svg = readFileSync(join(folder, `${file}.svg`), "utf8");
    const inner = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
    return `<symbol id="${name}" viewBox="0 0 24 24">${inner.replace(/\s+/g, " ").trim()}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`;
}

async function build() {
  const work = mkdtempSync(join(here, ".build-"));
  const staging = join(work, "static");
  mkdirSync(staging);
  const manifest = {};
  try {
    const appCss = compileTailwind(join(here, "src", "app.css"), work);
    const entries = {
      app: join(here, "src", "js", "app.js"),
      map: join(here, "src", "js", "map.js"),
      theme: join(here, "src", "js", "theme.js"),
      tree: join(here, "src", "js", "tree.js"),
      swagger: join(here, "src", "js", "swagger.js"),
    };
    const styles = {
      app: appCss,
      map: join(here, "src", "map.css"),
      swagger: join(here, "src", "swagger.css"),
      redoc: join(here, "src", "redoc.css"),
    };
    const shared = {
      absWorkingDir: here,
      bundle: true,
      minify: true,
      metafile: true,
      outdir: staging,
      entryNames: "[name].[hash]",
      assetNames: "[name].[hash]",
      legalComments: "none",
      logLevel: "warning",
      nodePaths: [join(here, "node_modules")],
      loader: { ".png": "dataurl", ".woff2": "file" },
    };
    const results = await Promise.all([
      esbuild.build({ ...shared, entryPoints: entries, format: "iife", target: ["chrome119", "firefox128", "safari17"] }),
      // Redoc's bundle is a finished script that cannot be imported: it goes in front of the lines that start it. Its footer would load a picture
      // from its makers; nothing here is loaded from elsewhere.
      esbuild.build({
        ...shared,
        entryPoints: { redoc: join(here, "src", "js", "redoc.js") },
        banner: { js: readFileSync(require.resolve("redoc/bundles/redoc.standalone.js"), "utf8").replace(/^\/\/# sourceMappingURL=.*$/m, "").replaceAll("https://cdn.redoc.ly/redoc/logo-mini.svg", "data:image/gif;base64,R0lGODlhAQABAAAAACw=") },
        target: ["chrome119", "firefox128", "safari17"],
      }),
      esbuild.build({ ...shared, entryPoints: styles, target: ["chrome119", "firefox128", "safari17"] }),
    ]);
    for (const result of results) {
      for (const file of Object.keys(result.metafile.outputs)) {
        const hashed = basename(file);
        manifest[hashed.replace(/\.[A-Z0-9]{8}\./, ".")] = hashed;
      }
    }
    for (const [name, bytes] of [["icons.svg", sprite()], ["favicon.svg", readFileSync(join(here, "src", "favicon.svg"))]]) {
      const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
      const hashed = name.replace(".", `.${hash}.`);
      writeFileSync(join(staging, hashed), bytes);
      manifest[name] = hashed;
    }
    const sorted = Object.fromEntries(Object.entries(manifest).sort(([a], [b]) => (a < b ? -1 : 1)));
    writeFileSync(join(staging, "manifest.json"), `${JSON.stringify(sorted, null, 2)}\n`);
    // The folder changes as a whole: a server that embeds or serves it never sees half a build.
    rmSync(out, { recursive: true, force: true });
    renameSync(staging, out);
    return sorted;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const manifest = await build();
for (const [name, hashed] of Object.entries(manifest)) process.stdout.write(`${name} -> ${hashed}\n`);

if (process.argv.includes("--watch")) {
  const { watch } = await import("node:fs");
  let timer;
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(() => build().catch((error) => process.stderr.write(`${error}\n`)), 200);
  };
  for (const folder of [join(here, "src"), join(here, "..", "templates")]) watch(folder, { recursive: true }, again);
}
