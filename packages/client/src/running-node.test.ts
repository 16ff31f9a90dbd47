import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRunningNode, runningNodePath } from "./running-node.js";

const nodeUrl = "http://127.0.0.1:3000";
let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "hearthmesh-running-"));
  await mkdir(dirname(runningNodePath(home)));
});
afterEach(() => rm(home, { recursive: true }));

const written = async (text: string) => {
  await writeFile(runningNodePath(home), text);
  return readRunningNode(home);
};

describe("the node that runs from a home", () => {
  it("is told with its doors", async () => {
    const { pid } = process;
    const storage = { httpUrl: undefined, nodeUrl, enrolment: undefined, pid };
    expect(await written(JSON.stringify(storage))).toEqual(storage);
    const coordinator = { httpUrl: nodeUrl, nodeUrl, enrolment: "127.0.0.1:9001", pid };
    expect(await written(JSON.stringify(coordinator))).toEqual(coordinator);
  });

  it("is none without a file, with a damaged one, or after its process has ended", async () => {
    expect(await readRunningNode(home)).toBeUndefined();
    for (const text of ["", "{", "null", '"x"', "{}"]) expect(await written(text)).toBeUndefined();
    const { pid } = spawnSync(process.execPath, ["--version"]);
    expect(await written(JSON.stringify({ nodeUrl, pid }))).toBeUndefined();
  });
});
