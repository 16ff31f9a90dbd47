/** `mesh heal` as typed at a terminal, against a door that answers. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
// Layers hold for what ships; a test may look at both ends of the wire.
import { healingStatusView, incidentView } from "../../../gateway/src/healing/incident-view.js";
import { blockedIncident, mendedIncident } from "../../../gateway/src/testing/incidents.js";
import { ScriptedHealer } from "../../../gateway/src/testing/scripted-healer.js";
import type { Cli } from "../cli.js";
import type { MeshCommand } from "../command.js";
import { runCommand } from "../testing/command-run.js";
import { seemsToRun } from "../testing/running-node.js";
import { healDryRunCommand } from "./heal-dry-run.js";
import { healExplainCommand } from "./heal-explain.js";
import { healHistoryCommand } from "./heal-history.js";
import { healPauseCommand, healResumeCommand } from "./heal-pause.js";
import { healStatusCommand } from "./heal-status.js";

let directory: string;
let server: Server;
/** By method and path. */
let answers: Record<string, object>;
let asked: { path: string; body: unknown }[];
let healer: ScriptedHealer;

beforeEach(async () => {
  asked = [];
  healer = new ScriptedHealer();
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  directory = await mkdtemp(join(tmpdir(), "mesh-heal-"));
  const nodeUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await seemsToRun(directory, nodeUrl, false);
  const mended = incidentView(mendedIncident("one"));
  const { timeline, ...summary } = mended;
  answers = {
    "GET /api/healing/incidents?limit=1": { incidents: [summary], more: true },
    "GET /api/healing/incidents/one": { incident: mended },
  };
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  const text = Buffer.concat(pieces).toString("utf8");
  const path = `${request.method} ${request.url}`;
  asked.push({ path, body: text === "" ? undefined : JSON.parse(text) });
  const found = answers[path];
  response.statusCode = found === undefined ? 404 : 200;
  response.end(JSON.stringify(found ?? { code: "MESH_NOT_FOUND", detail: "there is none" }));
}

const run = (make: (cli: Cli) => MeshCommand, ...args: string[]) =>
  runCommand(directory, make, args);
const mode = (more: object) => ({ nodeName: "home", pausedUntilMs: null, audited: true, ...more });

describe("mesh heal status", () => {
  it("says first whether all is well, then what is open, watched and left", async () => {
    healer.incidents = [blockedIncident()];
    answers["GET /api/healing"] = healingStatusView(healer.status());
    const lines = (await run(healStatusCommand)).split("\n");
    expect(lines[0]).toBe("home, acting: 1 incident is open");
    expect(lines.find((line) => line.startsWith("mi8k5000"))).toMatch(
      /critical {2}open {3}attic gives back damaged chunks/,
    );
    expect(lines.find((line) => line.startsWith("clock "))).toMatch(/unknown +0 {2}never$/);
    expect(lines).toContain("clock: nobody was asked for the time yet");
    expect(lines.find((line) => line.startsWith("redial"))).toMatch(
      /7 +6 +1 +not for now: it failed too often$/,
    );
    expect(lines).toContain("1 remedy known, 28 of 30 remedies left in 10 min");
  });

  it("does not take what nobody can see for well", async () => {
    const status = { ...healingStatusView(healer.status()), verdict: "unknown" };
    answers["GET /api/healing"] = status;
    expect(await run(healStatusCommand)).toMatch(
      /^home, acting: 1 monitor cannot see: not known whether all is well\n/,
    );
    expect(JSON.parse(await run(healStatusCommand, "--json"))).toEqual(status);
  });
});

describe("mesh heal history", () => {
  it("lists incidents, and says how to see older ones", async () => {
    const lines = (await run(healHistoryCommand, "--limit", "1")).split("\n");
    expect(lines[1]).toMatch(/^2026-11-2\d \d\d:\d\d:05 (UTC|[+-]\d\d:\d\d) /);
    expect(lines[1]).toMatch(
      /one +home +mended {2}9\.4 s +redial, re-route {2}attic does not answ/,
    );
    expect(lines[2]).toBe("More: mesh heal history --before one");
  });

  it("asks for what it was told to, and refuses what makes no sense", async () => {
    const words = ["--kind", "process-down", "--node", "at tic", "--before", "x", "--limit", "5"];
    const path = "/api/healing/incidents?kind=process-down&node=at%20tic&before=x&limit=5";
    answers[`GET ${path}`] = { incidents: [], more: false };
    expect(await run(healHistoryCommand, ...words)).toBe("No incident.\n");
    await expect(run(healHistoryCommand, "--limit", "many")).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
    });
  });
});

