/** Two nodes with endpoints in one process: real HTTP servers behind them, links in memory. */
import {
  asWireError,
  fromWireError,
  MeshError,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import type { Link, LinkHandlers, LinkStream } from "@hearthmesh/qwormhole";
import { type LinkPair, linkPair } from "@hearthmesh/qwormhole/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ModelServer } from "../testing/model-server.js";
import type { EndpointAnswer, EndpointRequest } from "./endpoint-service.js";
import { encodeSendHeader } from "./endpoint-wire.js";
import { ENDPOINT_STREAMS_PER_NODE_MAX } from "./limits.js";
import { MeshEndpoints } from "./mesh-endpoints.js";

const names = ["attic", "cellar"] as const;
type Name = (typeof names)[number];
const idOf = (name: Name) => `node-${name}` as NodeId;

let nodes: Record<Name, MeshEndpoints>;
let servers: Record<Name, ModelServer>;
let linksBroken = false;
let keys: Record<string, string>;
/** From each node to the other. */
let links: Map<Name, LinkPair>;

beforeEach(async () => {
  linksBroken = false;
  keys = { "/key": "sk-secret" };
  servers = { attic: new ModelServer(["tiny"]), cellar: new ModelServer(["tiny", "large"]) };
  nodes = { attic: makeNode("attic"), cellar: makeNode("cellar") };
  links = new Map();
  for (const name of names) {
    await servers[name].start();
    await nodes[name].start();
    links.set(name, await linkPair({}, { handlers: asServed(nodes[other(name)].handlers) }));
  }
});
afterEach(async () => {
  for (const name of names) {
    await nodes[name].stop();
    await servers[name].stop();
    await links.get(name)?.server.close();
  }
});

function other(name: Name): Name {
  return name === "attic" ? "cellar" : "attic";
}

/** As the router of a node serves them. */
function asServed(handlers: LinkHandlers): LinkHandlers {
  const wired = async <Value>(work: () => Value | Promise<Value>) => {
    try {
      return await work();
    } catch (error) {
      throw asWireError(error);
    }
  };
  return {
    onRequest: (request) => wired(() => handlers.onRequest?.(request) ?? new Uint8Array()),
    onStream: (stream) => wired(() => handlers.onStream?.(stream)),
  };
}

function makeNode(name: Name): MeshEndpoints {
  const link = (): Link => {
    const pair = links.get(name);
    if (pair === undefined || linksBroken) throw new MeshError("MESH_UNREACHABLE");
    return pair.dialer;
  };
  return new MeshEndpoints({
    self: { nodeId: idOf(name), name },
    storage: { load: async () => [], save: async () => undefined },
    readKey: async (path) => {
      const key = keys[path];
      if (key === undefined) throw new MeshError("MESH_BAD_REQUEST", { message: "no key there" });
      return key;
    },
    ownPorts: () => [3000],
    nodes: () => [{ nodeId: idOf(other(name)), name: other(name), costMs: 1 }],
    links: {
      call: async (_nodeId, method, body, options) => {
        try {
          return await link().request(method, body, options);
        } catch (error) {
          throw fromWireError(error);
        }
      },
      openStream: async (_nodeId, method, header, signal) =>
        link().openStream(method, header, { signal }),
    },
    clock: systemClock(),
    random: systemRandom(),
    log: silentLogger,
  });
}

const add = (name: Name, more: object = {}) =>
  nodes[name].add({ name: "server", url: servers[name].url, ...more });

function send(name: Name, more: Partial<EndpointRequest> = {}, signal = never()) {
  const { model = "tiny" } = more;
  const body = Buffer.from(JSON.stringify({ model, messages: [], stream: true }));
  const request = { operation: "chat" as const, model, body, onlyMembers: undefined, ...more };
  return nodes[name].send(request, signal);
}
const never = () => new AbortController().signal;

async function textOf({ body }: EndpointAnswer): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}
const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe("endpoints of a node", () => {
  it("are asked for their models by their kind, and say what is wrong", async () => {
    for (const kind of ["ollama", "llamacpp", "vllm", "openai"] as const) {
      const view = await nodes.cellar.add({ name: kind, url: servers.cellar.url, kind });
      expect([view.health, view.models]).toEqual(["ok", ["tiny", "large"]]);
    }
    const some = await add("attic", { models: ["tiny"] });
    expect([some.models, some.isLocal, some.url]).toEqual([
      ...[["tiny"], true, `${servers.attic.url}/v1`],
    ]);
    const wrong = await nodes.attic.add({ name: "b", url: servers.attic.url, models: ["none"] });
    expect(wrong.reason).toMatch(/does not have the model none/);
    const away = await nodes.attic.add({ name: "c", url: "http://127.0.0.1:1" });
    expect(away.reason).toMatch(/nothing listens there/);
  });

  it("send the key that stands in the file, and nowhere say it", async () => {
    const view = await add("attic", { keyFile: "/key" });
    expect(view.hasKey).toBe(true);
    await textOf(await send("attic"));
    expect(servers.attic.seen[0]?.authorization).toBe("Bearer sk-secret");
    keys = {};
    const error = await send("attic").catch((thrown: unknown) => thrown as MeshError);
    expect(error).toEqual(code("MESH_BAD_REQUEST"));
    expect(JSON.stringify(await nodes.cellar.list(never()))).not.toContain("secret");
  });

  it("are not this node itself, and have names of their own", async () => {
    await expect(add("attic", { url: "http://localhost:3000" })).rejects.toThrow(/in a circle/);
    await add("attic");
    await expect(add("attic")).rejects.toThrow(code("MESH_SERVICE_EXISTS"));
    await nodes.attic.remove("server");
    await expect(nodes.attic.remove("server")).rejects.toThrow(code("MESH_NOT_FOUND"));
  });
});

