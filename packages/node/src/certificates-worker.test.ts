import type { PeerRecord } from "@hearthmesh/collective";
import { MeshError } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { certificatesWorker } from "./certificates-worker.js";

const peers = ["bob", "carol"].map((alias) => ({ alias }) as PeerRecord);

function worker(refusing: readonly string[] = []) {
  const asked: string[] = [];
  const definition = certificatesWorker({
    renewal: {
      renew: async (now) => {
        asked.push(`own ${now}`);
        return now === true ? "renew" : "wait";
      },
    },
    peers: { list: () => peers },
    peering: {
      refresh: async (peer) => {
        asked.push(peer.alias);
        if (refusing.includes(peer.alias)) throw new MeshError("MESH_UNREACHABLE");
        return peer;
      },
      exchangeWith: ({ alias }) => ({ state: refusing.includes(alias) ? "unreachable" : "ok" }),
    },
  });
  let [done, errors] = [0, 0];
  const run = (isAsked: boolean) =>
    definition.run(new AbortController().signal, {
      done: (count) => {
        done += count;
      },
      error: (count) => {
        errors += count;
      },
      ...{ bytes: () => undefined, at: () => undefined, portion: () => undefined },
      pace: async () => undefined,
      asked: isAsked,
      settings: { paused: false },
    });
  return { asked, definition, run, told: () => ({ done, errors }) };
}

describe("the worker of certificates", () => {
  it("leaves peers to their own turns, and renews what is due", async () => {
    const { run, asked, told } = worker();
    await run(false);
    expect([asked, told()]).toEqual([["own false"], { done: 0, errors: 0 }]);
  });

  it("renews all when a person asks, and names the peers that did not answer", async () => {
    const { run, asked, told, definition } = worker(["bob"]);
    await expect(run(true)).rejects.toMatchObject({ message: "no bundle came from bob" });
    expect(asked).toEqual(["own true", "bob", "carol"]);
    expect(told()).toEqual({ done: 2, errors: 1 });
    expect(definition.queue?.()).toBe(1);
  });
});
