/** How many uploads may be open, and for how long. */
import { type FileId, limits } from "@hearthmesh/core";
import { beforeEach, describe, expect, it } from "vitest";
import { OpenUploads } from "./open-uploads.js";

const LIMIT = expect.objectContaining({ code: "MESH_LIMIT" });
let open: OpenUploads;
let count: number;

beforeEach(() => {
  open = new OpenUploads("home.alice");
  count = 0;
});

function reserve(owner: string, nowMs = 0): FileId {
  const fileId = (++count).toString(16).padStart(32, "0") as FileId;
  open.reserve(fileId, owner, nowMs);
  return fileId;
}

describe("open uploads", () => {
  it("are bounded for each person of the home", () => {
    const [first = "" as FileId] = Array.from({ length: limits.UPLOADS_OPEN_MAX }, () =>
      reserve("spiffe://home.alice/person/carol@home.alice"),
    );
    expect(() => reserve("spiffe://home.alice/person/carol@home.alice")).toThrow(LIMIT);
    reserve("spiffe://home.alice/person/dave@home.alice");
    open.end(first);
    reserve("spiffe://home.alice/person/carol@home.alice");
  });

  it("are bounded for a peer as a whole, whatever people its coordinator names", () => {
    const ids = Array.from({ length: limits.UPLOADS_OPEN_MAX }, (_, number) =>
      reserve(`spiffe://garage.bob/person/p${number}@garage.bob`),
    );
    expect(() => reserve("spiffe://garage.bob/person/more@garage.bob")).toThrow(LIMIT);
    reserve("spiffe://office.dave/person/dave@office.dave");
    for (const fileId of ids) open.end(fileId);
    reserve("spiffe://garage.bob/person/more@garage.bob");
  });

  it("end when they are left alone, and when somebody keeps one for ever", () => {
    const fileId = reserve("spiffe://garage.bob/person/bob@garage.bob");
    let nowMs = 0;
    while (nowMs < limits.UPLOAD_AGE_MS_MAX) {
      nowMs += limits.UPLOAD_IDLE_MS_MAX / 2;
      open.touch(fileId, nowMs);
      if (nowMs <= limits.UPLOAD_AGE_MS_MAX) expect(open.idle(nowMs)).toEqual([]);
    }
    expect(open.idle(nowMs + 1)).toEqual([fileId]);
    open.end(fileId);
    const other = reserve("spiffe://garage.bob/person/bob@garage.bob", nowMs);
    expect(open.idle(nowMs + limits.UPLOAD_IDLE_MS_MAX + 1)).toEqual([other]);
  });
});
