/**
 * How busy each service is: its connections on which something is under way. A connection that is
 * kept for the next request is no load. It counts while bytes moved since the last look, and
 * afterwards as long as the bytes that moved last went to the service alone: somebody waits for an
 * answer. New connections count until the first look.
 */
import type { Clock } from "@hearthmesh/core";

/** What is looked at in a socket. */
export interface MeteredConnection {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  once(event: "close", listener: () => void): unknown;
}

interface Sample {
  readonly connection: MeteredConnection;
  read: number;
  written: number;
  busy: boolean;
  /** The bytes that moved last went to the service alone. */
  waits: boolean;
}

/** Looks are at least this far apart, so that many readers see the same figure. */
const LOOK_MS = 1_000;

export class LoadMeter {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #services = new Map<string, Set<Sample>>();
  #lookedMs: number;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
    this.#lookedMs = clock.monotonicMs();
  }

  /** Counts the connection for the service until it closes. */
  add(service: string, connection: MeteredConnection): void {
    const samples = this.#services.get(service) ?? new Set<Sample>();
    this.#services.set(service, samples);
    const sample = { connection, read: 0, written: 0, busy: true, waits: false };
    samples.add(sample);
    connection.once("close", () => {
      samples.delete(sample);
      if (samples.size === 0 && this.#services.get(service) === samples) {
        this.#services.delete(service);
      }
    });
  }

  loadOf(service: string): number {
    this.#look();
    let load = 0;
    for (const { busy } of this.#services.get(service) ?? []) if (busy) load++;
    return load;
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    for (const samples of this.#services.values()) {
      for (const sample of samples) look(sample);
    }
  }
}

function look(sample: Sample): void {
  const { bytesRead, bytesWritten } = sample.connection;
  const answered = bytesRead !== sample.read;
  const asked = bytesWritten !== sample.written;
  if (answered || asked) {
    sample.busy = true;
    sample.waits = !answered;
  } else {
    sample.busy = sample.waits;
  }
  sample.read = bytesRead;
  sample.written = bytesWritten;
}
