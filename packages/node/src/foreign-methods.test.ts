/** Somebody of another member meets every method of a link that the sources name. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Principal, PrincipalKind } from "@hearthmesh/identity";
import type { IncomingRequest } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import type { MethodPart } from "./method-router.js";
import { MethodRouter } from "./method-router.js";

const PACKAGES = join(import.meta.dirname, "../..");
const FAMILIES = "chunk|node|file|mesh|route|relay|service|coordinator|peer|member|secrets";
const NAME = new RegExp(`"((?:${FAMILIES})\\.[a-z][a-z-]*)"`, "g");
/** What somebody of a peer may call. A new name here needs a thought about who may call it. */
const OPEN = [/^file\./, /^chunk\.(put|get)$/, /^peer\.(call|quota|read|write)$/];

/** Names in the sources that look like methods; more than there are does no harm. */
function namesInSources(): string[] {
  const names = new Set<string>();
  for (const one of ["collective", "membership", "node"]) {
    const folder = join(PACKAGES, one, "src");
    for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts") || file.includes(".test.")) continue;
      const text = readFileSync(join(folder, file), "utf8");
      for (const [, name = ""] of text.matchAll(NAME)) names.add(name);
    }
  }
  return [...names].sort();
}

/** The parts of a daemon with their callers, each answering whatever comes through. */
function router(): MethodRouter {
  const made = new MethodRouter(() => undefined);
  const handlers = { onRequest: async () => new Uint8Array(0) };
  const add = (prefixes: string[], callers?: NonNullable<MethodPart["callers"]>) =>
    made.add({ prefixes, handlers, ...(callers === undefined ? {} : { callers }) });
  add(["mesh.", "route.", "relay.", "node.leader", "node.peers"], "machines");
  add(["service."], "machines-and-guests");
  add(["node.", "file.", "coordinator.", "peer.", "chunk.", "member.", "secrets."]);
  return made;
}

async function codeOf(method: string, identity: object): Promise<unknown> {
  const request = { method, body: new Uint8Array(0), peer: { identity } };
  try {
    await router().handlers.onRequest?.(request as unknown as IncomingRequest);
    return "answered";
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

const foreigner = (foreignKind: PrincipalKind) =>
  ({ kind: "foreign", foreignKind, name: "x", trustDomain: "garage.bob" }) as Principal;

describe("people and machines of peers", () => {
  const names = namesInSources();

  it("are kept from every method but those for files, tickets and members", async () => {
    expect(names).toEqual(
      expect.arrayContaining(["chunk.copy", "coordinator.call", "file.put", "mesh.secret"]),
    );
    for (const kind of ["coordinator", "node", "person"] as const) {
      for (const name of names) {
        const isOpen = OPEN.some((pattern) => pattern.test(name));
        const expected = isOpen ? "answered" : "MESH_FORBIDDEN";
        expect([kind, name, await codeOf(name, foreigner(kind))]).toEqual([kind, name, expected]);
      }
    }
  });

  it("get no further by another spelling", async () => {
    for (const name of [
      "FILE.put",
      " file.put",
      "chunk.put ",
      "chunk.puts",
      "peer",
      "xpeer.call",
    ]) {
      expect([name, await codeOf(name, foreigner("coordinator"))]).toEqual([
        name,
        "MESH_FORBIDDEN",
      ]);
    }
  });

  it("that were introduced besides may use services too, and nothing more", async () => {
    for (const name of names) {
      const identity = { ...foreigner("node"), guest: { scopes: ["services"] } };
      const isOpen = name.startsWith("service.") || OPEN.some((pattern) => pattern.test(name));
      const expected = isOpen ? "answered" : "MESH_FORBIDDEN";
      expect([name, await codeOf(name, identity)]).toEqual([name, expected]);
    }
  });
});
