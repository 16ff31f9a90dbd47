/**
 * `npm run docs`: the pages that are made from the code. `--check` writes nothing and fails when a
 * page is not what it would make.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alertsPage } from "./alerts-page.mjs";
import { root, say, setUp } from "./lib.mjs";

setUp();
const { ERROR_REGISTRY } = await import("@hearthmesh/core");
const { configurationPage, exampleFile } = await import("@hearthmesh/node");
const { metricsPage, openApiDocument } = await import("@hearthmesh/gateway");
const { commandReference, describeCommands } = await import("hearthmesh");

const EXIT_MEANINGS = [
  [0, "all went well"],
  [1, "a fault inside the program, or cancelled"],
  [2, "wrong use: an argument, a flag, a path, a configuration value"],
  [3, "not found"],
  [4, "not allowed"],
  [5, "conflict with what is there"],
  [6, "unreachable, or no answer in time"],
  [7, "a limit or a resource: ports, disk, quota"],
  [8, "damaged data"],
  [9, "trust: certificates, invites, pins"],
];

function errorsPage() {
  const rows = Object.entries(ERROR_REGISTRY).map(
    ([code, { status, exit, message, hint }]) =>
      `| \`${code}\` | ${status} | ${exit} | ${message} | ${hint} |`,
  );
  return [
    "# Errors",
    "",
    "<!-- Made by `npm run docs` from packages/core/src/error-registry.ts. -->",
    "",
    "Every error has a code that never changes its meaning, an HTTP status, and an exit status of",
    "the command that ends with it. The message may be more precise than the one below.",
    "",
    "| code | HTTP | exit | message | what to do |",
    "|---|---|---|---|---|",
    ...rows,
    "",
    "## Exit status",
    "",
    "| exit | meaning |",
    "|---|---|",
    ...EXIT_MEANINGS.map(([exit, meaning]) => `| ${exit} | ${meaning} |`),
    "",
  ].join("\n");
}

/** `limits.ts` read as text: the comment above a constant is its meaning. */
function limitsPage() {
  const source = readFileSync(join(root, "packages/core/src/limits.ts"), "utf8");
  const rows = [];
  let comment = "";
  const remarkOrConstant = /^\/\*\*([\s\S]*?)\*\/$|^export const (\w+) = (.*);$/gm;
  for (const [, remark, name, value] of source.matchAll(remarkOrConstant)) {
    if (remark !== undefined) comment = remark.replace(/\s*\n \*\s*/g, " ").trim();
    else rows.push(`| \`${name}\` | \`${value}\` | ${comment} |`);
  }
  return [
    "# Limits",
    "",
    "<!-- Made by `npm run docs` from packages/core/src/limits.ts. -->",
    "",
    "At a limit there is a typed error, never growth and never silence. The unit stands in the",
    "name.",
    "",
    "| limit | value | meaning |",
    "|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

const pages = {
  "docs/errors.md": errorsPage(),
  "docs/limits.md": limitsPage(),
  "docs/configuration.md": configurationPage(),
  "mesh.example.yaml": exampleFile(),
  "docs/metrics.md": metricsPage(),
  "docs/alerts.md": alertsPage(),
  "docs/cli.md": commandReference(describeCommands()),
  "docs/openapi.json": `${JSON.stringify(await openApiDocument(), undefined, 2)}\n`,
};
const check = process.argv.includes("--check");
let stale = 0;
for (const [name, content] of Object.entries(pages)) {
  const path = join(root, name);
  if (existsSync(path) && readFileSync(path, "utf8") === content) continue;
  stale++;
  if (check) say(`${name} is not fresh: run \`npm run docs\``);
  else {
    writeFileSync(path, content);
    say(`wrote ${name}`);
  }
}
say(`${Object.keys(pages).length} pages, ${stale} ${check ? "stale" : "written"}`);
process.exit(check && stale > 0 ? 1 : 0);
