/**
 * Runs a Jinja template as a stranger's program: it sees what it is given and a few pure functions,
 * it cannot reach the machine, and a clock stops it when it does not end.
 */
import { createContext, runInContext } from "node:vm";
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { CHAT_TEMPLATE_RANGE_MAX, CHAT_TEMPLATE_RUN_MS_MAX } from "./limits.js";

export class TemplateProgram {
  readonly #program: ReturnType<typeof parse>;

  /** Throws what the library throws when the source is no template. */
  constructor(source: string) {
    // As the libraries that the templates were written for set it.
    this.#program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  }

  /**
   * Throws what the template raises, and when it runs too long. `nowMs`: what `strftime_now`
   * says.
   */
  run(variables: Readonly<Record<string, unknown>>, nowMs: number): string {
    const environment = new Environment();
    const all = { ...constants(), ...functions(nowMs), ...variables };
    for (const [name, value] of Object.entries(all)) environment.set(name, value);
    const render = (): unknown => new Interpreter(environment).run(this.#program).value;
    // The library counts no steps; what is called from a context of its own can be stopped.
    const text: unknown = runInContext("render()", createContext({ render }), {
      timeout: CHAT_TEMPLATE_RUN_MS_MAX,
    });
    return String(text);
  }
}

function constants(): Record<string, unknown> {
  return { true: true, True: true, false: false, False: false, none: null, None: null };
}

function functions(nowMs: number): Record<string, unknown> {
  return {
    raise_exception: (message: unknown) => {
      throw new Error(String(message));
    },
    range: (first: number, second?: number, step?: number) =>
      second === undefined ? range(0, first, 1) : range(first, second, step ?? 1),
    strftime_now: (format: string) => formatDate(new Date(nowMs), format),
  };
}

function range(from: number, to: number, step: number): number[] {
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (!(count <= CHAT_TEMPLATE_RANGE_MAX)) throw new Error("range: too many numbers");
  return Array.from({ length: count }, (_, index) => from + index * step);
}

/** The signs of `strftime` that templates use, in UTC and English. */
function formatDate(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const month = (style: "long" | "short") =>
    date.toLocaleString("en", { month: style, timeZone: "UTC" });
  const signs: Readonly<Record<string, () => string>> = {
    "%Y": () => String(date.getUTCFullYear()),
    "%m": () => two(date.getUTCMonth() + 1),
    "%d": () => two(date.getUTCDate()),
    "%b": () => month("short"),
    "%B": () => month("long"),
    "%H": () => two(date.getUTCHours()),
    "%M": () => two(date.getUTCMinutes()),
    "%%": () => "%",
  };
  return format.replace(/%[YmdbBHM%]/g, (sign) => signs[sign]?.() ?? sign);
}
