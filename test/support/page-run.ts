/**
 * Does what a page says, in a folder of its own, with real processes and the built package.
 * Nothing of the page is changed but this: a port from 9000 to 9999 becomes a free one, an address
 * of 10.0.0.0/24 becomes 127.0.0.1, and `wg0` the loopback interface; in commands and outputs,
 * never in code, which reads `HOST`, `PORT`, `METRICS_PORT` and `INTERFACE` of its environment.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ModuleKind, ScriptTarget, transpileModule } from "typescript";
import {
  type CodeBlock,
  isShown,
  type PageSection,
  programsOf,
  type Terminal,
  terminalOf,
} from "./code-blocks.js";

const packageFolder = fileURLToPath(new URL("../../packages/qwormhole", import.meta.url));
const PORTS = { host: 9000, metrics: 9464 };
/** For a busy machine; a session takes a second or two. */
const SESSION_MS_MAX = 60_000;
const QUIET_MS = 200;

export class PageRun {
  readonly folder = mkdtempSync(join(tmpdir(), "qwormhole-page-"));
  readonly #ports = new Map<string, number>();

  constructor() {
    const scope = join(this.folder, "node_modules", "@hearthmesh");
    mkdirSync(scope, { recursive: true });
    symlinkSync(packageFolder, join(scope, "qwormhole"), "dir");
    writeFileSync(join(this.folder, "package.json"), '{ "type": "module" }\n');
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Rejects with what the page shows and what was printed, when they differ. */
  async runSection(section: PageSection): Promise<void> {
    for (const { name, source } of programsOf(section)) {
      writeFileSync(join(this.folder, name), source);
      if (name.endsWith(".ts")) writeFileSync(join(this.folder, jsName(name)), transpiled(source));
    }
    await this.#choosePorts(section);
    const sessions: Session[] = [];
    try {
      for (const block of section.blocks) await this.#follow(block, sessions);
      for (const session of sessions) await session.settled;
      // Those that end by themselves do; what they print too much is noticed.
      await Promise.race([sleep(QUIET_MS), Promise.all(sessions.map(({ ended }) => ended))]);
    } finally {
      await Promise.all(sessions.map((session) => session.stop()));
    }
    const reports = sessions.map((session) => session.report());
    if (reports.some(({ isWell }) => !isWell)) {
      throw new Error(reports.map(({ text }) => text).join("\n\n"));
    }
  }

  async #follow(block: CodeBlock, sessions: Session[]): Promise<void> {
    if (block.language === "sh") {
      const options = { cwd: this.folder, env: this.#environment(), stdio: "pipe" } as const;
      execFileSync("sh", ["-eu", "-c", block.text], options);
    }
    const terminal = terminalOf(block);
    if (terminal === undefined) return;
    const session = new Session(
      {
        ...terminal,
        command: this.#here(terminal.command),
        output: terminal.output.map((line) => this.#here(line)),
      },
      this.folder,
      this.#environment(),
    );
    sessions.push(session);
    await session.begun;
  }

  #environment(): NodeJS.ProcessEnv {
    const { PATH = "", NODE_V8_COVERAGE } = process.env;
    return {
      PATH,
      HOME: this.folder,
      PORT: this.#here(String(PORTS.host)),
      METRICS_PORT: this.#here(String(PORTS.metrics)),
      ...(NODE_V8_COVERAGE === undefined ? {} : { NODE_V8_COVERAGE }),
    };
  }

  #here(text: string): string {
    return text
      .replace(/\b9\d{3}\b/g, (port) => String(this.#ports.get(port) ?? port))
      .replace(/\b10\.0\.0\.\d+\b/g, "127.0.0.1")
      .replace(/\bwg0\b/g, loopbackName())
      .replace(/\bnode ([\w.-]+)\.ts\b/g, "node $1.js");
  }

  /** All at once, so that they differ. */
  async #choosePorts({ blocks }: PageSection): Promise<void> {
    const named = blocks.flatMap((block) => terminalOf(block) ?? []).flatMap(portsOf);
    const wanted = new Set([String(PORTS.host), String(PORTS.metrics), ...named]);
    const servers = await Promise.all([...wanted].map(() => listen()));
    for (const [index, port] of [...wanted].entries()) {
      const address = servers[index]?.address();
      if (address && typeof address === "object") this.#ports.set(port, address.port);
    }
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  }
}

function portsOf({ command, output }: Terminal): string[] {
  return [command, ...output].flatMap((line) => line.match(/\b9\d{3}\b/g) ?? []);
}

function listen(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

function loopbackName(): string {
  const [name = "lo"] =
    Object.entries(networkInterfaces()).find(([, addresses]) =>
      addresses?.some(({ address }) => address === "127.0.0.1"),
    ) ?? [];
  return name;
}

const jsName = (name: string) => name.replace(/\.ts$/, ".js");

function transpiled(source: string): string {
  const compilerOptions = { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 };
  return transpileModule(source, { compilerOptions }).outputText;
}

/** One terminal. */
class Session {
  readonly begun: Promise<void>;
  /** All that the page shows was printed, or the process has ended. */
  readonly settled: Promise<void>;
  readonly #terminal: Terminal;
  readonly #child: ChildProcess;
  readonly ended: Promise<void>;
  readonly #printed: string[] = [];
  #errors = "";
  #stopped = false;
  #interrupted = false;
  #onProgress: () => void = () => {};

  constructor(terminal: Terminal, cwd: string, env: NodeJS.ProcessEnv) {
    this.#terminal = terminal;
    // `exec`, so that signals go to the program.
    const command = terminal.command.replace(/^((?:\w+=\S* )*)(node .*)$/, "$1 exec $2");
    const child = spawn("sh", ["-c", command], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    this.ended = new Promise((resolve) => child.once("close", () => resolve()));
    child.stderr.on("data", (text) => {
      if (!this.#stopped) this.#errors += text;
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (this.#stopped) return;
      this.#printed.push(line);
      this.#onProgress();
    });
    const needsFirst = Math.min(1, terminal.output.length);
    // A command of the system is done before the next one is typed.
    const isProgram = /\bexec node\b/.test(command);
    this.begun = isProgram ? this.#has(needsFirst) : this.ended;
    this.settled = this.#settle();
  }

  /** What is printed from here on, because others end too, does not count. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      await this.ended;
      return;
    }
    this.#stopped = true;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), SESSION_MS_MAX);
    await this.ended;
    clearTimeout(timer);
  }

  report(): { isWell: boolean; text: string } {
    const { command, output, line } = this.#terminal;
    const { exitCode } = this.#child;
    const hasEndedWell = exitCode === 0 || this.#stopped || this.#interrupted;
    const isWell = hasEndedWell && this.#errors === "" && isShown(output, this.#printed);
    const parts = [
      `${isWell ? "as shown" : "NOT AS SHOWN"}, line ${line}: $ ${command}`,
      this.#printed.join("\n"),
      ...(isWell ? [] : [`exit code ${exitCode}, errors: ${this.#errors}`]),
    ];
    return { isWell, text: parts.join("\n") };
  }

  async #settle(): Promise<void> {
    const { output, linesBeforeInterrupt } = this.#terminal;
    if (linesBeforeInterrupt !== undefined) {
      await this.#has(linesBeforeInterrupt);
      this.#interrupted = true;
      this.#child.kill("SIGINT");
      await this.ended;
    }
    await this.#has(output.length);
  }

  /** So many lines, or the end; late ones are the check's business. */
  async #has(lines: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      const before = this.#onProgress;
      this.#onProgress = () => {
        before();
        if (this.#printed.length >= lines) resolve();
      };
      timer = setTimeout(resolve, SESSION_MS_MAX);
      this.#onProgress();
    });
    await Promise.race([enough, this.ended]);
    clearTimeout(timer);
  }
}