describe("a request to a model", () => {
  it("reaches the node that serves it, and its answer comes as it is made", async () => {
    await add("cellar");
    const answer = await send("attic", { model: "large" });
    expect([answer.status, answer.nodeName]).toEqual([200, "cellar"]);
    expect(answer.contentType).toBe("text/event-stream");
    const text = await textOf(answer);
    expect(text).toContain('"content":" hearth"');
    expect(text).toMatch(/data: \[DONE\]\n\n$/);
    await expect(send("attic", { model: "none" })).rejects.toThrow(code("MESH_MODEL_UNKNOWN"));
  });

  it("goes to the next member before the first byte, whatever the first one does", async () => {
    await add("attic");
    await add("cellar");
    for (const fault of [
      "cut-at-once",
      { status: 503 },
      { status: 500 },
      { status: 429 },
    ] as const) {
      servers.attic.fault = fault;
      servers.cellar.fault = fault;
      const failed = await send("attic").catch((error: unknown) => error);
      const isAnswer = typeof fault === "object";
      if (isAnswer) expect((failed as EndpointAnswer).status).toBe(fault.status);
      else expect(failed).toEqual(code("MESH_UPSTREAM_FAILED"));
      if (isAnswer) await textOf(failed as EndpointAnswer);
      servers.cellar.fault = "none";
      for (let at = 0; at < 3; at++) {
        const answer = await send("attic");
        expect([fault, answer.nodeName]).toEqual([fault, "cellar"]);
        await textOf(answer);
      }
    }
    await servers.attic.stop();
    expect((await send("attic")).nodeName).toBe("cellar");
    await servers.attic.start();
  });

  it("that breaks off in the middle ends with an error, and not with another's words", async () => {
    await add("attic");
    await add("cellar");
    servers.attic.fault = "cut";
    servers.cellar.fault = "cut";
    for (const name of names) {
      await expect(send(name).then(textOf)).rejects.toThrow(code("MESH_UPSTREAM_FAILED"));
    }
    const away = send("attic", { onlyMembers: ["cellar"] });
    await expect(away.then(textOf)).rejects.toThrow(code("MESH_UPSTREAM_FAILED"));
  });

  it("goes only to members that may see it", async () => {
    await add("attic");
    await add("cellar");
    for (let at = 0; at < 4; at++) {
      const answer = await send("attic", { onlyMembers: ["cellar"] });
      expect(answer.nodeName).toBe("cellar");
      await textOf(answer);
    }
    expect(servers.attic.seen).toEqual([]);
    const nobody = send("attic", { onlyMembers: ["garage"] });
    await expect(nobody).rejects.toThrow(/none of the members that may see the prompt/);
  });

  it("is balanced, and refused when all are full; places are free again afterwards", async () => {
    for (const name of names) await add(name, { requestsAtOnce: 1 });
    let begin: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      begin = resolve;
    });
    for (const name of names) servers[name].mayBegin = gate;
    const both = [send("attic"), send("attic")];
    await expect.poll(() => [servers.attic.running, servers.cellar.running]).toEqual([1, 1]);
    await expect(send("attic")).rejects.toThrow(code("MESH_LIMIT"));
    await expect(send("cellar")).rejects.toThrow(code("MESH_LIMIT"));
    begin();
    for (const answer of await Promise.all(both)) await textOf(answer);
    const views = await nodes.attic.list(never());
    expect(views.find(({ isLocal }) => isLocal)?.requests).toBe(0);
    await textOf(await send("attic"));
  });

  it("ends at the server when nobody waits for it any more, near and far", async () => {
    for (const name of names) await add(name, { requestsAtOnce: 1 });
    for (const name of names) servers[name].fault = "silent";
    for (const name of names) {
      const stop = new AbortController();
      const waiting = send("attic", { onlyMembers: [name] }, stop.signal);
      await expect.poll(() => servers[name].running).toBe(1);
      stop.abort(new MeshError("MESH_CANCELLED"));
      await expect(waiting).rejects.toThrow(code("MESH_CANCELLED"));
      await expect.poll(() => servers[name].running).toBe(0);
      servers[name].fault = "none";
      const answer = await send("attic", { onlyMembers: [name] });
      // Left after its first piece.
      await answer.body[Symbol.asyncIterator]().return?.();
      await expect.poll(() => servers[name].running).toBe(0);
      await textOf(await send("attic", { onlyMembers: [name] }));
    }
  });

  it("stays at home when the others cannot be reached", async () => {
    await add("attic");
    await add("cellar");
    linksBroken = true;
    const answer = await send("attic");
    expect(answer.nodeName).toBe("attic");
    await textOf(answer);
    expect(await nodes.attic.list(never())).toHaveLength(1);
  });
});

