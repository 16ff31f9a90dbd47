/**
 * The member as its leading coordinator sees it, and the orders that only that one may give. While
 * another one leads there is no view, so nothing is said about the member and nothing is done.
 *
 * Every order goes through the seat: the coordinator of an older epoch has ended, and what it might
 * still write carries the guard of its leadership.
 */
import type {
  CoordinatorSeat,
  CoordinatorView,
  ReliefAnswer,
  WorkerInspection,
} from "@hearthmesh/collective";
import {
  type Clock,
  errorFields,
  formatBytes,
  type Logger,
  MeshError,
  sleep,
} from "@hearthmesh/core";
import type { MemberGround } from "../../member-authority.js";
import { countText, numberText } from "./fact-of.js";
import { WORKER_LOOK_MS, WORKER_WATCH_MS } from "./limits.js";

export interface LeadingMember {
  readonly clock: Clock;
  /** Undefined while this node does not lead. */
  view(): CoordinatorView | undefined;
  /** A method of the coordinator, as the operator. */
  call(method: string, header: object): Promise<unknown>;
  /** A record in the audit trail. A failure is logged: what was done is done. */
  note(action: HealingAction, node: string, detail: Record<string, string | number>): Promise<void>;
}

export type HealingAction =
  | "healing.ease-node"
  | "healing.quarantine-node"
  | "healing.release-node"
  | "healing.step-down";

export const NOT_LEADING = "another coordinator leads";

export interface LeadingMemberOptions {
  readonly ground: Pick<MemberGround, "authority" | "leadership">;
  readonly seat: CoordinatorSeat;
  readonly clock: Clock;
  readonly log: Logger;
}

export function leadingMember({ ground, seat, clock, log }: LeadingMemberOptions): LeadingMember {
  const { authority, leadership } = ground;
  return {
    clock,
    view: () => (seat.isSeated && leadership.state.role === "leader" ? seat.view() : undefined),
    call: async (method, header) => {
      leadership.requireLeading();
      return (await seat.call(authority.localOperator(), method, header)).header;
    },
    note: async (action, node, detail) => {
      const { epoch } = leadership.state;
      const by = { principal: authority.localOperator() };
      const note = { action, subject: `node/${node}`, detail: { ...detail, epoch } };
      await authority.healingAudit.note(by, note).catch((error: unknown) => {
        log.warn("what healing did was not written down", { nodeId: node, ...errorFields(error) });
      });
    },
  };
}

/** What is open to the healer when a worker of the coordinator is to be woken. */
export function workerOf(view: CoordinatorView, name: string): WorkerInspection | undefined {
  return view.status.workers.find((worker) => worker.name === name);
}

/** Why the worker may not be woken. An operator who paused it is not overruled. */
export function workerBlocked(view: CoordinatorView | undefined, name: string): string | undefined {
  if (view === undefined) return NOT_LEADING;
  const worker = workerOf(view, name);
  if (worker === undefined || worker.state === "stopped") return `${name} does not run yet`;
  if (!worker.settings.paused) return undefined;
  return `an operator has paused it: \`mesh worker set ${name} --resume\``;
}

export interface WorkerWatch {
  /** How far it came, as the end of a sentence. */
  readonly text: string;
  readonly ended: boolean;
  /** Chunks that it did something with, such as copy them. */
  readonly done: number;
}

/**
 * Starts a run of the worker and watches it for a while: longer ones go on by themselves. Rejects
 * with the run's own error when it failed meanwhile.
 */
export async function runWorker(
  member: LeadingMember,
  name: string,
  signal: AbortSignal,
): Promise<WorkerWatch> {
  const { clock } = member;
  const before = clock.monotonicMs();
  const started = (await member.call("worker.run", { name })) as {
    worker: WorkerInspection;
    until: number;
  };
  for (;;) {
    const view = member.view();
    if (view === undefined) throw new MeshError("MESH_NOT_LEADER");
    const worker = workerOf(view, name) ?? started.worker;
    const tookMs = clock.monotonicMs() - before;
    const did = madeText(started.worker, worker);
    const done = worker.done - started.worker.done;
    if (worker.runs >= started.until) {
      const { lastError } = worker;
      if (lastError !== undefined && lastError.atMs > (started.worker.lastError?.atMs ?? 0)) {
        throw new MeshError("MESH_INTERNAL", {
          message: `the worker ${name} failed: ${lastError.message}`,
        });
      }
      return { text: `${did} in ${(tookMs / 1000).toFixed(1)} s`, ended: true, done };
    }
    if (tookMs >= WORKER_WATCH_MS) {
      return { text: `${did}, and is at ${portionText(worker)} of its run`, ended: false, done };
    }
    await sleep(clock, WORKER_LOOK_MS, signal);
  }
}

function madeText(before: WorkerInspection, now: WorkerInspection): string {
  const done = now.done - before.done;
  const errors = now.errors - before.errors;
  const made = `${countText(done, "chunk")} done (${formatBytes(now.bytes - before.bytes)})`;
  return errors === 0 ? made : `${made} and ${numberText(errors)} failed`;
}

function portionText({ portion }: WorkerInspection): string {
  return portion === undefined ? "the beginning" : `${Math.round(portion * 100)} %`;
}

/** Changes the layout, writes that down, and tells of it with both versions. */
export async function relieve(
  member: LeadingMember,
  method: "layout.ease" | "layout.quarantine" | "layout.release",
  action: HealingAction,
  header: { readonly node: string; readonly percent?: number },
): Promise<ReliefAnswer> {
  const answer = (await member.call(method, header)) as ReliefAnswer;
  if (answer.before !== answer.after) {
    const { before, after, moves } = answer;
    const moved = moves === undefined ? {} : { chunks: moves.chunks, bytes: moves.bytes };
    await member.note(action, header.node, { layoutBefore: before, layoutAfter: after, ...moved });
  }
  return answer;
}

/** What healing held back from the node is given back, by the layout of version `after`. */
export function giveBack(member: LeadingMember, nodeId: string): Promise<ReliefAnswer> {
  return relieve(member, "layout.release", "healing.release-node", { node: nodeId });
}
