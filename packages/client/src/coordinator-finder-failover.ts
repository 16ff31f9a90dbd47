/**
 * Asks one coordinator after the other.
 *
 * - A call that may be repeated goes on with the next coordinator when one cannot be reached, is
 *   stopping, has no store, or does not lead.
 * - Any other call does so only when it was surely not carried out: nothing of it was sent, or the
 *   answer was `MESH_NOT_LEADER`. Otherwise its error tells that nobody knows, and it is the
 *   caller who must look before repeating. A write that is repeated blindly could undo what
 *   somebody else wrote in between.
 * - When all of them failed and one of them said that this passes (an election, a restart), the
 *   round is repeated with full jitter for `WAIT_MS_MAX`.
 */
import {
  asUnsent,
  type Clock,
  type ErrorCode,
  isMeshError,
  isUnsent,
  MeshError,
  type Random,
} from "@hearthmesh/core";
import { sleepAlive } from "./sleep-alive.js";

export interface FailoverOptions {
  /** Addresses or node ids, best first. Read again after each failure: a leader may be named. */
  places(): readonly string[];
  readonly isRepeatable: boolean;
  /** Without them a round is not repeated. */
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly signal?: AbortSignal | undefined;
  onAnswer?(place: string): void;
  /** Of a failure that another coordinator may not have. */
  onFailure?(place: string, error: MeshError): void;
}

/** An election takes about 3 s. */
const WAIT_MS_MAX = 10_000;
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 1_000;

const AWAY: readonly ErrorCode[] = ["MESH_UNREACHABLE", "MESH_TIMEOUT"];
const PASSING: readonly ErrorCode[] = [
  "MESH_NOT_LEADER",
  "MESH_STOPPING",
  "MESH_STORE_UNAVAILABLE",
];
/** Somebody else answers at the address now; the coordinator may be elsewhere. */
const NOT_OURS: readonly ErrorCode[] = [
  "MESH_CERT_UNTRUSTED",
  "MESH_CERT_EXPIRED",
  "MESH_CERT_INVALID",
];

export async function askCoordinators<Answer>(
  options: FailoverOptions,
  ask: (place: string) => Promise<Answer>,
): Promise<Answer> {
  const { clock, random, signal } = options;
  const endMs = (clock?.monotonicMs() ?? 0) + WAIT_MS_MAX;
  for (let round = 0; ; round++) {
    const outcome = await askEach(options, ask);
    if ("answer" in outcome) return outcome.answer;
    const { failures } = outcome;
    const error = worstOf(failures);
    if (clock === undefined || random === undefined || !failures.some(isPassing)) throw error;
    const pauseMs = PAUSE_MS + random.float() * Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** round);
    if (clock.monotonicMs() + pauseMs > endMs) throw error;
    await sleepAlive(clock, pauseMs, signal);
  }
}

async function askEach<Answer>(
  options: FailoverOptions,
  ask: (place: string) => Promise<Answer>,
): Promise<{ answer: Answer } | { failures: MeshError[] }> {
  const { isRepeatable, signal } = options;
  const asked = new Set<string>();
  const failures: MeshError[] = [];
  for (;;) {
    const place = options.places().find((one) => !asked.has(one));
    if (place === undefined) return { failures };
    asked.add(place);
    try {
      const answer = await ask(place);
      options.onAnswer?.(place);
      return { answer };
    } catch (error) {
      signal?.throwIfAborted();
      if (!isMeshError(error)) throw error;
      if (isAboutCoordinator(error)) options.onFailure?.(place, error);
      if (!mayAskAnother(error, isRepeatable)) throw error;
      failures.push(error);
    }
  }
}

/** Whether the same call may go to another coordinator. */
function mayAskAnother(error: MeshError, isRepeatable: boolean): boolean {
  if (!isAboutCoordinator(error)) return false;
  return isRepeatable || isUnsent(error) || error.code === "MESH_NOT_LEADER";
}

function isAboutCoordinator(error: MeshError): boolean {
  const { code } = error;
  return AWAY.includes(code) || isPassing(error) || (NOT_OURS.includes(code) && isUnsent(error));
}

function isPassing({ code }: MeshError): boolean {
  return PASSING.includes(code);
}

/** Distrust tells a person more than an absence, and an answer more than silence. */
function worstOf(failures: readonly MeshError[]): MeshError {
  const distrust = failures.find(({ code }) => NOT_OURS.includes(code));
  const told = distrust ?? failures.find(isPassing);
  const [first] = failures;
  if (told !== undefined) return told;
  if (first === undefined) {
    return new MeshError("MESH_UNREACHABLE", { message: "no address of a coordinator is known" });
  }
  if (failures.length === 1) return first;
  const error = new MeshError(first.code, {
    message: `no coordinator answers (${failures.map(({ message }) => message).join("; ")})`,
    hint: first.hint,
    cause: first,
  });
  return failures.every(isUnsent) ? asUnsent(error) : error;
}
