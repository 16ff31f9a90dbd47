import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callsOf } from "./calls.js";
import { parseHistory, readHistory, writeHistory } from "./history-file.js";
import { HISTORY_LINE_BYTES_MAX } from "./limits.js";
import { historyOf, TEST_HEADER } from "./test-histories.js";

const HEADER = JSON.stringify(TEST_HEADER);
const parse = (...lines: string[]) => parseHistory(Readable.from([Buffer.from(lines.join("\n"))]));
const invoke = (process: number, time: number) =>
  `{"process":${process},"type":"invoke","op":"get","key":"k","time":${time}}`;

describe("a history in a file", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hearthmesh-history-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("comes back as it was, in order of time, calls before answers", async () => {
    const path = join(folder, "one.jsonl");
    const history = historyOf([
      { at: [1, 2], ask: { op: "put", key: "k", value: "é😀" }, answer: { revision: 2 } },
      { at: [2, 3], ask: { op: "get", key: "k" }, answer: { value: "é😀", modRevision: 2 } },
      { at: [3, 4], ask: { op: "delete", key: "k" }, answer: "info" },
    ]);
    const { header, events } = history;
    const fault = { process: "nemesis", type: "info", op: "kill", time: 3, target: "one" } as const;
    await writeHistory(path, { header, events: [fault, ...events].reverse() });
    const back = await readHistory(path);
    expect(back.header).toEqual(header);
    expect(back.events.filter(({ process }) => process !== "nemesis")).toEqual(events);
    expect(callsOf(back).faults).toEqual([fault]);
    expect((await readFile(path, "utf8")).split("\n")).toHaveLength(1 + 7 + 1);
  });

  it("is read over any split into chunks", async () => {
    const path = join(folder, "two.jsonl");
    await writeFile(path, [HEADER, invoke(1, 5), invoke(2, 6)].join("\n"));
    const content = await readFile(path);
    for (const size of [1, 7, 64]) {
      const chunks = Array.from({ length: Math.ceil(content.length / size) }, (_, index) =>
        content.subarray(index * size, (index + 1) * size),
      );
      expect((await parseHistory(Readable.from(chunks))).events).toHaveLength(2);
    }
  });
});

describe("a bad line", () => {
  const bad: Record<string, [string[], number, RegExp]> = {
    "that is not JSON": [[HEADER, "{"], 2, /not JSON/],
    "that is no object": [[HEADER, "7"], 2, /not a JSON object/],
    "without a time": [[HEADER, '{"process":1,"type":"ok","op":"get"}'], 2, /time/],
    "with a negative process": [[HEADER, invoke(-1, 0)], 2, /process/],
    "of an unknown operation": [
      [HEADER, '{"process":1,"type":"ok","op":"swap","time":1}'],
      2,
      /one of get, put/,
    ],
    "without what its operation needs": [
      [HEADER, invoke(1, 1), '{"process":1,"type":"ok","op":"get","time":2,"value":"a"}'],
      3,
      /needs modRevision/,
    ],
    "with a field of a wrong type": [
      [HEADER, '{"process":1,"type":"invoke","op":"get","key":5,"time":2}'],
      2,
      /`key` is wrong/,
    ],
    "that goes back in time": [[HEADER, invoke(1, 5), invoke(2, 4)], 3, /before/],
    "that is too long": [[HEADER, " ".repeat(HISTORY_LINE_BYTES_MAX + 1), ""], 2, /longer/],
    "in place of the header": [[invoke(1, 1)], 1, /header/],
    "with a format of the future": [[HEADER.replace('"format":1', '"format":2')], 1, /format 2/],
    "that is missing": [[], 1, /empty/],
    "of a fault without a name": [[HEADER, '{"process":"nemesis","time":1}'], 2, /fault/],
  };
  for (const [name, [lines, line, words]] of Object.entries(bad)) {
    it(`${name} is named by its number`, async () => {
      await expect(parse(...lines)).rejects.toMatchObject({
        code: "MESH_BAD_REQUEST",
        message: expect.stringMatching(words),
        details: { line },
      });
    });
  }

  const wrong: Record<string, string[]> = {
    "a second call before the first has ended": [invoke(1, 1), invoke(1, 2)],
    "an answer without a call": ['{"process":1,"type":"fail","op":"get","time":2,"error":"x"}'],
    "the answer of another operation": [
      invoke(1, 1),
      '{"process":1,"type":"fail","op":"put","time":2,"error":"x"}',
    ],
    "a process that goes on after an unknown outcome": [
      invoke(1, 1),
      '{"process":1,"type":"info","op":"get","time":2,"error":"x"}',
      invoke(1, 3),
    ],
  };
  for (const [name, lines] of Object.entries(wrong)) {
    it(`is ${name}`, async () => {
      const history = await parse(HEADER, ...lines);
      expect(() => callsOf(history)).toThrow(`line ${lines.length + 1} `);
    });
  }
});
