/**
 * Inference jobs that were handed in and are fetched later. The book keeps what was asked, runs a
 * few at a time in their order, and remembers how they ended until newer ones need the room.
 *
 *     waiting -> running -> done | failed | cancelled
 *     waiting -> cancelled
 *
 * At most `JOBS_RUNNING_MAX` run, `JOBS_WAITING_MAX` wait and `JOBS_KEPT_MAX` are remembered. A job
 * that has ended never changes. Nothing is written to a disk: prompts are nobody else's business,
 * and jobs end with the process.
 */
import { type Clock, isMeshError, MeshError, type Random } from "@hearthmesh/core";
import { JOB_MS_MAX, JOBS_KEPT_MAX, JOBS_RUNNING_MAX, JOBS_WAITING_MAX } from "./limits.js";

export type JobStatus = "waiting" | "running" | "done" | "failed" | "cancelled";

/** What the agent answered. */
export interface JobAnswer {
  readonly text: string;
  readonly model: string;
  readonly finishReason: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** The prompt is not part of it: who may see the answer need not be shown what was asked. */
export interface JobView {
  readonly id: string;
  readonly status: JobStatus;
  /** Jobs before it that wait too; undefined when it does not wait. */
  readonly position?: number;
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly answer?: JobAnswer;
  readonly error?: { readonly code: string; readonly detail: string };
}

interface Job {
  readonly id: string;
  /** Dropped when it has ended. */
  body: object | undefined;
  status: JobStatus;
  readonly createdAtMs: number;
  startedAtMs?: number;
  finishedAtMs?: number;
  answer?: JobAnswer;
  error?: MeshError;
  readonly controller: AbortController;
}

export interface JobBookOptions {
  /** Gives the body of a request for a completion to the agent. */
  run(body: object, signal: AbortSignal): Promise<JobAnswer>;
  readonly clock: Clock;
  readonly random: Random;
}

const ID_BYTES = 12;

export class JobBook {
  readonly #options: JobBookOptions;
  /** In the order in which they came. */
  readonly #jobs = new Map<string, Job>();
  #isClosed = false;

  constructor(options: JobBookOptions) {
    this.#options = options;
  }

  /** `MESH_LIMIT` when too many wait, `MESH_STOPPING`. */
  submit(body: object): JobView {
    if (this.#isClosed) throw new MeshError("MESH_STOPPING");
    if (this.#with("waiting").length >= JOBS_WAITING_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `${JOBS_WAITING_MAX} jobs wait already`,
        details: { retryAfterMs: 1_000 },
      });
    }
    const { clock, random } = this.#options;
    const job: Job = {
      id: Buffer.from(random.bytes(ID_BYTES)).toString("hex"),
      body,
      status: "waiting",
      createdAtMs: clock.nowMs(),
      controller: new AbortController(),
    };
    this.#jobs.set(job.id, job);
    this.#forget();
    this.#startNext();
    return this.#view(job);
  }

  list(): JobView[] {
    return [...this.#jobs.values()].map((job) => this.#view(job));
  }

  /** `MESH_NOT_FOUND`. */
  get(id: string): JobView {
    return this.#view(this.#find(id));
  }

  /** Of a job that has ended nothing changes. `MESH_NOT_FOUND`. */
  cancel(id: string): JobView {
    const job = this.#find(id);
    if (job.finishedAtMs === undefined) this.#end(job, "cancelled");
    return this.#view(job);
  }

  /** Cancels all that has not ended, and takes nothing more. */
  close(): void {
    this.#isClosed = true;
    for (const job of this.#jobs.values()) {
      if (job.finishedAtMs === undefined) this.#end(job, "cancelled");
    }
  }

  #find(id: string): Job {
    const job = this.#jobs.get(id);
    if (job !== undefined) return job;
    throw new MeshError("MESH_NOT_FOUND", {
      message: `there is no job ${JSON.stringify(id.slice(0, 64))}`,
      hint: `The last ${JOBS_KEPT_MAX} jobs since the start are kept: GET /api/jobs lists them.`,
    });
  }

  #with(status: JobStatus): Job[] {
    return [...this.#jobs.values()].filter((job) => job.status === status);
  }

  /** Those that have not ended are bounded by themselves. */
  #forget(): void {
    for (const [id, job] of this.#jobs) {
      if (this.#jobs.size <= JOBS_KEPT_MAX) return;
      if (job.finishedAtMs !== undefined) this.#jobs.delete(id);
    }
  }

  #startNext(): void {
    while (!this.#isClosed && this.#with("running").length < JOBS_RUNNING_MAX) {
      const [job] = this.#with("waiting");
      if (job?.body === undefined) return;
      void this.#run(job, job.body);
    }
  }

  async #run(job: Job, body: object): Promise<void> {
    const { run, clock } = this.#options;
    job.status = "running";
    job.startedAtMs = clock.nowMs();
    const timer = clock.setTimeout(() => this.#fail(job, tooLong()), JOB_MS_MAX);
    try {
      const answer = await run(body, job.controller.signal);
      if (job.finishedAtMs === undefined) {
        job.answer = answer;
        this.#end(job, "done");
      }
    } catch (error) {
      const known = isMeshError(error) ? error : new MeshError("MESH_INTERNAL", { cause: error });
      this.#fail(job, known);
    } finally {
      timer.cancel();
    }
  }

  #fail(job: Job, error: MeshError): void {
    if (job.finishedAtMs !== undefined) return;
    job.error = error;
    this.#end(job, "failed");
  }

  #end(job: Job, status: JobStatus): void {
    job.status = status;
    job.finishedAtMs = this.#options.clock.nowMs();
    job.body = undefined;
    job.controller.abort(new MeshError("MESH_CANCELLED"));
    this.#startNext();
  }

  #view(job: Job): JobView {
    const { id, status, createdAtMs, startedAtMs, finishedAtMs, answer, error } = job;
    const at = (ms: number) => new Date(ms).toISOString();
    return {
      id,
      status,
      ...(status === "waiting" ? { position: this.#with("waiting").indexOf(job) } : {}),
      createdAt: at(createdAtMs),
      ...(startedAtMs === undefined ? {} : { startedAt: at(startedAtMs) }),
      ...(finishedAtMs === undefined ? {} : { finishedAt: at(finishedAtMs) }),
      ...(answer === undefined ? {} : { answer }),
      ...(error === undefined ? {} : { error: { code: error.code, detail: error.message } }),
    };
  }
}

function tooLong(): MeshError {
  return new MeshError("MESH_TIMEOUT", {
    message: `the job did not end within ${JOB_MS_MAX / 60_000} minutes`,
  });
}
