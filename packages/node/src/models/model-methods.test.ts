/** What a node without a coordinator may ask for, and what it is refused. */
import { decodeMessage, encodeMessage } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { IncomingRequest } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { modelMethods, modelsOverLink } from "./model-methods.js";

const OPERATOR = { name: "operator", kind: "coordinator" } as unknown as Principal;
const NODE = "n".repeat(52);

/** As it arrives, in one piece. */
const message = (...parts: Parameters<typeof encodeMessage>) =>
  Buffer.concat([encodeMessage(...parts)].flat());

function bed() {
  const calls: unknown[] = [];
  const part = modelMethods({
    coordinator: {
      call: async (principal, method, header, body, options) => {
        calls.push({ principal, method, header, body: body?.length, options });
        return { header: { ok: true }, body: Buffer.from("hello") };
      },
    },
    operator: () => OPERATOR,
  });
  const ask = async (method: string, header: object, body?: Uint8Array) => {
    const request = { method, body: message(header, body), peer: { nodeId: NODE } };
    const answer = await part.handlers.onRequest?.(request as unknown as IncomingRequest);
    return decodeMessage<object>(Buffer.concat([answer ?? []].flat()));
  };
  return { part, calls, ask };
}

const forbidden = expect.objectContaining({ code: "MESH_FORBIDDEN" });

describe("model.*", () => {
  it("is for nodes of this member alone", () => {
    expect(bed().part).toMatchObject({ prefixes: ["model."], callers: "machines" });
  });

  it("reads below /models as the operator, with tickets for who asks", async () => {
    const { ask, calls } = bed();
    const header = { path: "/models/tiny.gguf", firstChunk: 3 };
    expect(await ask("model.open", header, Buffer.from("ignored"))).toMatchObject({
      header: { ok: true },
    });
    expect(calls).toEqual([
      { principal: OPERATOR, method: "file.open", header, body: 0, options: { holder: NODE } },
    ]);
    await ask("model.list", { path: "/models" });
    await ask("model.stat", { path: "/models/.library/tiny.json" });
    expect(calls).toHaveLength(3);
  });

  it("changes nothing", async () => {
    const { ask, calls } = bed();
    const methods = ["put", "begin", "segment", "commit", "remove", "move", "mkdir", "ticket", ""];
    for (const method of methods) {
      await expect(ask(`model.${method}`, { path: "/models/x" })).rejects.toEqual(forbidden);
    }
    expect(calls).toEqual([]);
  });

  it("reaches nothing else", async () => {
    const { ask, calls } = bed();
    const paths = ["/", "/shared/x", "/modelsx", "/models/../shared", "/models/a/../../b", "", 7];
    for (const path of [...paths, undefined, ["/models"], { text: "/models" }]) {
      await expect(ask("model.open", { path })).rejects.toEqual(forbidden);
    }
    expect(calls).toEqual([]);
  });
});

it("a client's questions for files go out as questions for models", async () => {
  const asked: string[] = [];
  const link = {
    request: async (method: string) => {
      asked.push(method);
      return message({});
    },
  };
  const port = modelsOverLink(async () => link as never);
  await port.call("file.open", { path: "/models/x" });
  expect(asked).toEqual(["model.open"]);
});
