/** Reads the fields of a header that came over a link: nothing in it has a type yet. */
import { MeshError } from "@hearthmesh/core";

export class Fields {
  readonly #method: string;
  readonly #header: Readonly<Record<string, unknown>>;

  constructor(method: string, header: object) {
    this.#method = method;
    this.#header = header as Readonly<Record<string, unknown>>;
  }

  /** As it is, for a reader that checks it itself. */
  raw(name: string): unknown {
    return this.#header[name];
  }

  text(name: string, lengthMax = 4096): string {
    const value = this.#header[name];
    if (typeof value !== "string" || value.length > lengthMax) throw this.bad(name);
    return value;
  }

  optionalText(name: string, lengthMax = 4096): string | undefined {
    return this.#header[name] === undefined ? undefined : this.text(name, lengthMax);
  }

  integer(name: string, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#header[name];
    if (!isCount(value, max)) throw this.bad(name);
    return value;
  }

  optionalInteger(name: string, max?: number): number | undefined {
    return this.#header[name] === undefined ? undefined : this.integer(name, max);
  }

  /** Absent is false. */
  flag(name: string): boolean {
    const value = this.#header[name];
    if (value === undefined) return false;
    if (typeof value !== "boolean") throw this.bad(name);
    return value;
  }

  list<Item>(name: string, lengthMax: number, read: (item: Fields) => Item): Item[] {
    return this.#array(name, lengthMax).map((item) => {
      if (item === null || typeof item !== "object") throw this.bad(name);
      return read(new Fields(`${this.#method} ${name}`, item));
    });
  }

  texts(name: string, lengthMax: number, itemLengthMax: number): string[] {
    return this.#array(name, lengthMax).map((item) => {
      if (typeof item !== "string" || item.length > itemLengthMax) throw this.bad(name);
      return item;
    });
  }

  object(name: string): Fields | undefined {
    const value = this.#header[name];
    if (value === undefined) return undefined;
    if (value === null || typeof value !== "object") throw this.bad(name);
    return new Fields(`${this.#method} ${name}`, value);
  }

  bad(name: string): MeshError {
    return new MeshError("MESH_BAD_REQUEST", {
      message: `${this.#method}: the field ${name} is missing or not of the right form`,
    });
  }

  #array(name: string, lengthMax: number): unknown[] {
    const value = this.#header[name];
    if (!Array.isArray(value) || value.length > lengthMax) throw this.bad(name);
    return value;
  }
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max;
}
