/**
 * The packages that the bench compares with live in a folder of their own, so that the workspace
 * does not depend on them. They are installed on first use from the lock file beside them, without
 * install scripts: zeromq brings its binary along, and nothing is compiled.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("./peers/", import.meta.url);
const stamp = new URL("./node_modules/.installed", folder);

export function installPeers(say) {
  const lock = readFileSync(new URL("./package-lock.json", folder));
  const wanted = createHash("sha256").update(lock).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("Installing the packages to compare with (npm install in bench/transport/peers) ...");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  const { status, error } = spawnSync(
    npm,
    ["install", "--no-save", "--ignore-scripts", "--include=prod", ...quiet],
    { cwd: fileURLToPath(folder), stdio: ["ignore", "ignore", "inherit"] },
  );
  if (error !== undefined || status !== 0) {
    throw new Error("npm install failed; leave the packages out with --only qwormhole,tls,net");
  }
  writeFileSync(stamp, wanted);
}

export function versionOf(packageName) {
  const manifest = new URL(`./node_modules/${packageName}/package.json`, folder);
  return JSON.parse(readFileSync(manifest, "utf8")).version;
}
