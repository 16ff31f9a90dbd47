import { MeshError } from "@hearthmesh/core";
import type { Address, Link } from "@hearthmesh/qwormhole";
import { ManualClock } from "@hearthmesh/qwormhole/testing";
import { describe, expect, it } from "vitest";
import { id } from "../testing/wire-fixtures.js";
import { type RaceResult, raceAddresses } from "./address-race.js";
import { describeFailure } from "./dial-failure.js";
import { linkTo } from "./testing/fake-links.js";

type Answer = (signal: AbortSignal) => Promise<Link>;

function race(answers: Record<string, Answer>) {
  const clock = new ManualClock();
  const started: { host: string; atMs: number }[] = [];
  const abort = new AbortController();
  const dialer = {
    dial: ({ host }: Address, { signal }: { signal?: AbortSignal }) => {
      started.push({ host, atMs: clock.nowMs() });
      return answers[host]!(signal ?? new AbortController().signal);
    },
  };
  const addresses = Object.keys(answers).map((host) => `${host}:9000`);
  const result = raceAddresses(addresses, { dialer, clock, signal: abort.signal });
  const settled: { result?: RaceResult } = {};
  void result.then((value) => {
    settled.result = value;
  });
  return { clock, started, abort, settled };
}

const refused: Answer = async () => {
  throw Object.assign(new Error("x"), { code: "QW_DIAL_REFUSED" });
};
const silent: Answer = () => new Promise(() => undefined);

describe("a race of addresses", () => {
  it("takes the first that answers, and does not wait for one that is silent", async () => {
    const aborted: string[] = [];
    const { clock, started, settled } = race({
      "a.example": (signal) => {
        signal.addEventListener("abort", () => aborted.push("a.example"));
        return silent(signal);
      },
      "b.example": async () => linkTo(id(1)),
      "c.example": async () => linkTo(id(2)),
    });
    await clock.advance(300);
    expect(settled.result).toMatchObject({ address: "b.example:9000" });
    expect(started.map(({ host }) => host)).toEqual(["a.example", "b.example"]);
    expect(aborted).toEqual(["a.example"]);
    expect(clock.timers).toBe(0);
  });

  it("goes on at once after a failure, and tells why each one failed", async () => {
    const { clock, started, settled } = race({
      "a.example": refused,
      "b.example": silent,
    });
    await clock.advance(10);
    expect(started.map(({ atMs }) => atMs)).toEqual([0, 0]);
    await clock.advance(6_000);
    expect(settled.result).toMatchObject({
      failures: [
        { address: "a.example:9000", reason: "nothing listens there" },
        { address: "b.example:9000", reason: "no answer in time" },
      ],
    });
    expect(clock.timers).toBe(0);
  });

  it("closes a link that comes too late, and ends when it is given up", async () => {
    let closed = 0;
    let answer: (link: Link) => void = () => undefined;
    const { clock, abort, settled } = race({
      "a.example": () => new Promise((resolve) => (answer = resolve)),
    });
    await clock.advance(10);
    abort.abort(new MeshError("MESH_STOPPING"));
    await clock.advance(0);
    expect(settled.result).toMatchObject({ failures: [{ address: "a.example:9000" }] });
    const link = linkTo(id(1));
    link.close = async () => {
      closed += 1;
    };
    answer(link);
    await clock.advance(0);
    expect(closed).toBe(1);
  });

  it("has nothing to say without addresses", async () => {
    const { clock, settled } = race({});
    await clock.advance(0);
    expect(settled.result).toEqual({ failures: [], isSelf: false });
  });
});

describe("the text of a failure", () => {
  const wrap = (code: string, cause?: unknown) =>
    Object.assign(new Error("outer", { cause }), { code });

  it("says what is wrong and what to do, by the innermost code that is known", () => {
    const error = wrap("MESH_UNREACHABLE", wrap("QW_DIAL_FAILED", wrap("EHOSTUNREACH")));
    expect(describeFailure("a:1", error).reason).toBe("the machine cannot be reached");
    expect(describeFailure("a:1", wrap("QW_UNEXPECTED_PEER")).reason).toContain("another node");
    expect(describeFailure("a:1", new MeshError("MESH_CERT_REVOKED"))).toMatchObject({
      hint: expect.stringMatching(/./),
    });
  });

  it("lets no text of others break a terminal", () => {
    const { reason } = describeFailure("a:1", new Error(`\u001b[2J\n${"x".repeat(999)}`));
    expect(reason).toMatch(/^\[2J x+…$/);
    expect(reason.length).toBeLessThanOrEqual(201);
    expect(describeFailure("a:1", undefined).reason).toBe("undefined");
  });
});
