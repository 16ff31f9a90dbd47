/** `mesh grant` as typed at a terminal, against a real door. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Home, openHome } from "../../../client/src/testing/federation-home.js";
import type { Cli } from "../cli.js";
import type { MeshCommand } from "../command.js";
import { runCommand } from "../testing/command-run.js";
import { seemsToRun } from "../testing/running-node.js";
import { grantAddCommand } from "./grant-add.js";
import { grantExplainCommand } from "./grant-explain.js";
import { grantListCommand } from "./grant-list.js";
import { grantRemoveCommand } from "./grant-remove.js";

let alice: Home;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mesh-grants-"));
  alice = await openHome({ memberId: "alice", store: memoryStore({ clock: systemClock() }) });
  await alice.fixture.person("carol@office.carol", ["/media:read"]);
  await seemsToRun(directory, alice.url);
});
afterEach(async () => {
  await alice.close();
  await rm(directory, { recursive: true });
});

const run = (make: (cli: Cli) => MeshCommand, ...args: string[]) =>
  runCommand(directory, make, args);

const carol = "carol@office.carol";

describe("mesh grant", () => {
  it("gives, shows, explains and takes away", async () => {
    const added = await run(grantAddCommand, carol, "/shared:rw", "--until", "2099-01-31");
    expect(added).toContain(
      `${carol} (the person of this member with that key): /shared:read+write`,
    );
    const [, id = ""] = /mesh grant remove ([a-z2-7]{10})/.exec(added) ?? [];
    const listed = await run(grantListCommand, carol, "--path", "/shared/photos");
    expect(listed).toMatch(new RegExp(`${id}\\s+${carol}\\s+/shared:read\\+write\\s+open\\s+2099`));
    expect(await run(grantListCommand, "--path", "/other")).toBe("There are no such grants.\n");
    const allowed = await run(grantExplainCommand, carol, "/shared/x", "write");
    expect(allowed).toMatch(/^allowed: carol@office\.carol has write on \/shared, .*\nuntil 2099/);
    const denied = JSON.parse(
      await run(grantAddCommand, carol, "/shared/x:write", "--deny", "--json"),
    );
    expect(denied.grant).toMatchObject({ text: "!/shared/x:write", state: "open" });
    const why = await run(grantExplainCommand, carol, "/shared/x", "write");
    expect(why).toContain("not allowed: ");
    expect(why).toContain(`!/shared/x:write (grant ${denied.grant.id}): decides`);
    expect(await run(grantRemoveCommand, id)).toBe(
      `Removed: ${carol} /shared:read+write until 2099-01-31T00:00:00.000Z\n`,
    );
    expect(await run(grantExplainCommand, "me", "/anything", "delete")).toContain("the operator");
  });

  it("says what is wrong with what was typed", async () => {
    await expect(run(grantExplainCommand, carol, "/a", "fly")).rejects.toThrow(/not a right/);
    await expect(run(grantAddCommand, carol, "/a:fly")).rejects.toThrow(/not a right/);
    await expect(run(grantAddCommand, "*@garage.bob", "/a:read")).rejects.toThrow(/is no peer/);
    await expect(run(grantAddCommand, carol, "/a:r", "--until", "soon")).rejects.toThrow(
      /not a duration/,
    );
    await expect(run(grantRemoveCommand, "nothing")).rejects.toThrow(/there is no grant/);
  });
});
