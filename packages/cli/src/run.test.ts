import { execFileSync } from "node:child_process";
import { PassThrough } from "node:stream";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { createCli } from "./cli.js";
import { completionScript, SHELLS } from "./completion-scripts.js";
import { describeCommands } from "./describe-commands.js";
import { commandReference } from "./reference.js";
import { runCli } from "./run.js";

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  stdin.end();
  const cli = createCli({
    env: { MESH_HOME: "/nowhere/at/all" },
    cwd: "/",
    streams: { stdin, stdout, stderr },
    clock: systemClock(),
    random: systemRandom(),
    signal: new AbortController().signal,
  });
  const status = await runCli(cli, args);
  const text = (stream: PassThrough) => String(stream.read() ?? "");
  return { status, out: text(stdout), err: text(stderr) };
}

describe("the program", () => {
  it("prints help for itself, for groups and for commands", async () => {
    for (const args of [[], ["--help"], ["invite"], ["invite", "--help"], ["write", "-h"]]) {
      const { status, out, err } = await run(...args);
      expect({ args, status, err }).toEqual({ args, status: 0, err: "" });
      expect(out).toContain("Usage: mesh");
    }
    expect((await run("write", "--help")).out).toContain("$ mesh write -r /shared/photos ./photos");
  });

  it("ends with status 2 and three lines when it is used wrongly", async () => {
    const wrong = [
      ["frobnicate"],
      ["invite", "frobnicate"],
      ["status", "--frobnicate"],
      ["mv", "/a"],
      ["identity", "init"],
      ["read", "/a", "--range", "9-1", "--local"],
      ["invite", "generate"],
      ["invite", "generate", "--node", "--grant", "/:read"],
      ["invite", "generate", "--grant", "/:read", "--max-uses", "many"],
      ["status", "--cert", "a.crt"],
      ["write", "/a", "-r"],
      ["completion", "tcsh"],
    ];
    for (const args of wrong) {
      const { status, out, err } = await run(...args);
      expect({ args, status, out }).toEqual({ args, status: args[0] === "read" ? 6 : 2, out: "" });
      const lines = err.trimEnd().split("\n");
      expect(lines[0]).toMatch(/^error: /);
      expect(lines.at(-1)).toMatch(/^ {2}code: MESH_/);
    }
  });

  it("tells its version", async () => {
    const { status, out } = await run("version", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ node: process.version });
    expect((await run("--version")).out).toContain(process.version);
  });

  it("says that no node runs, and that nothing was joined", async () => {
    expect(await run("status", "--local")).toMatchObject({
      status: 6,
      err: expect.stringContaining("code: MESH_NOT_RUNNING"),
    });
    expect((await run("open")).status).toBe(6);
  });
});

describe("descriptions", () => {
  const program = describeCommands();

  it("has a summary and an example for every command", () => {
    const all = [program, ...program.commands.flatMap((one) => [one, ...one.commands])];
    for (const command of all) {
      expect(command.summary, command.fullName).not.toBe("");
      if (command.commands.length === 0) {
        expect(command.examples, command.fullName).not.toEqual([]);
      }
    }
  });

  it("writes a page with every command and option", () => {
    const page = commandReference(program);
    for (const name of ["mesh up", "mesh invite generate", "mesh rm", "mesh config show"]) {
      expect(page).toContain(`\n## ${name}\n`);
    }
    expect(page).toContain("`--max-uses <number>`");
    expect(page.match(/^# /gm)).toHaveLength(1);
  });

  it("writes completions that shells accept and that complete", () => {
    for (const shell of SHELLS) {
      expect(completionScript(shell, program)).toContain("list-collectives");
    }
    const complete = (...words: string[]) => {
      const quoted = words.map((word) => `'${word}'`).join(" ");
      const script = [
        completionScript("bash", program),
        `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}`,
        "_mesh_complete",
        'echo "$' + '{COMPREPLY[@]}"',
      ].join("\n");
      return execFileSync("bash", ["-c", script]).toString().trim().split(" ");
    };
    expect(complete("mesh", "inv")).toContain("invite");
    expect(complete("mesh", "invite", "re")).toEqual(expect.arrayContaining(["redeem", "revoke"]));
    expect(complete("mesh", "invite", "generate", "--max")).toEqual(["--max-uses"]);
    expect(complete("mesh", "--home", "up", "sta")).toEqual(
      expect.arrayContaining(["stat", "status"]),
    );
  });
});
