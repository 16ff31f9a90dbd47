/** The two processes of a contender, and the rates that are measured with them. */
import { Child } from "./children.mjs";
import { secondsSince, ticks } from "./measure.mjs";

const FIRST_COUNT = { messages: 1000, bulk: 16, pipelined: 500, roundTrips: 100 };
/** A round trip's 99th percentile needs samples. */
const COUNT_MIN = { messages: 100, bulk: 32, pipelined: 1000, roundTrips: 2000 };
const WARM_UP_BYTES = 128;

export class Pair {
  #listener;
  #dialler;
  #settings;

  constructor(settings) {
    this.#settings = settings;
    this.#listener = new Child(settings);
    this.#dialler = new Child(settings);
  }

  /** Connects both, and lets them compile what every case uses. */
  static async start(contender, settings) {
    const pair = new Pair(settings);
    try {
      await pair.#connect(contender);
      await pair.#warmUp("messages", WARM_UP_BYTES, settings.firstWarmUpSeconds);
    } catch (error) {
      await pair.end();
      throw error;
    }
    return pair;
  }

  async #connect({ file, secure = false }) {
    const { credentials, broker } = this.#settings;
    const context = { secure, broker, credentials: credentials.listener };
    const address = await this.#listener.create(file, "makeListener", context);
    const { dialler } = credentials;
    await this.#dialler.create(file, "makeDialler", { ...context, address, credentials: dialler });
  }

  /**
   * Resolves to the rate per second (or `{ p50, p99 }` in microseconds) and the processor time of
   * both sides for one message, in microseconds. The times of the settings are approximate: the
   * count that fits them is found while warming up.
   */
  async measure({ method, bytes }) {
    const { warmUpSeconds, seconds } = this.#settings;
    const perSecond = await this.#warmUp(method, bytes, warmUpSeconds);
    const count = Math.max(COUNT_MIN[method], Math.round(perSecond * seconds));
    const before = await this.#cpuSeconds();
    const result = await this.#dialler.call(method, bytes, count);
    const after = await this.#cpuSeconds();
    const [listenerCpu, diallerCpu] = after.map((cpu, at) => ((cpu - before[at]) / count) * 1e6);
    return { result, count, listenerCpu, diallerCpu };
  }

  /** Calls with growing counts; returns how many fit in a second at last. */
  async #warmUp(method, bytes, warmUpSeconds) {
    const start = ticks();
    let count = FIRST_COUNT[method];
    for (;;) {
      const begun = ticks();
      await this.#dialler.call(method, bytes, count);
      const perSecond = count / secondsSince(begun);
      const left = warmUpSeconds - secondsSince(start);
      if (left <= 0) return perSecond;
      count = Math.ceil(Math.min(count * 4, Math.max(perSecond * left, count)));
    }
  }

  #cpuSeconds() {
    return Promise.all([this.#listener.call("cpuSeconds"), this.#dialler.call("cpuSeconds")]);
  }

  async end() {
    await Promise.all([this.#dialler.end(), this.#listener.end()]);
  }
}
