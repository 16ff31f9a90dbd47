import { readdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { readPageFiles } from "./page-files.js";

const FOLDER = new URL("../../public/", import.meta.url);

describe("the first page", () => {
  it("serves every file of its folder, and nothing else", async () => {
    const files = await readPageFiles();
    const served = [...files.keys()].map((path) => path.replace("/assets/", "")).sort();
    const present = (await readdir(FOLDER)).map((name) => (name === "index.html" ? "/" : name));
    expect(served).toEqual(present.sort());
  });

  it("loads nothing from elsewhere and has no code in its markup", async () => {
    for (const [path, { bytes }] of await readPageFiles()) {
      const text = bytes.toString("utf8").replaceAll("http://www.w3.org/2000/svg", "");
      expect(text, path).not.toMatch(/https?:\/\/|innerHTML|insertAdjacentHTML|eval\(/);
      if (path !== "/") continue;
      expect(text).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*src="\/assets\/)/);
    }
  });

  it("has every element that its scripts look for", async () => {
    const files = await readPageFiles();
    const ids = new Set(
      [...(files.get("/")?.bytes.toString() ?? "").matchAll(/ id="([\w-]+)"/g)].map(([, id]) => id),
    );
    const wanted = [...files].flatMap(([, { bytes }]) =>
      [...bytes.toString().matchAll(/byId\("([\w-]+)"\)/g)].map(([, id]) => id),
    );
    const lists = [...files].flatMap(([, { bytes }]) =>
      [...bytes.toString().matchAll(/showList\("([\w-]+)"/g)].map(([, name]) => name),
    );
    expect(lists.sort()).toEqual(["healing", "invites", "nodes", "peers", "services"]);
    wanted.push(...lists.flatMap((name) => [`${name}-table`, `${name}-rows`, `${name}-empty`]));
    expect(wanted.length).toBeGreaterThan(30);
    expect(wanted.filter((id) => !ids.has(id))).toEqual([]);
  });
});