describe("mesh heal explain", () => {
  it("tells one incident as a page, the newest when asked for the last", async () => {
    const page = await run(healExplainCommand, "one");
    expect(page).toMatch(/^attic does not answer: mended by re-route after 9\.4 s\nIncident one/);
    expect(page).toMatch(/\nWhether it worked\n {2} +\+5 s {2}No \(redial\)/);
    expect(await run(healExplainCommand, "last")).toBe(page);
    const markdown = await run(healExplainCommand, "last", "--markdown");
    expect(markdown).toMatch(/^# attic does not answer: .*\n\nIncident one/);
    const json = JSON.parse(await run(healExplainCommand, "one", "--json"));
    expect(json.incident.timeline).toHaveLength(9);
  });

  it("says so when there is none", async () => {
    answers["GET /api/healing/incidents?limit=1"] = { incidents: [], more: false };
    await expect(run(healExplainCommand, "last")).rejects.toThrow(/no incident yet/);
    await expect(run(healExplainCommand, "../x")).rejects.toMatchObject({ code: "MESH_NOT_FOUND" });
    expect(asked.at(-1)?.path).toBe("GET /api/healing/incidents/..%2Fx");
  });
});

describe("mesh heal pause, resume and dry-run", () => {
  it("changes what the healer may do, and says what it is now", async () => {
    const pausedUntilMs = Date.now() + 600_000;
    answers["POST /api/healing/pause"] = mode({ mode: "paused", pausedUntilMs });
    answers["POST /api/healing/resume"] = mode({ mode: "acting" });
    answers["POST /api/healing/dry-run"] = mode({ mode: "dry-run" });
    expect(await run(healPauseCommand, "--for", "10m")).toMatch(
      /^home looks on and mends nothing, until 20.* \(paused\)\n$/,
    );
    expect(await run(healResumeCommand)).toBe("home mends what breaks (acting)\n");
    expect(await run(healDryRunCommand, "--on")).toMatch(/^home says what it would do/);
    await run(healPauseCommand, "--json");
    await run(healDryRunCommand, "--off");
    expect(asked.map(({ body }) => body)).toEqual([
      ...[{ forMs: 600_000 }, undefined, { on: true }, {}, { on: false }],
    ]);
    await expect(run(healPauseCommand, "--for", "0s")).rejects.toThrow(/up to 30d, .* not "0s"/);
    await expect(run(healPauseCommand, "--for", "31d")).rejects.toThrow(/up to 30d/);
    await expect(run(healPauseCommand, "--for", "soon")).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
    });
    await expect(run(healDryRunCommand, "--on", "--off")).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
    });
  });

  it("prints what would be done now", async () => {
    answers["POST /api/healing/plan"] = { planned: [] };
    expect(await run(healDryRunCommand)).toMatch(/nothing would be done/);
    const { subject, severity, timeline } = mendedIncident();
    const candidates = timeline[2]?.candidates ?? [];
    const one = { title: "attic does not answer", kind: "peer-unreachable", subject, severity };
    answers["POST /api/healing/plan"] = {
      planned: [
        { ...one, candidates },
        { ...one, title: "x", candidates: [] },
      ],
    };
    const lines = (await run(healDryRunCommand)).split("\n").map((line) => line.trimEnd());
    expect(lines[0]).toBe("attic does not answer (warning)");
    expect(lines[2]).toMatch(
      /^ {2}would do {2}redial +0\.81 {2}86 % of 7 {2}dial all 3 addresses$/,
    );
    expect(lines[3]).toMatch(/^ +re-route +0\.55 {2}50 % of 2 {2}go through shed$/);
    expect(lines[4]).toMatch(/^ {2}not now +fail-over-hub +0\.40 +this node has no second hub$/);
    expect(lines.slice(5)).toEqual([
      ...["x (warning)", "  There is no remedy: a person is needed.", ""],
    ]);
  });
});

describe("texts from other nodes", () => {
  it("cannot reach the terminal with what it obeys", async () => {
    const evil = "a\u001b]0;title\u0007\u001b[2J\r\nb\u202e";
    const subject = { type: "node", id: evil, name: evil } as const;
    const bad = { ...blockedIncident(evil), nodeName: evil, subject, remedies: [evil as never] };
    healer.incidents = [bad];
    const status = healingStatusView(healer.status());
    const monitors = [{ ...status.monitors[0], name: evil, reason: evil }];
    answers["GET /api/healing"] = { ...status, monitors, nodeName: evil };
    const incident = incidentView(bad);
    answers["GET /api/healing/incidents?limit=20"] = { incidents: [incident], more: true };
    answers["GET /api/healing/incidents/one"] = { incident };
    answers["POST /api/healing/pause"] = mode({ mode: "paused", nodeName: evil });
    const candidates = [{ remedy: evil, text: evil, score: 1, success: 1, uses: 1 }];
    answers["POST /api/healing/plan"] = { planned: [{ ...incident, candidates }] };
    const printed = [
      await run(healStatusCommand),
      await run(healHistoryCommand),
      await run(healExplainCommand, "one"),
      await run(healExplainCommand, "one", "--markdown"),
      await run(healPauseCommand),
      await run(healDryRunCommand),
    ];
    for (const text of printed) {
      expect(text).toMatch(/a\?\\?\]0;title\?/);
      expect(text).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
      expect(text).not.toMatch(/^b/m);
    }
  });
});
