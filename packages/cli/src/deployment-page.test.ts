/** `docs/deployment.md` against what it speaks of: commands, names, ports, tests, files. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { planCompose } from "./compose/compose-plan.js";
import { commandReference, describeCommands } from "./index.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const page = readFileSync(join(root, "docs", "deployment.md"), "utf8");
const code = [...page.matchAll(/```bash\n([\s\S]*?)```/g)].map(([, text]) => text).join("\n");
const { members, network } = planCompose({ nodes: 3, project: "x0tta6bl4", clone: "../.." });

/** Names of all test files. */
function testNames(): Set<string> {
  const folders = readdirSync(join(root, "packages")).map((name) => `packages/${name}/src`);
  const files = ["test/integration", ...folders].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }),
  );
  return new Set(files.map((path) => basename(path)).filter((name) => name.endsWith(".test.ts")));
}

describe("the page about deployment", () => {
  it("shows commands that exist", () => {
    const reference = commandReference(describeCommands());
    const shown = [...code.matchAll(/(?:^|exec node-a )mesh ([a-z]+(?: [a-z]+)?)/gm)];
    expect(shown.length).toBeGreaterThan(3);
    for (const [, words = ""] of shown) {
      expect(reference).toMatch(new RegExp(`^#+ \`?mesh ${words}\`?$`, "m"));
    }
  });

  it("has the names and ports of the compose file", () => {
    for (const { name, container, httpPort, metricsPort } of members) {
      const row = `| \`${name}\` | \`${container}\` | ${httpPort}, metrics ${metricsPort} |`;
      expect(page).toContain(row);
      expect(code).toContain(`http://localhost:${httpPort}/health`);
    }
    expect(code).toContain(`docker network disconnect ${network} ${members.at(-1)?.container}`);
    expect(code).toContain(`docker network connect ${network} ${members.at(-1)?.container}`);
  });

  it("names tests, files and pages that are there", () => {
    const tests = [...page.matchAll(/`([\w-]+(?:\.long)?\.test\.ts)`/g)].map(([, name]) => name);
    const found = testNames();
    expect([...new Set(tests)].filter((name) => !found.has(name ?? ""))).toEqual([]);
    const links = [...page.matchAll(/\]\(([^)#]+)(?:#[\w-]+)?\)/g)].map(([, path = ""]) => path);
    for (const path of links)
      expect([path, existsSync(join(root, "docs", path))]).toEqual([path, true]);
    for (const [path] of page.matchAll(/\bdeploy\/[\w./-]*\w/g)) {
      if (/mesh-5/.test(path)) continue;
      expect([path, existsSync(join(root, path))]).toEqual([path, true]);
    }
  });
});
