/**
 * The layer rules of docs/architecture.md, checked on every import of the sources. It fails as
 * well when fewer modules were looked at than there are, since a cruise that saw nothing is green.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cruise } from "dependency-cruiser";
import extractTsConfig from "dependency-cruiser/config-utl/extract-ts-config";
import { root, say } from "./lib.mjs";

/** Package -> packages that it may import. */
const LAYERS = {
  core: [],
  qwormhole: [],
  identity: ["core"],
  store: ["core"],
  membership: ["core", "qwormhole", "identity"],
  collective: ["core", "qwormhole", "identity", "store"],
  pool: ["core", "qwormhole", "identity", "membership"],
  healing: ["core"],
  gateway: ["core", "qwormhole", "identity", "membership", "collective", "pool", "healing"],
  client: ["core", "qwormhole", "identity", "collective", "gateway", "pool"],
  node: [
    ...["core", "qwormhole", "identity", "store", "membership", "collective", "pool"],
    ...["healing", "gateway", "client"],
  ],
  sim: ["core", "qwormhole", "identity", "store", "collective"],
  cli: ["core", "client", "gateway", "node"],
};
/** Fewer modules than this means that the check itself is broken. */
const MODULES_MIN = 120;

const rules = Object.entries(LAYERS).map(([name, allowed]) => ({
  name: `${name}-imports-only-what-is-below`,
  severity: "error",
  from: { path: `^packages/${name}/src`, pathNot: "\\.test\\.ts$" },
  to: {
    path: "^(packages/|node_modules/@hearthmesh/|@hearthmesh/)",
    pathNot: [name, ...allowed].map(
      (item) => `^(packages|(node_modules/)?@hearthmesh)/${item}(/|$)`,
    ),
  },
}));
rules.push(
  { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
  {
    name: "core-does-no-io",
    severity: "error",
    from: { path: "^packages/core/src", pathNot: "\\.test\\.ts$" },
    to: { dependencyTypes: ["core"], pathNot: "^(node:)?crypto$" },
  },
  {
    name: "only-the-driver-knows-libsql",
    severity: "error",
    from: { path: "^packages/", pathNot: "^packages/store/src/sqlite/driver\\.ts$" },
    to: { path: "node_modules/libsql/" },
  },
  {
    name: "cli-touches-the-daemon-only-to-run-it",
    severity: "error",
    from: { path: "^packages/cli/src", pathNot: "^packages/cli/src/daemon\\.ts$" },
    to: { path: "^(packages|(node_modules/)?@hearthmesh)/node(/|$)" },
  },
);

process.chdir(root);
const folders = Object.keys(LAYERS).map((name) => `packages/${name}/src`);
const { output } = await cruise(
  folders,
  {
    ruleSet: { forbidden: rules },
    validate: true,
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules|/dist/" },
    combinedDependencies: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "default"],
    },
  },
  { bustTheCache: true },
  { tsConfig: extractTsConfig(join(root, "tsconfig.json")) },
);
const seen = output.modules.filter((module) => /^packages\/\w+\/src\//.test(module.source));
const violations = output.summary.violations;
for (const violation of violations) {
  say(`${violation.rule.name}: ${violation.from} -> ${violation.to}`);
}
const sources = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".ts")),
).length;
/** Arrows between packages, as the tool saw them: each allowed one is really used. */
const arrows = new Set(
  seen.flatMap((module) =>
    module.dependencies.flatMap(({ resolved }) => {
      const from = /^packages\/(\w+)\//.exec(module.source)?.[1];
      const to = /^(?:packages|(?:node_modules\/)?@hearthmesh)\/(\w+)/.exec(resolved)?.[1];
      return from !== undefined && to !== undefined && from !== to ? [`${from} -> ${to}`] : [];
    }),
  ),
);
const unseen = Object.entries(LAYERS).flatMap(([from, allowed]) =>
  allowed.map((to) => `${from} -> ${to}`).filter((arrow) => !arrows.has(arrow)),
);
for (const arrow of unseen) say(`no import was seen for the allowed arrow ${arrow}`);
const least = Math.max(MODULES_MIN, sources);
say(
  `${seen.length} modules looked at (at least ${least} needed), ${arrows.size} arrows between ` +
    `packages, ${violations.length} violations`,
);
process.exit(violations.length + unseen.length === 0 && seen.length >= least ? 0 : 1);
