/**
 * `npm test`: all tests, with the set-up that they need. Arguments go to vitest, but for
 * `--store etcd`: then the tests that start a whole member, with files and invites, run it on that
 * engine. Ends with the engines that were tested, the names of the skipped and of the failed tests,
 * and the line `N passed, N failed`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { root, runTool, say, setUp } from "./lib.mjs";

const wanted = process.argv.slice(2);
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
const resultsPath = join(root, ".cache", "test-results.json");
mkdirSync(join(root, ".cache"), { recursive: true });
rmSync(resultsPath, { force: true });
const status = runTool(
  "vitest",
  ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${resultsPath}`, ...wanted],
  { env: { ...process.env, MESH_TEST_STORE: store } },
);
if (!existsSync(resultsPath)) {
  say("0 passed, 1 failed");
  process.exit(status === 0 ? 1 : status);
}
const results = JSON.parse(readFileSync(resultsPath, "utf8"));
const tests = results.testResults.flatMap((file) => file.assertionResults);
const skipped = tests.filter((test) => test.status === "pending" || test.status === "skipped");
say(
  etcd === undefined
    ? "stores tested: memory, sqlite; not etcd, which is not installed (etcd-server)"
    : `stores tested: memory, sqlite, etcd ${etcd}; members of the tests ran on ${store}`,
);
for (const test of skipped) say(`skipped: ${test.fullName}`);
const broken = results.testResults.filter(
  (file) => file.status === "failed" && file.assertionResults.length === 0,
);
const firstLine = (text) => String(text ?? "").split("\n", 1)[0];
for (const { name, message } of broken)
  say(`failed: ${relative(root, name)}: ${firstLine(message)}`);
for (const { status: verdict, fullName, failureMessages } of tests) {
  if (verdict === "failed") say(`failed: ${fullName}: ${firstLine(failureMessages?.[0])}`);
}
const failed = results.numFailedTests + broken.length;
const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
say(`${results.numPassedTests} passed, ${failed} failed${tail}`);
process.exit(status !== 0 ? status : failed > 0 || results.numPassedTests === 0 ? 1 : 0);
