/**
 * One member in one epoch: its engine, its runner and its connections, joined. The leader performs
 * what its session machine asks for and tells the others; a follower does what the leader says, in
 * order. The first fault ends the epoch and is told to the others and to `onFault`, once.
 */
import { type Clock, errorFields, type Logger, MeshError } from "@hearthmesh/core";
import type { ShardEngine } from "../engine/shard-engine.js";
import { isEmpty } from "../shards/shards-of.js";
import { Exchange } from "./exchange.js";
import { chooseExchange, exchangeCost, LinkCost } from "./exchange-choice.js";
import { type FrameHeader, FrameKind, invalidFrame } from "./frame-codec.js";
import { decodeFault, FAULT_BYTES, type FaultReason } from "./greeting-codec.js";
import { STEPS_WAITING_MAX } from "./limits.js";
import { MemberFault } from "./member-fault.js";
import { faultOf, PlaneEpoch, type Room } from "./plane-epoch.js";
import { type CompleteResult, ResultBook } from "./result-book.js";
import type { RingMeter } from "./ring-meter.js";
import type { RingPlan } from "./ring-plan.js";
import { SequenceSlots } from "./sequence-slots.js";
import type { SessionStep } from "./session-machine.js";
import {
  decodeStep,
  encodeResult,
  encodeStep,
  type RingStep,
  resultBytesMax,
  STEP_BYTES_MAX,
  type StepResult,
} from "./step-codec.js";
import { StepRunner } from "./step-runner.js";
import { StepWatch, type Waiting } from "./step-watch.js";
import { wireFormatOf } from "./wire-format.js";

export interface RingEpochOptions {
  readonly plan: RingPlan;
  readonly position: number;
  readonly engine: ShardEngine;
  readonly room: Room;
  readonly meter: RingMeter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Calls after what came from outside meanwhile was looked at, without sleeping. */
  readonly yieldThen: (callback: () => void) => void;
  onJoined(room: Room): void;
  /** At the leader: all members have done the step. */
  onComputed(result: CompleteResult): void;
  onFault(fault: MemberFault): void;
}

export class RingEpoch {
  readonly plane: PlaneEpoch;
  readonly #options: RingEpochOptions;
  readonly #leader: number;
  readonly #slots: SequenceSlots;
  readonly #results: ResultBook;
  readonly #cost = new LinkCost();
  readonly #watch: StepWatch;
  readonly #waiting: RingStep[] = [];
  readonly #exchange: Exchange | undefined;
  readonly #runner: StepRunner;
  #stepNumber = 0;
  #doneAtMs = 0;
  #isJoined = false;
  #isEnded = false;

