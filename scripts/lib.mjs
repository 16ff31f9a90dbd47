/** What every script shares: set-up that does nothing when nothing is missing. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, ".cache");

export function say(text) {
  process.stdout.write(`${text}\n`);
}

/** Runs a command in the repository with this terminal; returns its exit status. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error) throw error;
  return status ?? 1;
}

/** Runs a tool that is installed in node_modules, without npx and its questions. */
export function runTool(name, args, options = {}) {
  return run(process.execPath, [toolPath(name), ...args], options);
}

export function toolPath(name) {
  const manifest = JSON.parse(
    readFileSync(join(root, "node_modules", name, "package.json"), "utf8"),
  );
  const short = name.split("/").pop();
  const bin =
    typeof manifest.bin === "string"
      ? manifest.bin
      : (manifest.bin[short] ?? manifest.bin.tsc ?? Object.values(manifest.bin)[0]);
  return join(root, "node_modules", name, bin);
}

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  say(`Hearthmesh needs Node 20.19 or later; this is ${process.version}.`);
  process.exit(2);
}

function stampPath(name) {
  return join(cache, `${name}.stamp`);
}

function readStamp(name) {
  return existsSync(stampPath(name)) ? readFileSync(stampPath(name), "utf8") : "";
}

function writeStamp(name, value) {
  mkdirSync(cache, { recursive: true });
  writeFileSync(stampPath(name), value);
}

/** Installs the dependencies of the lock file when they are missing or others. */
function ensureInstalled() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const modules = join(root, "node_modules");
  if (readStamp("install") === lock && existsSync(join(modules, "typescript"))) return;
  say("Installing the dependencies (npm install) ...");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  // Not `npm ci`: it refuses a lock file that lacks an optional package of another platform, and
  // some registries do not carry all of them. The versions still come from the lock file,
  // unchanged.
  const status = run(npm, ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (status !== 0) {
    say("npm install failed: see the lines above. It needs the npm registry once.");
    process.exit(status);
  }
  writeStamp("install", lock);
}

function* sourceFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === "dist" || entry.name === "node_modules") continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sourceFiles(path);
    else if (/\.(ts|json)$/.test(entry.name) && !entry.name.endsWith(".test.ts")) yield path;
  }
}

function sourceFingerprint() {
  const hash = createHash("sha256");
  for (const path of [...sourceFiles(join(root, "packages"))].sort()) {
    const { mtimeMs, size } = statSync(path);
    hash.update(`${path}\0${mtimeMs}\0${size}\n`);
  }
  hash.update(readFileSync(join(root, "tsconfig.base.json")));
  return hash.digest("hex");
}

function ensureBuilt() {
  const fingerprint = sourceFingerprint();
  const daemon = join(root, "packages", "cli", "dist", "main.js");
  if (readStamp("build") === fingerprint && existsSync(daemon)) return;
  say("Building (tsc -b) ...");
  const status = runTool("typescript", ["-b"]);
  if (status !== 0) process.exit(status);
  copyDemoModel();
  writeStamp("build", fingerprint);
}

/** Into the package of the daemon, which is published without the rest of the repository. */
function copyDemoModel() {
  const name = "hearthmesh-demo.gguf";
  const folder = join(root, "packages", "node", "dist", "models");
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, "models", "demo", name), join(folder, name));
}

/** Everything that `npm start`, `npm test` and the others need before their own work. */
export function setUp({ build = true } = {}) {
  requireNode();
  ensureInstalled();
  if (build) ensureBuilt();
}
