/** The options of `npm run sim`. */
import { parseArgs } from "node:util";
import { MeshError } from "@hearthmesh/core";

export interface SimulatorCommand {
  readonly help: boolean;
  readonly seed: number;
  /** How many seeds, one after the other from `seed`. */
  readonly seeds: number;
  /** Operations of each client. */
  readonly steps: number;
  readonly storageNodes: number;
  /** Undefined: the seed decides. */
  readonly faults: number | undefined;
  readonly verbose: boolean;
}

const STEPS_DEFAULT = 40;
const STORAGE_NODES_DEFAULT = 4;

export const USAGE = `npm run sim -- [options]

  --seed N      the run to make; without it one is chosen and printed
  --seeds K     K runs, with the seeds N, N+1, ... (default 1)
  --steps N     operations of each client (default ${STEPS_DEFAULT})
  --nodes N     storage nodes (default ${STORAGE_NODES_DEFAULT})
  --faults N    faults in a run; 0 for a quiet one (default: the seed decides)
  --verbose     print everything that happens
  --help        print this

The same options always give the same run, with the same trace hash. Exit status: 0 when no run
broke a promise, 1 when one did, 2 when the options are wrong.
`;

/** `MESH_BAD_REQUEST` for anything that is not an option. */
export function parseCommandLine(
  args: readonly string[],
  chooseSeed: () => number,
): SimulatorCommand {
  const { values } = readArguments(args);
  return {
    help: values.help === true,
    seed: wholeNumber("seed", values.seed) ?? chooseSeed(),
    seeds: wholeNumber("seeds", values.seeds) ?? 1,
    steps: wholeNumber("steps", values.steps) ?? STEPS_DEFAULT,
    storageNodes: wholeNumber("nodes", values.nodes) ?? STORAGE_NODES_DEFAULT,
    faults: wholeNumber("faults", values.faults),
    verbose: values.verbose === true,
  };
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: "string" },
        seeds: { type: "string" },
        steps: { type: "string" },
        nodes: { type: "string" },
        faults: { type: "string" },
        verbose: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw wrongUse(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw wrongUse(`--${name} ${JSON.stringify(text)} is not a whole number`);
}

function wrongUse(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message, hint: "npm run sim -- --help" });
}

/** What a person types to see the same run again. */
export function replayCommand(command: SimulatorCommand, seed: number): string {
  const options = [
    ["steps", command.steps, STEPS_DEFAULT],
    ["nodes", command.storageNodes, STORAGE_NODES_DEFAULT],
    ["faults", command.faults, undefined],
  ] as const;
  const others = options
    .filter(([, value, usual]) => value !== usual)
    .map(([name, value]) => ` --${name} ${value}`);
  return `npm run sim -- --seed ${seed}${others.join("")} --verbose`;
}
