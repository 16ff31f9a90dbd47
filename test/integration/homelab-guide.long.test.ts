/**
 * The homelab guide, pasted line by line against three members as real processes: the guide itself
 * where it is there, else our own page, which holds the same commands. `docker compose` is acted
 * out on the processes; examples/federation is tested in compose-federation.test.ts.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FederationProcesses } from "../../scripts/federation-processes.mjs";
import { FederationShell, shellCommands } from "../support/federation-shell.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const own = `${root}docs/homelab.md`;
const original = `${root}../shared/guides/5-homelab-collective.md`;
const hasOriginal = existsSync(original);
const commandsOf = (path: string) => shellCommands(readFileSync(path, "utf8"));
const programs = ["curl", "jq", "tar"];
const missing = programs.filter((name) => spawnSync(name, ["--version"]).status !== 0);
/** Some fifty programs, one after the other; a limit for what hangs on a busy machine. */
const GUIDE_MS_MAX = 400_000;
/** What is typed elsewhere: a browser, Prometheus, a build. */
const ELSEWHERE = /^(cd|go build|npm run build|open)\b/;
const QUERY = /^(sum by \(member\) \()?(collective_\w+)/;

describe.runIf(hasOriginal)("our page", () => {
  it("holds every command of the guide, as it stands there", () => {
    const wanted = commandsOf(original).filter((one) => !ELSEWHERE.test(one) && !QUERY.test(one));
    const here = new Set(commandsOf(own));
    expect(wanted.filter((one) => !here.has(one))).toEqual([]);
    expect([...here].filter((one) => !ELSEWHERE.test(one) && !wanted.includes(one))).toEqual([
      "docker compose restart alice-coordinator",
    ]);
  });
});

describe.skipIf(missing.length > 0)(
  `the commands of ${hasOriginal ? "the guide" : "our page"}${
    missing.length === 0 ? "" : ` (needs the programs ${missing.join(", ")})`
  }`,
  () => {
    let folder: string;
    let containers: string;
    let federation: FederationProcesses;
    let shell: FederationShell;
    let code = "";
    const done: string[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "hearthmesh-homelab-"));
      containers = join(folder, "containers");
      shell = new FederationShell(folder, containers, () => federation);
    });
    afterAll(async () => {
      await federation?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const up = async (nodes: readonly number[]) => {
      federation = await FederationProcesses.start({ folder: containers, nodes });
    };
    const alice = () => federation.member("alice");
    const restart = async () => {
      await alice().coordinator.kill("SIGTERM");
      alice().coordinator.start();
      await federation.ready();
    };
    const logOf = (name: string) =>
      readFileSync(join(containers, name, "data", "logs", "node.log"), "utf8");

    /** `docker compose ...`, done to the processes. */
    const compose = async (words: string): Promise<void> => {
      done.push(words);
      if (words === "up -d") await up(done.includes("down -v") ? [0, 0, 0] : [3, 0, 0]);
      else if (words === "up -d --scale alice-node=5") await federation.scale("alice", 5);
      // The restart is done with the recovery, whose last line the guide does not show.
      else if (words === "ps" || words === "restart alice-coordinator") await federation.ready();
      else if (words === "down") await federation.stop();
      else if (words === "down -v" || words === "down --rmi all") {
        await federation.stop();
        rmSync(containers, { recursive: true, force: true });
      } else {
        const [, name = "alice-coordinator"] = /^logs(?: -f| (\S+))?$/.exec(words) ?? [];
        expect(words).toMatch(/^logs/);
        expect(logOf(name)).toContain("the node is up");
      }
    };

    /** What must be true right after a command. */
    const checks: readonly (readonly [RegExp, (printed: string) => unknown])[] = [
      [
        /identity init/,
        (printed) => expect(printed).toContain("yourname@homelab.collective.local"),
      ],
      [/coordinator\.key >/, (printed) => expect(printed).toBe("")],
      [/invite generate/, (printed) => (code = /^hm1-\S+$/m.exec(printed)?.[0] ?? "")],
      [/redeem YOUR/, (printed) => expect(printed).toMatch(/guest of alice.*\/media: read/s)],
      [/redeem BOB/, (printed) => expect(printed).toMatch(/guest of bob.*\/garage: read, wr/s)],
      [/read \/shared\/README/, (text) => expect(text).toBe("Welcome to the collective!\n")],
      [/ls \/shared$/, (text) => expect(text).toBe("README.txt\ndocuments/\nmedia/\n")],
      [/ls \/shared\/media/, (text) => expect(text).toBe("movie.mp4\n")],
      [/invite list/, (text) => expect(text).toMatch(/open.*0\/5.*Media team access/)],
      [/invite revoke/, (text) => expect(text).toContain("Revoked the invite")],
      [/switch alice-homelab/, (text) => expect(text).toContain("home.alice")],
      [/switch bob-homelab/, (text) => expect(text).toContain("garage.bob")],
      [/list-collectives/, (text) => expect(text).toMatch(/home\.alice.*garage\.bob/s)],
      [/capacity: \.total/, (text) => expect(text.match(/"capacity": 512000000/g)).toHaveLength(3)],
      [/chunks: \.chunk/, (text) => expect(text.match(/"chunks": \d+/g)).toHaveLength(3)],
      [
        /909\d\/metrics/,
        (text) => expect(text).toMatch(/collective_nodes_total\{member="\w+"\} \d/),
      ],
      [/tar -czf - \/data/, () => shell.paste("echo later | ./bin/collective write /shared/later")],
      [
        /alice-certs-backup/,
        () => expect(backupNames("alice-certs-backup")).toContain("alice-ca.key"),
      ],
      [/tar -xzf/, () => restored()],
    ];
    /** Each member tells about itself: the query of all of them is answered by all. */
    const query = async (metric: string, members: FederationProcesses["members"]) => {
      for (const { id, coordinator } of members) {
        const text = await (await fetch(`${coordinator.metricsUrl}/metrics`)).text();
        expect(text).toMatch(new RegExp(`^${metric}\\{member="${id}"[^}]*\\} `, "m"));
      }
    };
    const backupNames = (name: string) => {
      const archive = join(folder, "work", `${name}.tar.gz`);
      return spawnSync("tar", ["-tzf", archive], { encoding: "utf8" }).stdout;
    };
    /** The guide's last line of the recovery; the restored files count after a restart. */
    const restored = async () => {
      await restart();
      expect(await shell.paste("./bin/collective ls /shared")).not.toContain("later");
      const movie = "./bin/collective read /shared/media/movie.mp4 | cmp - ~/Downloads/movie.mp4";
      expect(await shell.paste(movie)).toBe("");
    };

    it(
      "work as they are shown",
      async () => {
        for (const command of commandsOf(hasOriginal ? original : own)) {
          if (ELSEWHERE.test(command)) continue;
          const [, , metric] = QUERY.exec(command) ?? [];
          if (metric !== undefined) {
            await query(metric, command.startsWith("sum") ? federation.members : [alice()]);
            continue;
          }
          const [, words] = /^docker[ -]compose (.*)$/.exec(command) ?? [];
          if (words !== undefined) {
            await compose(words);
            continue;
          }
          // Both ways of switching are shown; the page goes on as Alice's guest.
          if (command.includes("/shared/test.txt")) {
            await shell.paste("./bin/collective identity switch alice-homelab");
          }
          const filled = command.replace(/\b(YOUR_INVITE|BOB_INVITE|INVITE)_CODE\b/, code);
          const printed = await shell.paste(filled);
          for (const [about, check] of checks) if (about.test(command)) await check(printed);
          if (command.includes("alice-coordinator.key >")) {
            const key = "alice-coordinator/collective/certs/coordinators/alice-coordinator.key";
            expect(statSync(join(containers, key)).mode & 0o777).toBe(0o600);
          }
        }
        expect(done.at(-1)).toBe("down --rmi all");
        expect(done).toContain("up -d --scale alice-node=5");
      },
      GUIDE_MS_MAX,
    );
  },
);
