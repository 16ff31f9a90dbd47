import { describe, expect, it } from "vitest";
import {
  ERROR_REGISTRY,
  fromErrorRecord,
  isMeshError,
  MeshError,
  toErrorRecord,
} from "./errors.js";

describe("the error registry", () => {
  it("gives every code a status, an exit status, a sentence and something to do", () => {
    for (const [code, { status, exit, message, hint }] of Object.entries(ERROR_REGISTRY)) {
      expect(code).toMatch(/^MESH_[A-Z_]+$/);
      expect(status, code).toBeGreaterThanOrEqual(400);
      expect(exit, code).toBeGreaterThan(0);
      expect(exit, code).toBeLessThan(10);
      expect(message.length, code).toBeGreaterThan(5);
      expect(hint, code).toMatch(/\.$|`$/);
    }
  });

  it("carries an error over a wire and back", () => {
    const error = new MeshError("MESH_FORBIDDEN", { message: "no", details: { path: "/a" } });
    const back = fromErrorRecord(JSON.parse(JSON.stringify(toErrorRecord(error))));
    expect(back).toMatchObject({ code: "MESH_FORBIDDEN", message: "no", status: 403, exitCode: 4 });
    expect(back.details).toEqual({ path: "/a" });
  });

  it("does not let the text of an unknown error out", () => {
    const record = toErrorRecord(new Error("password=hunter2"));
    expect(JSON.stringify(record)).not.toContain("hunter2");
    expect(record.code).toBe("MESH_INTERNAL");
  });

  it("answers nonsense from a peer with a typed error", () => {
    for (const nonsense of [undefined, null, 7, "x", {}, { code: "toString" }, { code: "NO" }]) {
      expect(isMeshError(fromErrorRecord(nonsense), "MESH_PROTOCOL")).toBe(true);
    }
  });
});
