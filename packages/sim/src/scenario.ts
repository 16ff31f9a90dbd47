/**
 * Carries out the commands of a scenario on a simulated mesh. The first commands say who is there
 * (`nodes`, `person`, `option`); the mesh is made when the first other command comes.
 */
import { formatBytes, MeshError } from "@hearthmesh/core";
import { contentOf } from "./content.js";
import { SimMesh } from "./sim-mesh.js";

/** A write or read that goes on beside the following commands. */
export interface BackgroundWork {
  readonly what: string;
  readonly done: Promise<string[]>;
  isDone: boolean;
}

export interface ScenarioCommand {
  /** Such as `kill NODE`. */
  readonly usage: string;
  /**
   * It waits for what people do, and lets whoever called it move time: so it can go on in the
   * background. Other commands move time themselves, or need none.
   */
  readonly isWork?: boolean;
  run(scenario: Scenario, words: readonly string[]): Promise<string[]>;
}

/** Longer than anything waits by itself; a command that takes longer hangs. */
const COMMAND_LIMIT_MS = 3_600_000;

export class Scenario {
  readonly #commands: ReadonlyMap<string, ScenarioCommand>;
  #storage: string[] = [];
  readonly #people: Record<string, string[]> = {};
  #seed = "1";
  #replicas = 3;
  #mesh: SimMesh | undefined;
  readonly background: BackgroundWork[] = [];
  readonly #versions: { name: string; sizeBytes: number }[] = [];

  constructor(commands: Readonly<Record<string, ScenarioCommand>>) {
    this.#commands = new Map(Object.entries(commands));
  }

  /** The output of one command. What goes wrong is output too. */
  async execute(line: string): Promise<string[]> {
    const words = line.trim().split(/\s+/);
    const isBackground = words.at(-1) === "&";
    if (isBackground) words.pop();
    const [name = "", ...rest] = words;
    const command = this.#commands.get(name);
    if (command === undefined) return [`error: there is no command ${JSON.stringify(name)}`];
    try {
      if (command.isWork !== true) return await command.run(this, rest);
      await this.mesh();
      const done = command.run(this, rest).catch(describeProblem);
      if (!isBackground) return await this.settle(done);
      const work: BackgroundWork = { what: words.join(" "), done, isDone: false };
      void done.then(() => {
        work.isDone = true;
      });
      this.background.push(work);
      return [`${work.what}: begun`];
    } catch (error) {
      return describeProblem(error);
    }
  }

  get usages(): string[] {
    return [...this.#commands.values()].map(({ usage }) => usage);
  }

  addNodes(names: readonly string[]): void {
    this.#requireEmpty();
    this.#storage.push(...names);
  }

  addPerson(name: string, grants: readonly string[]): void {
    this.#requireEmpty();
    this.#people[name] = [...grants];
  }

  setOption(name: string, value: string): void {
    this.#requireEmpty();
    if (name === "seed") this.#seed = value;
    else if (name === "replicas") this.#replicas = Number(value);
    else throw new MeshError("MESH_BAD_REQUEST", { message: `there is no option ${name}` });
  }

  /** Makes it at the first call. */
  async mesh(): Promise<SimMesh> {
    this.#mesh ??= await SimMesh.create({
      seed: this.#seed,
      storage: this.#storage,
      people: this.#people,
      replicas: this.#replicas,
    });
    return this.#mesh;
  }

  /** Lets virtual time run until the work is done. */
  async settle<Value>(work: Promise<Value>): Promise<Value> {
    return (await this.mesh()).settle(work, COMMAND_LIMIT_MS);
  }

  /** New content, named `v1`, `v2` and so on. */
  newVersion(sizeBytes: number): { name: string; bytes: Uint8Array } {
    const name = `v${this.#versions.length + 1}`;
    this.#versions.push({ name, sizeBytes });
    return { name, bytes: contentOf(name, sizeBytes) };
  }

  /** `v2, 3.0 MiB`; a mixture of two versions, or anything else, is `unknown bytes`. */
  describeBytes(bytes: Uint8Array, start = 0): string {
    const match = this.#versions.find(({ name, sizeBytes }) => {
      const part = contentOf(name, sizeBytes).subarray(start, start + bytes.length);
      return part.length === bytes.length && Buffer.compare(part, bytes) === 0;
    });
    return `${match?.name ?? "unknown bytes"}, ${formatBytes(bytes.length)}`;
  }

  #requireEmpty(): void {
    if (this.#mesh === undefined) return;
    throw new MeshError("MESH_BAD_REQUEST", { message: "the mesh is there already" });
  }
}

function describeProblem(error: unknown): string[] {
  const { code, message } = error as { code?: string; message?: string };
  return [`error: ${code === undefined ? "" : `${code}: `}${message ?? String(error)}`];
}
