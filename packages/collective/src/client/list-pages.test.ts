import { describe, expect, it } from "vitest";
import type { FileListResponse } from "../protocol.js";
import type { Entry } from "../types.js";
import { listPages, type PageQuestion } from "./list-pages.js";

const entry = (name: string) => ({ name }) as Entry;

/** A directory with these names, in pages of two. */
function directory(names: readonly string[]) {
  const asked: PageQuestion[] = [];
  const ask = async (question: PageQuestion): Promise<FileListResponse> => {
    asked.push(question);
    question.signal.throwIfAborted();
    const rest = names.filter((name) => question.after === undefined || name > question.after);
    return { entries: rest.slice(0, 2).map(entry), more: rest.length > 2 };
  };
  return { asked, ask };
}

async function namesOf(pages: AsyncIterable<readonly Entry[]>): Promise<string[]> {
  const names: string[] = [];
  for await (const page of pages) names.push(...page.map(({ name }) => name));
  return names;
}

describe("the pages of a directory", () => {
  it("come whole and in order, each once", async () => {
    for (const names of [[], ["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d", "e"]]) {
      const { ask, asked } = directory(names);
      expect(await namesOf(listPages(ask, undefined))).toEqual(names);
      expect(asked).toHaveLength(Math.max(1, Math.ceil(names.length / 2)));
    }
  });

  it("are asked for one ahead, and no further", async () => {
    const { ask, asked } = directory(["a", "b", "c", "d", "e", "f"]);
    const pages = listPages(ask, undefined);
    await pages.next();
    expect(asked.map(({ after }) => after)).toEqual([undefined, "b"]);
    await pages.next();
    expect(asked).toHaveLength(3);
    await pages.return();
    expect(asked.every(({ signal }) => signal.aborted)).toBe(true);
  });

  it("end with the error of the page that fails, after those before it", async () => {
    const { ask } = directory(["a", "b", "c"]);
    const failing = async (question: PageQuestion) => {
      if (question.after === "b") throw new Error("gone");
      return ask(question);
    };
    const pages = listPages(failing, undefined);
    expect((await pages.next()).value).toHaveLength(2);
    await expect(pages.next()).rejects.toThrow("gone");
  });

  it("end when the caller stops them, and when the answers go in a circle", async () => {
    const stop = new AbortController();
    const { ask } = directory(["a", "b", "c"]);
    const pages = listPages(ask, stop.signal);
    stop.abort(new Error("enough"));
    await expect(pages.next()).rejects.toThrow("enough");
    const circle = async () => ({ entries: [entry("a"), entry("b")], more: true });
    await expect(namesOf(listPages(circle, undefined))).rejects.toMatchObject({
      code: "MESH_PROTOCOL",
    });
  });
});
