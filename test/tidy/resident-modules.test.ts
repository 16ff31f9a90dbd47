/**
 * What a process that stays loads, by following the imports of the sources: each module costs it
 * memory for as long as it runs (docs/performance.md). What is imported at the point of use, with
 * `import()`, is not followed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const packages = fileURLToPath(new URL("../../packages/", import.meta.url));
/** Imports that are there when the program runs; those of types are not. */
const IMPORTS = /^(?:import|export)\s+(?!type\b)(?:[^;"']*?\bfrom\s+)?"([^"]+)"/gm;
const OWN_PACKAGE = /^@hearthmesh\/(\w+)(\/.+)?$/;

/** A module of ours as `package/src/file.ts`, another one by its name. */
function moduleOf(specifier: string, from: string): string {
  if (specifier.startsWith(".")) return join(dirname(from), specifier).replace(/\.js$/, ".ts");
  const [, name, path = ""] = OWN_PACKAGE.exec(specifier) ?? [];
  if (name === undefined) return specifier;
  const { exports } = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"));
  const target: string = exports[`.${path}`].default;
  return join(name, target.replace("dist", "src").replace(/\.js$/, ".ts"));
}

function loadedFrom(...entries: string[]): string[] {
  const loaded = new Set(entries);
  for (const module of loaded) {
    if (!module.endsWith(".ts")) continue;
    const source = readFileSync(join(packages, module), "utf8");
    for (const [, specifier = ""] of source.matchAll(IMPORTS)) {
      loaded.add(moduleOf(specifier, module));
    }
  }
  return [...loaded];
}

const DAEMON = ["cli/src/main.ts", "cli/src/commands/up.ts", "node/src/resident.ts"];

describe("a process that stays", () => {
  it("holds no command but its own", () => {
    const loaded = loadedFrom(...DAEMON);
    expect(loaded).toContain("node/src/daemon.ts");
    const commands = loaded.filter((module) => module.startsWith("cli/src/commands/"));
    expect(commands).toEqual(["cli/src/commands/up.ts"]);
    expect(loaded).not.toContain("cli/src/program.ts");
    expect(loaded).not.toContain("client/src/index.ts");
  });

  it("that is a storage node holds nothing of coordinators, their store and their doors", () => {
    const loaded = loadedFrom(...DAEMON, "node/src/storage-only-node.ts");
    expect(loaded).toContain("collective/src/storage/pack-store.ts");
    const foreign = [
      /^collective\/src\/(copies|key-value|recovery)\//,
      /^collective\/src\/(index|authority\/authority|coordinator\/coordinator)\.ts$/,
      /^collective\/src\/leadership\/(?!leadership\.ts$)/,
      /^store\/src\/(?!(operations|types)\.ts$)/,
      /^node\/src\/etcd\/(?!limits\.ts$)/,
      /^gateway\/src\/(contracts|routes|openai)\//,
      /^(gateway|client|node|pool)\/src\/index\.ts$/,
      /^(fastify|fastify-type-provider-zod|prom-client|libsql|@grpc\/|@peculiar\/)/,
    ];
    const found = loaded.filter((module) => foreign.some((pattern) => pattern.test(module)));
    expect(found).toEqual([]);
  });

  it("that is a coordinator makes the shapes of its API when they are asked for", () => {
    const folder = join(packages, "gateway/src/contracts");
    const made = readdirSync(folder).flatMap((file) => {
      const source = readFileSync(join(folder, file), "utf8");
      const atOnce = /^(?:export )?const (\w+) = z\s*\.(?:object|\w+Object|discriminatedUnion)\(/gm;
      return [...source.matchAll(atOnce)].map(([, name]) => name);
    });
    // The rest of a path, which the OpenAPI document looks into. Others are `z.lazy(() => ...)`.
    expect(made).toEqual(["KeyParams", "OpenAiModelParams"]);
  });

  it("that is idle asks for no table of languages, which takes 5 MB", () => {
    const folders = ["core", "collective", "healing", "membership", "node", "store"];
    const sources = folders.flatMap((name) =>
      readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
        .map((file) => join(name, "src", file)),
    );
    const asking = sources.filter((file) =>
      /\.toLocale\w+\(|\bIntl\.|\.localeCompare\(/.test(readFileSync(join(packages, file), "utf8")),
    );
    expect(sources.length).toBeGreaterThan(300);
    expect(asking).toEqual([]);
  });
});
