/** A real Prometheus on loopback for tests, and what is asked of it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, openSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { vi } from "vitest";

/** Undefined when Debian's package `prometheus` is there. */
export function whyNoPrometheus(): string | undefined {
  for (const name of ["prometheus", "promtool"]) {
    const found = spawnSync("sh", ["-c", 'command -v "$1"', "sh", name]).status === 0;
    if (!found) return `needs the program ${name} (Debian: apt-get install prometheus)`;
  }
  return undefined;
}

/** Throws what promtool says when it finds fault. */
export function promtool(args: readonly string[], input?: string): string {
  const ended = spawnSync("promtool", args, { encoding: "utf8", ...(input ? { input } : {}) });
  const said = `${ended.stdout}${ended.stderr}`.trim();
  if (ended.status !== 0) throw new Error(said);
  return said;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface RuleState {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly state: "inactive" | "pending" | "firing";
  readonly query: string;
  readonly alerts: readonly { readonly annotations: Readonly<Record<string, string>> }[];
}

export class Prometheus {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** Scrapes each target once a second. `rules` is the text of a rule file. */
  static async start(options: {
    folder: string;
    targets: Readonly<Record<string, string>>;
    rules: string;
  }): Promise<Prometheus> {
    const { folder, targets, rules } = options;
    mkdirSync(folder, { recursive: true });
    const config = {
      global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
      rule_files: ["rules.yml"],
      scrape_configs: [
        {
          job_name: "hearthmesh",
          static_configs: Object.entries(targets).map(([instance, target]) => ({
            targets: [target],
            labels: { instance },
          })),
        },
      ],
    };
    // YAML that is JSON.
    writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(config));
    writeFileSync(join(folder, "rules.yml"), rules);
    const port = await freePort();
    const log = openSync(join(folder, "prometheus.log"), "a");
    const flags = [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const child = spawn("prometheus", flags, { stdio: ["ignore", log, log] });
    const prometheus = new Prometheus(`http://127.0.0.1:${port}`, child);
    await vi.waitFor(
      async () => {
        if (!(await fetch(`${prometheus.url}/-/ready`)).ok) throw new Error("it is not ready");
      },
      { timeout: 30_000, interval: 100 },
    );
    return prometheus;
  }

  async query(expression: string): Promise<readonly Sample[]> {
    const body = new URLSearchParams({ query: expression });
    const data = await this.#ask<{ result: Sample[] }>("query", { method: "POST", body });
    return data.result;
  }

  /** How many series an expression has had in the last ten minutes, as a panel asks for them. */
  async seriesOf(expression: string): Promise<number> {
    const [{ value: [nowSeconds] = [0] } = {}] = await this.query("vector(1)");
    const range = { start: `${nowSeconds - 600}`, end: `${nowSeconds}`, step: "1" };
    const body = new URLSearchParams({ query: expression, ...range });
    const data = await this.#ask<{ result: unknown[] }>("query_range", { method: "POST", body });
    return data.result.length;
  }

  async rules(): Promise<RuleState[]> {
    const { groups } = await this.#ask<{ groups: { rules: RuleState[] }[] }>("rules");
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    await ended;
  }

  async #ask<Data>(path: string, init: RequestInit = {}): Promise<Data> {
    const answer = await fetch(`${this.url}/api/v1/${path}`, init);
    const body = (await answer.json()) as { status: string; error?: string; data: Data };
    if (body.status !== "success") throw new Error(`${path}: ${body.error}`);
    return body.data;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
