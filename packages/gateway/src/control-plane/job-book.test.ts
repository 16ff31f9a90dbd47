import { setImmediate as settle } from "node:timers/promises";
import { MeshError, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type JobAnswer, JobBook, type JobView } from "./job-book.js";
import { JOB_MS_MAX, JOBS_KEPT_MAX, JOBS_RUNNING_MAX, JOBS_WAITING_MAX } from "./limits.js";

const ANSWER: JobAnswer = {
  text: " said",
  model: "demo",
  finishReason: "length",
  promptTokens: 2,
  completionTokens: 1,
};

interface Running {
  readonly body: object;
  readonly signal: AbortSignal;
  done(answer: JobAnswer): void;
  fail(error: unknown): void;
}

function bookOf() {
  const clock = new ManualClock();
  const running: Running[] = [];
  const book = new JobBook({
    run: (body, signal) =>
      new Promise((done, fail) => {
        running.push({ body, signal, done, fail });
      }),
    clock,
    random: systemRandom(),
  });
  return { book, clock, running };
}

const statuses = (book: JobBook) => book.list().map(({ status }) => status);

describe("JobBook", () => {
  it("runs a few at a time, in the order in which they came", async () => {
    const { book, running } = bookOf();
    const jobs = [...Array(JOBS_RUNNING_MAX + 2).keys()].map((n) => book.submit({ n }));
    expect(running.map(({ body }) => body)).toEqual(
      [...Array(JOBS_RUNNING_MAX).keys()].map((n) => ({ n })),
    );
    expect(jobs.at(-1)).toMatchObject({ status: "waiting", position: 1 });
    running[1]?.done(ANSWER);
    await settle();
    expect(running.at(-1)?.body).toEqual({ n: JOBS_RUNNING_MAX });
    expect(book.get(jobs[1]?.id ?? "")).toMatchObject({ status: "done", answer: ANSWER });
    expect(book.get(jobs.at(-1)?.id ?? "")).toMatchObject({ status: "waiting", position: 0 });
  });

  it("says why a job failed, and goes on with the next", async () => {
    const { book, running } = bookOf();
    const known = book.submit({});
    const unknown = book.submit({});
    running[0]?.fail(new MeshError("MESH_MODEL_UNKNOWN"));
    running[1]?.fail(new Error("/secret/path"));
    await settle();
    expect(book.get(known.id).error).toMatchObject({ code: "MESH_MODEL_UNKNOWN" });
    expect(book.get(unknown.id).error).toMatchObject({ code: "MESH_INTERNAL" });
    expect(JSON.stringify(book.list())).not.toContain("secret");
  });

  it("cancels what runs and what waits, and changes nothing that has ended", async () => {
    const { book, running } = bookOf();
    const jobs = [...Array(JOBS_RUNNING_MAX + 1).keys()].map(() => book.submit({}));
    const [first, last] = [jobs[0]?.id ?? "", jobs.at(-1)?.id ?? ""];
    expect(book.cancel(last)).toMatchObject({ status: "cancelled" });
    expect(book.cancel(first)).toMatchObject({ status: "cancelled" });
    expect(running[0]?.signal.aborted).toBe(true);
    running[0]?.done(ANSWER);
    await settle();
    const ended = book.get(first);
    expect(ended).not.toHaveProperty("answer");
    expect(book.cancel(first)).toEqual(ended);
    expect(() => book.get("none")).toThrow("there is no job");
  });

  it("ends a job that takes too long", async () => {
    const { book, clock, running } = bookOf();
    const { id } = book.submit({});
    clock.pass(JOB_MS_MAX);
    expect(book.get(id)).toMatchObject({ status: "failed", error: { code: "MESH_TIMEOUT" } });
    expect(running[0]?.signal.aborted).toBe(true);
  });

  it("takes nothing more, and cancels all, when it closes", () => {
    const { book } = bookOf();
    for (let count = 0; count < JOBS_RUNNING_MAX + 1; count++) book.submit({});
    book.close();
    expect(new Set(statuses(book))).toEqual(new Set(["cancelled"]));
    expect(() => book.submit({})).toThrow(MeshError);
  });

  it("never runs, keeps or lets wait more than its limits, whatever happens", async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant("submit" as const) },
      { weight: 2, arbitrary: fc.constant("end" as const) },
      { weight: 1, arbitrary: fc.constant("cancel" as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 100, maxLength: 600 }), async (steps) => {
        const { book, running } = bookOf();
        const seen = new Map<string, JobView>();
        for (const what of steps) {
          if (what === "end") running.shift()?.done(ANSWER);
          else if (what === "cancel") {
            const open = book.list().find(({ finishedAt }) => finishedAt === undefined);
            if (open !== undefined) book.cancel(open.id);
          } else {
            const waiting = statuses(book).filter((status) => status === "waiting").length;
            if (waiting >= JOBS_WAITING_MAX) expect(() => book.submit({})).toThrow("wait already");
            else book.submit({});
          }
          await settle();
          const all = book.list();
          const count = (wanted: string) => all.filter(({ status }) => status === wanted).length;
          expect(count("running")).toBeLessThanOrEqual(JOBS_RUNNING_MAX);
          expect(count("waiting")).toBeLessThanOrEqual(JOBS_WAITING_MAX);
          expect(all.length).toBeLessThanOrEqual(JOBS_KEPT_MAX);
          expect(count("waiting") > 0 && count("running") < JOBS_RUNNING_MAX).toBe(false);
          for (const job of all) {
            const before = seen.get(job.id);
            if (before?.finishedAt !== undefined) expect(job).toEqual(before);
            seen.set(job.id, job);
          }
        }
      }),
      { numRuns: 10 },
    );
  });
});
