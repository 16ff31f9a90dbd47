/** The other end of `json-child.ts`: one answer for each line, in any order. */
import { createInterface } from "node:readline";

/** `operations` by name; each takes the details and may be asynchronous. */
export function answerLines(operations) {
  createInterface({ input: process.stdin }).on("line", async (line) => {
    const { id, operation, ...details } = JSON.parse(line);
    const answer = { id };
    try {
      answer.value = await operations[operation](details);
    } catch (error) {
      answer.error = { code: error.code ?? error.name, message: error.message };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  });
}
