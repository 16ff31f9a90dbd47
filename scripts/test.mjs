/**
 * `npm test`: all tests, with the set-up that they need. Arguments go to vitest. Ends with the
 * names of the skipped tests and the line `N passed, N failed`.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root, runTool, say, setUp } from "./lib.mjs";

setUp();
const resultsPath = join(root, ".cache", "test-results.json");
mkdirSync(join(root, ".cache"), { recursive: true });
rmSync(resultsPath, { force: true });
const status = runTool("vitest", [
  "run",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${resultsPath}`,
  ...process.argv.slice(2),
]);
if (!existsSync(resultsPath)) {
  say("0 passed, 1 failed");
  process.exit(status === 0 ? 1 : status);
}
const results = JSON.parse(readFileSync(resultsPath, "utf8"));
const tests = results.testResults.flatMap((file) => file.assertionResults);
const skipped = tests.filter((test) => test.status === "pending" || test.status === "skipped");
for (const test of skipped) say(`skipped: ${test.fullName}`);
const brokenFiles = results.testResults.filter(
  (file) => file.status === "failed" && file.assertionResults.length === 0,
).length;
const failed = results.numFailedTests + brokenFiles;
const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
say(`${results.numPassedTests} passed, ${failed} failed${tail}`);
process.exit(status !== 0 ? status : failed > 0 || results.numPassedTests === 0 ? 1 : 0);
