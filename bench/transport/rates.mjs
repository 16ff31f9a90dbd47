/** The two processes of a contender, and the rates that are measured with them. */
import { withChildren } from "./children.mjs";
import { secondsSince, ticks } from "./measure.mjs";

const FIRST_COUNT = { messages: 1000, bulk: 16, pipelined: 500, roundTrips: 100 };
/** A round trip's 99th percentile needs samples. */
const COUNT_MIN = { messages: 100, bulk: 32, pipelined: 1000, roundTrips: 2000 };
const WARM_UP_BYTES = 128;

/** Connects both, lets them compile what every case uses, and ends them whatever happens. */
export function withPair(contender, settings, work) {
  return withChildren(2, settings, async (listener, dialler) => {
    const pair = new Pair(listener, dialler, settings);
    await pair.connect(contender);
    await work(pair);
  });
}

class Pair {
  #listener;
  #dialler;
  #settings;

  constructor(listener, dialler, settings) {
    this.#listener = listener;
    this.#dialler = dialler;
    this.#settings = settings;
  }

  async connect({ file, secure = false }) {
    const { credentials, broker } = this.#settings;
    const context = { secure, broker, credentials: credentials.listener };
    const address = await this.#listener.create(file, "makeListener", context);
    const { dialler } = credentials;
    await this.#dialler.create(file, "makeDialler", { ...context, address, credentials: dialler });
    await this.#warmUp("messages", WARM_UP_BYTES, this.#settings.firstWarmUpSeconds);
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
    const [listenerCpuMicroseconds, diallerCpuMicroseconds] = after.map(
      (cpu, at) => ((cpu - before[at]) / count) * 1e6,
    );
    return { result, count, listenerCpuMicroseconds, diallerCpuMicroseconds };
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
}
