/**
 * Catches code under simulation that reads the real clock or asks for real randomness. While the
 * trap is set, the global functions are replaced by ones that note who called and then do the real
 * thing, so that the run goes on and the report at its end names every place. Only `sim`'s own
 * command sets it: a test runner in the same process needs those functions itself.
 */

/** Distinct places kept; a leak in a loop is reported once. */
const PLACES_MAX = 50;

export interface RealTimeTrap {
  /** `Date.now called at file:line`, each place once. */
  readonly places: readonly string[];
  /** Puts the real functions back. */
  release(): void;
}

type AnyFunction = (...args: never[]) => unknown;

interface Watched {
  holder: object;
  key: string;
  label: string;
}

const watched: readonly Watched[] = [
  { holder: globalThis, key: "setTimeout", label: "setTimeout" },
  { holder: globalThis, key: "setInterval", label: "setInterval" },
  { holder: globalThis, key: "setImmediate", label: "setImmediate" },
  { holder: Date, key: "now", label: "Date.now" },
  { holder: performance, key: "now", label: "performance.now" },
  { holder: Math, key: "random", label: "Math.random" },
];

/**
 * `isOurs` tells from a line of a stack whether it is code that the simulation must hold to this.
 */
export function setRealTimeTrap(isOurs: (stackLine: string) => boolean): RealTimeTrap {
  const places = new Set<string>();
  const restores = watched.map(({ holder, key, label }) => {
    const real = Reflect.get(holder, key) as AnyFunction;
    const replacement = function (this: unknown, ...args: never[]): unknown {
      const caller = new Error(label).stack?.split("\n")[2] ?? "";
      if (isOurs(caller) && places.size < PLACES_MAX)
        places.add(`${label} called ${caller.trim()}`);
      return Reflect.apply(real, this, args);
    };
    Object.defineProperty(holder, key, { value: replacement, configurable: true, writable: true });
    return () =>
      Object.defineProperty(holder, key, { value: real, configurable: true, writable: true });
  });
  return {
    get places() {
      return [...places].sort();
    },
    release() {
      for (const restore of restores) restore();
    },
  };
}
