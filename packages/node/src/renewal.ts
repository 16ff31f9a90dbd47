/**
 * Keeps the node's certificate young: renewed at half of its life, with jitter. The wall clock is
 * looked at every minute instead of once after hours, because timers stand still while a machine
 * sleeps. A certificate that ended meanwhile is recovered by proving the old key.
 */
import {
  type Clock,
  errorFields,
  type Logger,
  type Random,
  type Startable,
} from "@hearthmesh/core";
import type { CredentialHolder } from "./credential-holder.js";

const LOOK_EVERY_MS = 60_000;

export interface RenewalOptions {
  credentials: CredentialHolder;
  /** A new certificate for the present key, while the old one is valid. */
  renew(): Promise<string>;
  /** The same when the old one has ended, or has not begun. */
  recover(): Promise<string>;
  clock: Clock;
  random: Random;
  log: Logger;
}

export type RenewalStep = "wait" | "renew" | "recover";

/**
 * What to do now. `shift` in [0, 1) spreads nodes over a tenth of the life, so that a mesh does not
 * renew all at once.
 */
export function renewalStep(
  validity: { notBeforeMs: number; notAfterMs: number },
  nowMs: number,
  shift: number,
): RenewalStep {
  // Before its time: it was given while a clock was ahead, and nobody takes it now.
  if (nowMs >= validity.notAfterMs || nowMs < validity.notBeforeMs) return "recover";
  const lifeMs = validity.notAfterMs - validity.notBeforeMs;
  return nowMs >= validity.notBeforeMs + lifeMs * (0.5 + shift * 0.1) ? "renew" : "wait";
}

export class Renewal implements Startable {
  readonly name = "renewal";
  readonly #options: RenewalOptions;
  readonly #shift: number;
  #timer: { cancel(): void } | undefined;
  #stopped = false;
  #renewing: Promise<RenewalStep> | undefined;

  constructor(options: RenewalOptions) {
    this.#options = options;
    this.#shift = options.random.float();
  }

  /** Looks once before it returns: a node that slept for a month needs a certificate first. */
  async start(): Promise<void> {
    this.#stopped = false;
    await this.#look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /**
   * What was done: by what is due, or at once with `now`. One at a time: whoever comes meanwhile
   * gets the same. Rejects as the renewal does.
   */
  renew(now = false): Promise<RenewalStep> {
    this.#renewing ??= this.#renew(now).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renew(now: boolean): Promise<RenewalStep> {
    const { credentials, renew, recover, clock, log } = this.#options;
    const due = renewalStep(credentials.validity, clock.nowMs(), this.#shift);
    const step = now && due === "wait" ? "renew" : due;
    if (step === "wait") return step;
    await credentials.replace(step === "renew" ? await renew() : await recover());
    log.info(step === "renew" ? "certificate renewed" : "certificate recovered");
    return step;
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#options;
    try {
      await this.renew();
    } catch (error) {
      log.warn("the certificate could not be renewed; trying again", errorFields(error));
    }
    if (this.#stopped) return;
    this.#timer = clock.setTimeout(() => void this.#look(), LOOK_EVERY_MS);
  }
}
