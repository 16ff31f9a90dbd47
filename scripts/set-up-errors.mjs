/**
 * A reporter of vitest: what failed outside of tests, in a set-up or a tear-down. Its JSON reporter
 * leaves that out, and without it a run in which nothing could be started says nothing at its end.
 * Writes `{ [path of the test file]: messages[] }` to the file in HEARTHMESH_SET_UP_ERRORS.
 */
import { writeFileSync } from "node:fs";

// vitest takes a reporter of a file by its default export.
export default class SetUpErrors {
  onTestRunEnd(modules) {
    const found = modules.map((module) => [module.moduleId, messagesOf(module)]);
    const failed = Object.fromEntries(found.filter(([, messages]) => messages.length > 0));
    writeFileSync(process.env.HEARTHMESH_SET_UP_ERRORS, JSON.stringify(failed));
  }
}

function messagesOf(module) {
  const suites = [module, ...module.children.allSuites()];
  return suites.flatMap((suite) => suite.errors().map(({ message }) => message));
}
