import { MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { IncomingRequest } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { MethodRouter } from "./method-router.js";

const principal = { kind: "person", name: "carol@office.carol" } as Principal;

function request(method: string): IncomingRequest {
  return {
    method,
    body: new Uint8Array(0),
    signal: new AbortController().signal,
    peer: {
      nodeId: "carol",
      publicKey: new Uint8Array(0),
      certificates: [],
      tags: {},
      identity: principal,
      remoteAddress: "127.0.0.1:1",
    },
  };
}

async function codeOf(answer: Promise<unknown> | undefined): Promise<unknown> {
  try {
    await answer;
    return "answered";
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

describe("methods on links", () => {
  it("go to the part that serves them, and no others are served", async () => {
    const router = new MethodRouter(() => undefined);
    const served: string[] = [];
    router.add({
      prefixes: ["file."],
      handlers: {
        onRequest: async ({ method }) => {
          served.push(method);
          return new Uint8Array(0);
        },
      },
    });
    const ask = (method: string) =>
      codeOf((async () => router.handlers.onRequest?.(request(method)))());
    expect(await ask("file.stat")).toBe("answered");
    for (const method of ["chunk.list", "file", "", "FILE.stat", "node.register"]) {
      expect(await ask(method), method).toBe("MESH_FORBIDDEN");
    }
    expect(served).toEqual(["file.stat"]);
  });

  it("are refused before the part sees them when the principal is no longer valid", async () => {
    const router = new MethodRouter((caller) => {
      throw new MeshError("MESH_CERT_REVOKED", { message: `${caller.name} was revoked` });
    });
    let reached = false;
    router.add({
      prefixes: ["file."],
      handlers: {
        onRequest: async () => {
          reached = true;
          return new Uint8Array(0);
        },
      },
    });
    const code = await codeOf((async () => router.handlers.onRequest?.(request("file.stat")))());
    expect(code).toBe("MESH_CERT_REVOKED");
    expect(reached).toBe(false);
  });

  it("of the mesh are for machines, not for people", async () => {
    const router = new MethodRouter(() => undefined);
    const onRequest = async () => new Uint8Array(0);
    router.add({ prefixes: ["relay."], callers: "machines", handlers: { onRequest } });
    const ask = (kind: Principal["kind"]) => {
      const asked = request("relay.open");
      const peer = { ...asked.peer, identity: { ...principal, kind } };
      return codeOf((async () => router.handlers.onRequest?.({ ...asked, peer }))());
    };
    expect(await ask("person")).toBe("MESH_FORBIDDEN");
    expect(await ask("node")).toBe("answered");
    expect(await ask("coordinator")).toBe("answered");
  });

  it("let an introduced node of another mesh use services alone, if it may", async () => {
    const router = new MethodRouter(() => undefined);
    const handlers = { onRequest: async () => new Uint8Array(0) };
    router.add({ prefixes: ["service."], callers: "machines-and-guests", handlers });
    router.add({ prefixes: ["relay.", "mesh."], callers: "machines", handlers });
    router.add({ prefixes: ["chunk.", "node.", "file."], handlers });
    const ask = (method: string, scopes: string[]) => {
      const asked = request(method);
      const identity = { ...principal, kind: "node", guest: { scopes } };
      return codeOf(
        (async () =>
          router.handlers.onRequest?.({ ...asked, peer: { ...asked.peer, identity } }))(),
      );
    };
    expect(await ask("service.open", ["services"])).toBe("answered");
    expect(await ask("service.open", [])).toBe("MESH_FORBIDDEN");
    for (const method of ["relay.open", "mesh.secret", "chunk.get", "node.register", "file.open"]) {
      expect(await ask(method, ["services"]), method).toBe("MESH_FORBIDDEN");
    }
  });
});