  constructor(options: RingEpochOptions) {
    const { plan, position, engine, clock, meter, logger } = options;
    this.#options = options;
    this.#leader = plan.members.findIndex(({ nodeId }) => nodeId === plan.leader);
    this.#slots = new SequenceSlots(engine);
    this.#results = new ResultBook(plan.members, position);
    this.#exchange = plan.members.length === 1 ? undefined : this.#makeExchange();
    this.#runner = this.#makeRunner();
    this.plane = new PlaneEpoch({
      ...{ plan, position, room: options.room, meter, clock, logger },
      handlers: {
        payloadBytesMax: (from, kind) => this.#payloadBytesMax(from, kind),
        onJoined: (room) => this.#onJoined(room),
        onFrame: (from, header, payload) => this.#onFrame(from, header, payload),
        onFault: (fault) => this.fail(fault),
      },
    });
    this.#watch = new StepWatch({
      ...{ clock, meter },
      waiting: () => this.#waitingFor(),
      onOverdue: (late) => this.#onOverdue(late),
    });
  }

  /** At the leader, when joined. */
  perform(step: SessionStep): void {
    if (this.#isEnded) return;
    try {
      const told = this.#withExchange(step);
      this.#stepNumber++;
      const payload = encodeStep(told);
      for (const to of this.#others()) {
        this.plane.sendNew(to, FrameKind.step, this.#stepNumber, payload);
      }
      this.#do(told);
    } catch (error) {
      this.fail(faultOf(this.#options.position, error));
    }
  }

  /** Ends it; the others are told that this member left. */
  close(): void {
    this.#end({ position: this.#options.position, reason: "left" });
  }

  fail(fault: MemberFault, reason: FaultReason = reasonOf(fault)): void {
    if (this.#isEnded) return;
    const { position } = fault;
    this.#end({
      position: position ?? this.#options.position,
      reason: position === undefined ? "engine" : reason,
    });
    this.#options.onFault(fault);
  }

  #end(notice: { position: number; reason: FaultReason }): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#watch.stop();
    this.plane.close(notice);
    try {
      this.#slots.closeAll();
    } catch (error) {
      // An engine that failed may fail here too; it is not used again.
      this.#options.logger.debug("ring: sequences did not close", errorFields(error));
    }
  }

  #others(): number[] {
    const { plan, position } = this.#options;
    return plan.members.flatMap((_, at) => (at === position ? [] : [at]));
  }

  #payloadBytesMax(from: number, kind: number): number {
    const { plan, position } = this.#options;
    const isLeader = position === this.#leader;
    switch (kind) {
      case FrameKind.step:
        return from === this.#leader ? STEP_BYTES_MAX : -1;
      case FrameKind.result: {
        const rows = plan.members[from]?.shard.vocabulary;
        return isLeader && rows !== undefined ? resultBytesMax(rows.to - rows.from) : -1;
      }
      case FrameKind.fault:
        return FAULT_BYTES;
      default:
        return this.#exchange?.payloadBytesMax(kind) ?? -1;
    }
  }

  #onJoined(room: Room): void {
    this.#isJoined = true;
    this.#options.onJoined(room);
    this.#doWaiting();
  }

  #makeExchange(): Exchange {
    const { plan, position, engine, room } = this.#options;
    const shards = plan.members.map(({ shard }) => shard);
    return new Exchange({
      ...{ epoch: plan.epoch, position, members: shards.length, rowsMax: room.rowsMax },
      embeddingWidth: engine.shape.embeddingWidth,
      format: wireFormatOf(engine.shape.embeddingWidth),
      contributors: [
        shards.map(({ kvHeads }) => !isEmpty(kvHeads)),
        shards.map(({ feedForward }) => !isEmpty(feedForward)),
      ],
      send: (to, frame) => this.plane.send(to, frame),
    });
  }

  #makeRunner(): StepRunner {
    const { plan, engine, meter, clock, room, yieldThen } = this.#options;
    const members = plan.members.length;
    return new StepRunner({
      ...{ engine, rowsMax: room.rowsMax, exchange: this.#exchange },
      ...{ meter, clock, yieldThen },
      onDone: (result) => this.#onDone(result),
      onExchange: (durationMs, rows, mode) => {
        const { bytes } = exchangeCost(mode, rows, engine.shape.embeddingWidth, members);
        this.#cost.onExchange(durationMs, bytes);
      },
    });
  }

  #withExchange(step: SessionStep): RingStep {
    if (step.action !== "compute") return step;
    const { plan, engine } = this.#options;
    const rows = step.tokens.length;
    const members = plan.members.length;
    const width = engine.shape.embeddingWidth;
    return { ...step, exchange: chooseExchange(this.#cost, rows, width, members) };
  }

  #do(step: RingStep): void {
    if (step.action !== "compute") {
      this.#slots.apply(step);
      return;
    }
    const sequence = this.#slots.sequenceOf(step);
    this.#results.begin(this.#stepNumber, step.wanted);
    this.#watch.touch();
    this.#runner.start(step, sequence);
  }

  #onFrame(from: number, header: FrameHeader, payload: Uint8Array): void {
    switch (header.kind) {
      case FrameKind.step:
        this.#onStep(header, payload);
        break;
      case FrameKind.result:
        this.#onResult(from, header, payload);
        break;
      case FrameKind.fault:
        this.#onNotice(from, payload);
        break;
      default:
        this.#runner.deliver(from, header, payload);
    }
  }

  #onStep(header: FrameHeader, payload: Uint8Array): void {
    this.#stepNumber++;
    if (header.number !== this.#stepNumber) throw invalidFrame("the steps are not in order");
    if (this.#waiting.length >= STEPS_WAITING_MAX) throw invalidFrame("too many steps wait");
    const { plan, engine, room } = this.#options;
    const step = decodeStep(payload, {
      ...{ slots: room.sequencesMax, rowsMax: room.rowsMax, contextTokens: plan.contextTokens },
      vocabularySize: engine.shape.vocabularySize,
    });
    this.#waiting.push(step);
    this.#doWaiting();
  }

  #doWaiting(): void {
    while (this.#isJoined && !this.#isEnded && !this.#runner.isRunning) {
      const step = this.#waiting.shift();
      if (step === undefined) return;
      this.#do(step);
    }
  }

  /** This member has done its part of a step. */
  #onDone(result: StepResult): void {
    const { position } = this.#options;
    if (position !== this.#leader) {
      const number = this.#stepNumber - this.#waiting.length;
      this.plane.sendNew(this.#leader, FrameKind.result, number, encodeResult(result));
      return;
    }
    this.#results.put(position, result);
    this.#doneAtMs = this.#options.clock.monotonicMs();
    this.#tellWhenComplete();
  }

  #onResult(from: number, header: FrameHeader, payload: Uint8Array): void {
    if (header.number !== this.#results.stepNumber) throw invalidFrame("a result of another step");
    this.#results.accept(from, payload);
    this.#tellWhenComplete();
  }

  #tellWhenComplete(): void {
    const complete = this.#results.take();
    if (complete === undefined) return;
    this.#options.onComputed(complete);
  }

  /** The member that this one waits for, and since when. */
  #waitingFor(): Waiting | undefined {
    const waiting = this.#runner.waiting;
    const position = this.#exchange?.missing();
    if (waiting !== undefined && position !== undefined) {
      return { position, sinceMs: waiting.sentAtMs, partMs: waiting.partMs, rows: waiting.rows };
    }
    const behind = waiting === undefined ? this.#results.missing() : undefined;
    if (behind === undefined) return undefined;
    return { position: behind, sinceMs: this.#doneAtMs, partMs: this.#results.ownMs, rows: 1 };
  }

  #onOverdue({ position, sinceMs }: Waiting): void {
    const name = this.#options.plan.members[position]?.name ?? "";
    const waitedMs = Math.round(this.#options.clock.monotonicMs() - sinceMs);
    const message = `${name} sent nothing for ${waitedMs} ms`;
    const error = new MeshError("MESH_RING_BROKEN", { message, details: { waitedMs } });
    this.fail(new MemberFault(position, error), "slow");
  }

  #onNotice(from: number, payload: Uint8Array): void {
    const { plan, position } = this.#options;
    const notice = decodeFault(payload, plan.members.length);
    const reporter = plan.members[from]?.name ?? "";
    const blamed = notice.position ?? from;
    const isSelf = blamed === position;
    const who = isSelf ? "this member" : (plan.members[blamed]?.name ?? "");
    const message = `${reporter} ended the ring because of ${who} (${notice.reason})`;
    const reporterId = plan.members[from]?.nodeId;
    const details = { reportedBy: reporter, reporterId, reason: notice.reason };
    const error = new MeshError("MESH_RING_BROKEN", { message, details });
    // Who blames this member cannot work with it, and nothing is known to be wrong here.
    this.fail(new MemberFault(isSelf ? from : blamed, error), notice.reason);
  }
}

function reasonOf({ error }: MemberFault): FaultReason {
  if (error.code === "MESH_RING_FRAME_INVALID") return "invalid";
  return error.code === "MESH_RING_DIVERGED" ? "diverged" : "lost";
}
