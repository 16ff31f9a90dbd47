/**
 * A chat from a ring of two daemons by the `openai` package, while one of them is killed: the same
 * greedy text comes, in the same stream; and from the other one by a retry with the same key.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { freePortBase, MeshProcess, meshOk, PORT_STEP } from "../../scripts/mesh-processes.mjs";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-openai-ring-"));
const homes = { admin: join(folder, "admin"), second: join(folder, "second") };
const ready = { timeout: 40_000, interval: 100 };
let base = 0;
let admin: MeshProcess;
let second: MeshProcess;

function daemon(home: string, index: number): MeshProcess {
  const portBase = base + index * PORT_STEP;
  const args = ["up", "--port-base", String(portBase), "--beacon", "no"];
  return new MeshProcess({ name: home, home, portBase, args, isCoordinator: index === 0 });
}

async function bothOnline(): Promise<void> {
  for (const { httpUrl } of [admin, second]) {
    await vi.waitFor(async () => {
      const answer = await fetch(`${httpUrl}/api/pools`);
      const { pools } = (await answer.json()) as { pools: { members: { status: string }[] }[] };
      const online = pools[0]?.members.filter(({ status }) => status === "online");
      expect(online).toHaveLength(2);
    }, ready);
  }
}

beforeAll(async () => {
  for (const home of Object.values(homes)) mkdirSync(home);
  base = await freePortBase(2);
  await meshOk(homes.admin, ["init", "--network-id", "test", "--name", "first"]);
  const create = ["pool", "create", "--name", "ring", "--pair", "--json"];
  const made = JSON.parse(await meshOk(homes.admin, create));
  admin = daemon(homes.admin, 0);
  admin.start();
  await admin.ready();
  await meshOk(homes.second, ["init", "--network-id", "test", "--name", "second"]);
  const which = ["--pool-id", made.poolId, "--pool-root-pubkey", made.rootPublicKey];
  const where = ["--name", "ring", "--peer", `127.0.0.1:${9001 + base}`, "--code", "-"];
  await meshOk(homes.second, ["pool", "join", ...which, ...where], { input: made.pairingCode });
  second = daemon(homes.second, 1);
  second.start();
  await bothOnline();
});
afterAll(async () => {
  await Promise.all([admin?.kill("SIGTERM"), second?.kill("SIGTERM")]);
  rmSync(folder, { recursive: true, force: true });
});

const clientOf = ({ httpUrl }: MeshProcess) =>
  new OpenAI({ baseURL: `${httpUrl}/v1`, apiKey: "none", maxRetries: 0, timeout: 60_000 });

const messages = [{ role: "user" as const, content: "Tell me a story about a small boat." }];
const greedy = { model: "demo", messages, temperature: 0, max_tokens: 150 };

/** Fields that the mesh adds to those of OpenAI go along as they are. */
const placed = (placement: "R" | "T") => ({ ...greedy, placement, timings: true });

describe("a chat of a ring of two", () => {
  it("goes on in the same stream with the same text when one of them is killed", async () => {
    const client = clientOf(admin);
    const whole = await client.chat.completions.create(placed("R"));
    const text = whole.choices[0]?.message.content ?? "";
    expect(text.length).toBeGreaterThan(100);
    const split = await client.chat.completions.create(placed("T"));
    expect(split.choices[0]?.message.content).toBe(text);

    const stream = await client.chat.completions.create({ ...placed("T"), stream: true });
    let streamed = "";
    let parts = 0;
    let timings: { epochs?: number; replayedTokens?: number } = {};
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? "";
      parts++;
      if (parts === 20) await second.kill("SIGKILL");
      timings = (chunk as { timings?: typeof timings }).timings ?? timings;
    }
    expect(streamed).toBe(text);
    expect(timings.epochs).toBe(2);
    expect(timings.replayedTokens).toBeGreaterThan(0);
    second.start();
    await bothOnline();
  });

  it("comes from the other one by a retry with the same key when the first one is killed", async () => {
    const options = { headers: { "Idempotency-Key": "boat-1" } };
    const asked = { ...placed("T"), stream: true as const };
    const text = (await clientOf(admin).chat.completions.create(placed("R"))).choices[0]?.message;
    const first = await clientOf(second).chat.completions.create(asked, options);
    let parts = 0;
    const read = async () => {
      for await (const _chunk of first) {
        parts++;
        if (parts === 20) await second.kill("SIGKILL");
      }
    };
    await expect(read()).rejects.toThrow();
    let streamed = "";
    for await (const chunk of await clientOf(admin).chat.completions.create(asked, options)) {
      streamed += chunk.choices[0]?.delta.content ?? "";
    }
    expect(streamed).toBe(text?.content);
  });
});
