/**
 * Answers of a ring of real daemons that are lost one after the other: the coordinator in the
 * middle of a split answer, and whoever leads while another node passes the answer on. The same
 * greedy text comes out whole, in the same stream.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { freePortBase, PORT_STEP } from "../../scripts/free-ports.mjs";
import { MeshProcess, meshOk } from "../../scripts/mesh-processes.mjs";

interface Timings {
  readonly epochs: number;
  readonly pauseMs: number;
}
interface Rings {
  readonly led: readonly { placement: string; running: number; members: { name: string }[] }[];
}

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-ai-"));
const NAMES = ["first", "second", "third"] as const;
type Name = (typeof NAMES)[number];
const nodes = new Map<Name, MeshProcess>();
const node = (name: Name) => nodes.get(name) as MeshProcess;

async function get<Answer>(name: Name, path: string): Promise<Answer> {
  return (await fetch(`${node(name).httpUrl}${path}`)).json() as Promise<Answer>;
}

async function online(name: Name, count: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const { pools } = await get<{ pools: { members: { status: string }[] }[] }>(
        name,
        "/api/pools",
      );
      const there = pools[0]?.members.filter(({ status }) => status === "online");
      expect(there).toHaveLength(count);
    },
    { timeout: 40_000, interval: 100 },
  );
}

/** The third node runs no models: it passes requests on to those that do. */
function daemon(name: Name, index: number, base: number): MeshProcess {
  const portBase = base + index * PORT_STEP;
  const ai = name === "third" ? ["--ai", "false"] : [];
  const args = ["up", "--port-base", String(portBase), "--beacon", "no", ...ai];
  return new MeshProcess({ name, home: join(folder, name), portBase, args, isCoordinator: !index });
}

beforeAll(async () => {
  const base = await freePortBase(NAMES.length);
  for (const [index, name] of NAMES.entries()) {
    mkdirSync(join(folder, name));
    nodes.set(name, daemon(name, index, base));
  }
  const first = node("first");
  await meshOk(first.home, ["init", "--network-id", "test", "--name", "first"]);
  const create = ["pool", "create", "--name", "ring", "--json"];
  const made = JSON.parse(await meshOk(first.home, create));
  first.start();
  await first.ready();
  const enter = async (name: Name) => {
    const { home } = node(name);
    await meshOk(home, ["init", "--network-id", "test", "--name", name]);
    const pair = await meshOk(first.home, ["pool", "pair", "--json"]);
    const { code } = JSON.parse(pair) as { code: string };
    const which = ["--pool-id", made.poolId, "--pool-root-pubkey", made.rootPublicKey];
    const where = ["--name", "ring", "--peer", `127.0.0.1:${9001 + base}`, "--code", "-"];
    await meshOk(home, ["pool", "join", ...which, ...where], { input: code });
    node(name).start();
  };
  await Promise.all([enter("second"), enter("third")]);
  for (const name of NAMES) await online(name, 3);
});

afterAll(async () => {
  await Promise.all([...nodes.values()].map((one) => one.kill("SIGTERM")));
  rmSync(folder, { recursive: true, force: true });
});

/** Greedy, as a stream; `onPiece` is called with the number of pieces so far. */
async function tell(
  name: Name,
  more: object,
  onPiece: (count: number) => Promise<void> = async () => undefined,
): Promise<{ text: string; timings: Timings | undefined }> {
  const body = { prompt: "Once upon a time", max_tokens: 80, temperature: 0, ...more };
  const answer = await fetch(`${node(name).httpUrl}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "demo", stream: true, timings: true, ...body }),
  });
  expect(answer.status).toBe(200);
  let [text, rest, count] = ["", "", 0];
  let timings: Timings | undefined;
  for await (const bytes of answer.body ?? []) {
    rest += Buffer.from(bytes).toString();
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data: {")) continue;
      const event = JSON.parse(line.slice(6));
      expect(event.error).toBeUndefined();
      text += event.choices?.[0]?.text ?? "";
      timings = event.timings ?? timings;
      await onPiece(++count);
    }
  }
  return { text, timings };
}

describe("a pool of three, of whom two run models", () => {
  let whole = "";

  it("answers the same text whole and split", async () => {
    whole = (await tell("second", { placement: "R" })).text;
    expect(whole.length).toBeGreaterThan(80);
    expect((await tell("second", { placement: "T" })).text).toBe(whole);
    const { led } = await get<Rings>("second", "/api/inference/rings");
    const split = led.find(({ placement }) => placement === "T");
    expect(split?.members.map(({ name }) => name).sort()).toEqual(["first", "second"]);
  });

  it("goes on in the same stream when its coordinator is killed in the middle", async () => {
    const { text, timings } = await tell("second", { placement: "T" }, async (count) => {
      if (count === 20) await node("first").kill("SIGKILL");
    });
    expect(text).toBe(whole);
    expect(timings?.epochs).toBe(2);
    node("first").start();
    await node("first").ready();
    for (const name of NAMES) await online(name, 3);
  });

  it("goes on in the same stream when the leader is killed that another node asked", async () => {
    const leaderOf = async () => {
      for (const name of ["first", "second"] as const) {
        const { led } = await get<Rings>(name, "/api/inference/rings");
        if (led.some(({ running }) => running > 0)) return name;
      }
      throw new Error("nobody answers");
    };
    let killed: Name | undefined;
    const { text, timings } = await tell("third", {}, async (count) => {
      if (count !== 20) return;
      killed = await leaderOf();
      await node(killed).kill("SIGKILL");
    });
    expect(killed).toBeDefined();
    expect(text).toBe(whole);
    expect(timings?.epochs).toBeGreaterThan(1);
  });
});