describe("what other nodes say", () => {
  it("is looked at: a method or a stream that does not fit is refused", async () => {
    const link = links.get("attic")?.dialer;
    const other = link?.request("endpoint.other", new Uint8Array());
    await expect(other).rejects.toThrow(expect.objectContaining({ remoteCode: "MESH_FORBIDDEN" }));
    const huge = { endpoint: "server", operation: "chat", model: "tiny", bytes: 1e9 };
    for (const header of ["", "{", "[]", JSON.stringify({ endpoint: 1 }), JSON.stringify(huge)]) {
      const stream = await link?.openStream("endpoint.send", Buffer.from(header));
      const read = async () => {
        for await (const _piece of stream?.readable ?? []);
      };
      const error = await read().catch((thrown: unknown) => fromWireError(thrown));
      expect([header, (error as MeshError).code]).toEqual([
        header,
        expect.stringMatching(/PROTOCOL|TOO_LARGE/),
      ]);
    }
  });

  it("is not passed on when the body asks for another model than was looked at", async () => {
    await add("attic", { models: ["tiny"] });
    const body = Buffer.from(JSON.stringify({ model: "secret", messages: [] }));
    await expect(send("cellar", { body })).rejects.toThrow(code("MESH_PROTOCOL"));
  });

  it("takes the places of no other node, however many streams it opens", async () => {
    const ends: (() => void)[] = [];
    const open = async (nodeId: NodeId) => {
      const readable = (async function* () {
        await new Promise<void>((resolve) => ends.push(resolve));
        yield Buffer.from("too much");
      })();
      const header = encodeSendHeader({ ...REQUEST, bytes: 2 });
      const stream = { method: "endpoint.send", header, peer: { nodeId }, readable };
      return nodes.attic.handlers.onStream?.(stream as unknown as LinkStream);
    };
    const all = Array.from({ length: ENDPOINT_STREAMS_PER_NODE_MAX }, () => open(idOf("cellar")));
    await expect(open(idOf("cellar"))).rejects.toThrow(code("MESH_LIMIT"));
    all.push(open(idOf("attic")));
    await expect.poll(() => ends.length).toBe(ENDPOINT_STREAMS_PER_NODE_MAX + 1);
    for (const end of ends) end();
    await Promise.allSettled(all);
  });
});

const REQUEST = { endpoint: "server", operation: "chat", model: "tiny" } as const;
