/**
 * `npm test`: all tests, with the set-up that they need. Arguments go to vitest, but for
 * `--store etcd`: then the tests that start a whole member, with files and invites, run it on that
 * engine, and `--long`: then those run too that repeat, record or run every example (CI does it).
 * Ends with the engines that were tested, the names of the skipped and of the failed tests, and the
 * line `N passed, N failed`.
 *
 * Many tests run real processes and sockets on a machine that may be busy with other things. A
 * file that fails runs once more, alone; what failed at first is named as `unsteady`, since it is a
 * fault to be found, in the test or in the product. A second failure counts.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { root, runTool, say, setUp } from "./lib.mjs";

const isLong = process.argv.includes("--long") || process.env.HEARTHMESH_TEST_LONG === "1";
const wanted = process.argv.slice(2).filter((one) => one !== "--long");
const at = wanted.indexOf("--store");
const [, store = "sqlite"] = at < 0 ? [] : wanted.splice(at, 2);
if (store !== "sqlite" && store !== "etcd") {
  say(`--store is sqlite or etcd, not ${JSON.stringify(store)}`);
  process.exit(2);
}

/** The version of the system's etcd; undefined when it has none. */
function etcdVersion() {
  const { status, stdout } = spawnSync("etcd", ["--version"], { encoding: "utf8" });
  return status === 0 ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined;
}

const etcd = etcdVersion();
if (store === "etcd" && etcd === undefined) {
  say("etcd is not installed: Debian and Ubuntu have it as etcd-server");
  process.exit(2);
}
setUp();
mkdirSync(join(root, ".cache"), { recursive: true });
/** More failed files than this are no matter of chance. */
const SECOND_TRIES_MAX = 8;

/** Runs vitest; undefined when it wrote no results. */
function runTests(name, args) {
  const path = join(root, ".cache", `${name}.json`);
  const errorsPath = join(root, ".cache", `${name}-set-up.json`);
  rmSync(path, { force: true });
  const long = isLong ? "1" : "";
  const env = { ...process.env, MESH_TEST_STORE: store, HEARTHMESH_TEST_LONG: long };
  const status = runTool(
    "vitest",
    [
      ...["run", "--reporter=default", "--reporter=./scripts/set-up-errors.mjs"],
      ...["--reporter=json", `--outputFile.json=${path}`, ...args],
    ],
    { env: { ...env, HEARTHMESH_SET_UP_ERRORS: errorsPath } },
  );
  if (!existsSync(path)) return { status, files: undefined };
  const setUpErrors = JSON.parse(readFileSync(errorsPath, "utf8"));
  const files = JSON.parse(readFileSync(path, "utf8")).testResults;
  return { status, files: files.map((file) => ({ ...file, outside: setUpErrors[file.name] })) };
}

/** Enough to see why; a stack trace stands further above. */
const TOLD_CHARACTERS_MAX = 600;
const inOneLine = (text) => {
  const [message = ""] = String(text ?? "").split(/\n\s+at /, 1);
  return message
    .trim()
    .replaceAll(/\s*\n\s*/g, " | ")
    .slice(0, TOLD_CHARACTERS_MAX);
};

/** One line for each failed test, or for the file when it failed outside of them. */
function failuresOf({ name, status, message, outside, assertionResults }) {
  const failed = assertionResults
    .filter((test) => test.status === "failed")
    .map(({ fullName, failureMessages }) => `${fullName}: ${inOneLine(failureMessages?.[0])}`);
  if (status !== "failed" || failed.length > 0) return failed;
  return [`${relative(root, name)}: ${inOneLine(message || outside?.[0])}`];
}

/** The results with those of second tries in place of the first ones. */
function withSecondTries(files) {
  const failed = files.filter((file) => failuresOf(file).length > 0);
  const isChance = failed.length <= SECOND_TRIES_MAX;
  if (failed.length === 0 || !isChance) return { files, unsteady: [] };
  const names = failed.map(({ name }) => relative(root, name));
  say(`a second try, alone: ${names.join(", ")}`);
  const again = runTests("test-results-again", ["--no-file-parallelism", ...names]);
  if (again.files === undefined) return { files, unsteady: [] };
  const second = new Map(again.files.map((file) => [file.name, file]));
  return {
    files: files.map((file) => second.get(file.name) ?? file),
    unsteady: failed.flatMap(failuresOf),
  };
}

const first = runTests("test-results", wanted);
if (first.files === undefined) {
  say("0 passed, 1 failed");
  process.exit(first.status === 0 ? 1 : first.status);
}
const { files, unsteady } = withSecondTries(first.files);
const tests = files.flatMap((file) => file.assertionResults);
const skipped = tests.filter((test) => test.status === "pending" || test.status === "skipped");
say(
  etcd === undefined
    ? "stores tested: memory, sqlite; not etcd, which is not installed (etcd-server)"
    : `stores tested: memory, sqlite, etcd ${etcd}; members of the tests ran on ${store}`,
);
if (!isLong && wanted.length === 0) {
  const long = ["packages", "test"]
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }))
    .filter((path) => path.endsWith(".long.test.ts") && !path.includes("node_modules"))
    .map((path) => basename(path));
  say(`not run without --long: ${long.join(", ")}`);
}
for (const test of skipped) say(`skipped: ${test.fullName}`);
for (const name of unsteady) say(`unsteady: ${name}`);
const failures = files.flatMap(failuresOf);
for (const name of failures) say(`failed: ${name}`);
const passed = tests.filter((test) => test.status === "passed").length;
const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
say(`${passed} passed, ${failures.length} failed${tail}`);
// vitest also fails for what belongs to no test, such as an error that nobody caught.
const isStrayError = unsteady.length === 0 && first.status !== 0;
process.exit(failures.length > 0 || passed === 0 || isStrayError ? 1 : 0);
