/**
 * The repository polices itself: what a reader should never meet, and what must be documented. Each
 * rule lists every place at once.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ERROR_REGISTRY } from "@hearthmesh/core";
import { metricsPage } from "@hearthmesh/gateway";
import { configurationPage, exampleFile } from "@hearthmesh/node";
import { describe, expect, it } from "vitest";
import { commandReference, describeCommands } from "../../packages/cli/src/index.js";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
  cwd: root,
  encoding: "utf8",
});
const files = listed.split("\0").filter((name) => name !== "");
const isCode = (name: string) => /\.(ts|mjs|js)$/.test(name);
const isSource = (name: string) => isCode(name) && !name.endsWith(".test.ts");
const read = (name: string) => readFileSync(join(root, name), "utf8");
const present = files.filter((name) => {
  try {
    return statSync(join(root, name)).isFile();
  } catch {
    // Deleted and not yet committed.
    return false;
  }
});
const code = present.filter(isCode);

/** `name:line` of every line that matches. */
function places(names: readonly string[], pattern: RegExp): string[] {
  return names.flatMap((name) =>
    read(name)
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${name}:${index + 1}`] : [])),
  );
}

describe("the repository", () => {
  it("looks at a plausible number of files", () => {
    expect(code.length).toBeGreaterThan(100);
  });

  it("has no line of code over 100 columns", () => {
    // A long address or an import cannot be broken.
    const long = places(code, /^.{101,}$/).filter((place) => {
      const [name = "", line = "0"] = place.split(":");
      return !/https?:\/\/|^import /.test(read(name).split("\n")[Number(line) - 1] ?? "");
    });
    expect(long).toEqual([]);
  });

  it("has no file of code over 400 lines", () => {
    const long = code.filter((name) => read(name).trimEnd().split("\n").length > 400);
    expect(long).toEqual([]);
  });

  it("has no word that marks unfinished or silenced work", () => {
    const words = ["FIX" + "ME", "XX" + "X", "HA" + "CK", "TO" + "DO"].join("|");
    const silenced = ["@ts-" + "ignore", "@ts-" + "expect-error", "biome-" + "ignore"].join("|");
    expect(places(code, new RegExp(`\\b(${words})\\b|${silenced}`))).toEqual([]);
  });

  it("has no test that is switched off or alone", () => {
    const tests = code.filter((name) => name.endsWith(".test.ts"));
    expect(places(tests, /\b(it|test|describe)\.(only|todo)\(/)).toEqual([]);
  });

  it("never lets TLS go unchecked, but where the check is our own", () => {
    const ownChecks = [
      // Reads the chain and sends nothing; `checkPinnedChain` decides.
      "packages/client/src/certificate-probe.ts",
      // Of another mesh: its CA comes with the answer, whose proof binds it to this connection.
      "packages/client/src/introduction-probe.ts",
      // Client certificates are optional there; `caller-introduced.ts` checks those that come.
      "packages/gateway/src/doors/loopback-door.ts",
    ];
    const sources = code.filter((name) => isSource(name) && name.startsWith("packages/"));
    const off = places(sources, /rejectUnauthorized:\s*false|NODE_TLS_REJECT_UNAUTHORIZED/);
    expect(off.map((place) => place.replace(/:\d+$/, "")).sort()).toEqual(ownChecks);
  });

  it("takes time and chance from outside in the packages that the simulator runs", () => {
    const pure = /^packages\/(qwormhole|identity|membership|collective|store|pool)\/src\//;
    const sources = code.filter(
      (name) => pure.test(name) && isSource(name) && !/\/testing\//.test(name),
    );
    const found = places(sources, /\bDate\.now\(|\bMath\.random\(|\bnew Date\(\)/).filter(
      // The transport stands alone and brings a real clock as its default.
      (place) => !/qwormhole\/src\/(system-)?clock\.ts/.test(place),
    );
    expect(found).toEqual([]);
  });

  it("writes to the console in the command line alone", () => {
    const sources = code.filter((name) => name.startsWith("packages/") && isSource(name));
    const noisy = places(sources, /\bconsole\.\w+\(/).filter(
      (place) => !place.startsWith("packages/cli/") && !place.includes("/public/"),
    );
    expect(noisy).toEqual([]);
  });

  it("has no default export", () => {
    const sources = code.filter((name) => name.startsWith("packages/"));
    expect(places(sources, /^export default\b/)).toEqual([]);
  });

  it("has no file over 2 MiB and no private key", () => {
    const large = present.filter((name) => statSync(join(root, name)).size > 2 * 1024 * 1024);
    expect(large).toEqual([]);
    const text = present.filter((name) => /\.(ts|mjs|js|json|md|pem|key|crt|yaml|yml)$/.test(name));
    expect(places(text, new RegExp(`BEGIN ${"[A-Z ]*"}PRIVATE KEY-----\\s*$`))).toEqual([]);
  });
});

describe("the documentation", () => {
  const pages = present.filter((name) => name.endsWith(".md"));

  it("has one first-level heading in each page", () => {
    const wrong = pages.filter((name) => {
      const withoutCode = read(name).replace(/^(```|~~~)[\s\S]*?^\1/gm, "");
      return withoutCode.split("\n").filter((line) => /^# /.test(line)).length !== 1;
    });
    expect(wrong).toEqual([]);
  });

  it("has no link to a page that does not exist", () => {
    const broken = pages.flatMap((name) =>
      [...read(name).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map((match) => match[1] ?? "")
        .filter((target) => !present.includes(join(dirname(name), target)))
        .filter((target) => !present.some((file) => file.startsWith(join(dirname(name), target))))
        .map((target) => `${name} -> ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it("names every error code", () => {
    const page = read("docs/errors.md");
    const missing = Object.keys(ERROR_REGISTRY).filter((code) => !page.includes(`\`${code}\``));
    expect(missing).toEqual([]);
  });

  it("names every limit", () => {
    const page = read("docs/limits.md");
    const names = [...read("packages/core/src/limits.ts").matchAll(/^export const (\w+)/gm)];
    const missing = names.map((match) => match[1] ?? "").filter((name) => !page.includes(name));
    expect(missing).toEqual([]);
  });

  it("describes every configuration key, metric and command as the code has them", () => {
    expect(read("docs/configuration.md")).toBe(configurationPage());
    expect(read("mesh.example.yaml")).toBe(exampleFile());
    expect(read("docs/metrics.md")).toBe(metricsPage());
    expect(read("docs/cli.md")).toBe(commandReference(describeCommands()));
  });

  it("gives a reason for every runtime dependency, and there are at most 20", () => {
    const page = read("docs/dependencies.md");
    const manifests = present.filter((name) => /^packages\/[^/]+\/package\.json$/.test(name));
    const direct = new Set(
      manifests.flatMap((name) =>
        Object.keys((JSON.parse(read(name)) as { dependencies?: object }).dependencies ?? {}),
      ),
    );
    const outside = [...direct].filter((name) => !name.startsWith("@hearthmesh/"));
    expect(outside.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
    expect(outside.length).toBeLessThanOrEqual(20);
  });

  it("has a changelog with an unreleased section", () => {
    expect(read("CHANGELOG.md")).toMatch(/^## \[Unreleased\]/m);
  });
});
