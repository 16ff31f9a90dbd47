/**
 * What the bench compares with lives in a folder of its own, so that the workspace does not depend
 * on it. It is installed on first use from the lock file beside it. better-sqlite3 needs a binary:
 * its own install step fetches one or compiles it; where neither works, the SQLite that the store
 * itself uses stands in for it, and the table says so.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const folder = new URL("./peers/", import.meta.url);
const stamp = new URL("./node_modules/.installed", folder);
const BUILD_TIMEOUT_MS = 600_000;

function npm(args, options = {}) {
  const command = process.platform === "win32" ? "npm.cmd" : "npm";
  const cwd = fileURLToPath(folder);
  return spawnSync(command, [...args, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd,
    stdio: ["ignore", "ignore", "inherit"],
    ...options,
  });
}

export function installPeers(say) {
  const lock = readFileSync(new URL("./package-lock.json", folder));
  const wanted = createHash("sha256").update(lock).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("Installing the packages to compare with (npm install in bench/store/peers) ...");
  const { status, error } = npm(["install", "--no-save", "--ignore-scripts", "--include=prod"]);
  if (error !== undefined || status !== 0) {
    throw new Error("npm install failed; `--only failover` needs none of them");
  }
  say("Fetching or compiling the binary of better-sqlite3; that may take minutes ...");
  npm(["rebuild", "better-sqlite3"], { stdio: "ignore", timeout: BUILD_TIMEOUT_MS });
  writeFileSync(stamp, wanted);
}

const requirePeer = createRequire(new URL("./peers/package.json", import.meta.url));

export function loadPeer(name) {
  return requirePeer(name);
}

export function versionOf(name) {
  const manifest = new URL(`./node_modules/${name}/package.json`, folder);
  return JSON.parse(readFileSync(manifest, "utf8")).version;
}

/** The bare SQLite to compare with: `{ name, Database }`, both with the same interface. */
export function bareSqlite() {
  const requireOwn = createRequire(import.meta.resolve("@hearthmesh/store"));
  try {
    const Database = loadPeer("better-sqlite3");
    new Database(":memory:").close();
    return { name: `better-sqlite3 ${versionOf("better-sqlite3")}`, Database };
  } catch {
    return {
      name: "libsql, bare (better-sqlite3 has no binary here)",
      Database: requireOwn("libsql"),
    };
  }
}
