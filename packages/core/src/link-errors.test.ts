import { describe, expect, it } from "vitest";
import { isMeshError, MeshError } from "./errors.js";
import { asWireError, fromWireError, resetWith } from "./link-errors.js";

function received(code: string, details?: Uint8Array): Error {
  return Object.assign(new Error("remote"), {
    name: "QWormholeError",
    code: "QW_REMOTE_ERROR",
    remoteCode: code,
    remoteDetails: details,
  });
}

describe("errors over a link", () => {
  it("arrive with code, message, hint and details", () => {
    const sent = new MeshError("MESH_DISK_FULL", {
      message: "no space on node 7",
      hint: "Add a disk.",
      details: { freeBytes: 0 },
    });
    const wire = asWireError(sent);
    expect(wire.code).toBe("MESH_DISK_FULL");
    const back = fromWireError(received(wire.code, wire.wireDetails));
    expect(back).toMatchObject({
      code: "MESH_DISK_FULL",
      message: "no space on node 7",
      hint: "Add a disk.",
      details: { freeBytes: 0 },
    });
  });

  it("never carry the text of an unknown error", () => {
    const wire = asWireError(new Error("password is hunter2"));
    expect(wire.code).toBe("MESH_INTERNAL");
    expect(Buffer.from(wire.wireDetails).toString()).not.toContain("hunter2");
  });

  it("go with the reset of a stream", () => {
    const calls: unknown[][] = [];
    resetWith({ reset: (...all) => calls.push(all) }, new MeshError("MESH_FORBIDDEN"));
    expect(fromWireError(received("MESH_FORBIDDEN", calls[0]?.[2] as Uint8Array)).code).toBe(
      "MESH_FORBIDDEN",
    );
  });

  it("fall back to the code, then to MESH_PROTOCOL, when the details are not ours", () => {
    expect(fromWireError(received("MESH_LIMIT", Buffer.from("{"))).code).toBe("MESH_LIMIT");
    expect(fromWireError(received("MESH_LIMIT")).code).toBe("MESH_LIMIT");
    expect(fromWireError(received("OTHER")).code).toBe("MESH_PROTOCOL");
  });

  it.each([
    ["QW_REQUEST_TIMEOUT", "MESH_TIMEOUT"],
    ["QW_CANCELLED", "MESH_CANCELLED"],
    ["QW_FRAME_INVALID", "MESH_PROTOCOL"],
    ["QW_PEER_REFUSED", "MESH_CERT_UNTRUSTED"],
    ["QW_LINK_LOST", "MESH_UNREACHABLE"],
  ])("tell the link's own %s as %s", (linkCode, meshCode) => {
    const error = Object.assign(new Error("link"), { code: linkCode });
    expect(fromWireError(error).code).toBe(meshCode);
  });

  it("pass a MeshError through and know an aborted signal", () => {
    const error = new MeshError("MESH_NO_STORAGE");
    expect(fromWireError(error)).toBe(error);
    const aborted = fromWireError(new DOMException("stop", "AbortError"));
    expect(isMeshError(aborted, "MESH_CANCELLED")).toBe(true);
    expect(fromWireError(undefined).code).toBe("MESH_UNREACHABLE");
  });
});
