/** `npm run sim`: runs seeds, prints what was found, and how to see it again. */
import { isMeshError, randomInteger, systemRandom } from "@hearthmesh/core";
import { parseCommandLine, replayCommand, type SimulatorCommand, USAGE } from "./command-line.js";
import { setRealTimeTrap } from "./real-time-trap.js";
import { runSimulation, type SimulationResult } from "./simulation.js";

const SEEDS_TO_CHOOSE_FROM = 1_000_000;
/** Lines of the trace printed with a violation. */
const TAIL_LINES = 60;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const command = parseCommandLine(args, () => randomInteger(systemRandom(), SEEDS_TO_CHOOSE_FROM));
  if (command.help) {
    say(USAGE.trimEnd());
    return 0;
  }
  let failures = 0;
  for (let index = 0; index < command.seeds; index++) {
    const result = await runOne(command, command.seed + index);
    report(command, result);
    if (result.violations.length > 0) failures++;
  }
  if (command.seeds > 1) say(`${command.seeds} seeds, ${failures} with violations`);
  return failures === 0 ? 0 : 1;
}

/** The trap is set during each run only: the program itself may look at the real clock. */
async function runOne(command: SimulatorCommand, seed: number): Promise<SimulationResult> {
  const trap = setRealTimeTrap(isUnderSimulation);
  try {
    const result = await runSimulation({
      seed,
      steps: command.steps,
      storageNodes: command.storageNodes,
      ...(command.faults === undefined ? {} : { faults: command.faults }),
      ...(command.verbose ? { onLine: say } : {}),
    });
    return { ...result, violations: [...result.violations, ...trap.places] };
  } finally {
    trap.release();
  }
}

function isUnderSimulation(stackLine: string): boolean {
  return /packages\/(collective|identity|qwormhole|store)\//.test(stackLine);
}

function report(command: SimulatorCommand, result: SimulationResult): void {
  const { seed, violations, plan, succeeded, failed, simulatedMs, traceHash } = result;
  if (violations.length > 0) {
    say(`\nseed ${seed} broke a promise:`);
    for (const violation of violations) say(`  - ${violation}`);
    say("\nthe plan of its faults:");
    for (const line of plan) say(`  ${line}`);
    if (!command.verbose) {
      say(`\nthe last ${TAIL_LINES} lines of its trace:`);
      for (const line of result.lines.slice(-TAIL_LINES)) say(`  ${line}`);
    }
    say(`\nsee it again: ${replayCommand(command, seed)}\n`);
  }
  const verdict = violations.length === 0 ? "ok" : `${violations.length} VIOLATIONS`;
  const faults = plan[0] === "no faults" ? 0 : plan.length;
  say(
    `seed ${seed}: ${verdict}, ${succeeded + failed} operations (${failed} failed), ` +
      `${faults} faults, ${(simulatedMs / 1000).toFixed(1)} s simulated, ` +
      `trace ${traceHash.slice(0, 16)}`,
  );
}

function describeFailure(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

// Whoever reads may stop early, as `head` does.
process.stdout.on("error", () => process.exit(1));
main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    const isWrongUse = isMeshError(error, "MESH_BAD_REQUEST");
    const text = isWrongUse ? `${error.message}\n${error.hint}` : describeFailure(error);
    process.stderr.write(`${text}\n`);
    process.exitCode = isWrongUse ? 2 : 1;
  },
);
