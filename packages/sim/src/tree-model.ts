/**
 * What a directory tree must look like, as far as one can know. After an operation whose outcome is
 * unknown (its answer was lost), the paths it named have several possible states. They stay that
 * way to the end: a request that got lost in a partition may still be carried out later.
 */
export type PathState =
  | { readonly kind: "absent" }
  | { readonly kind: "directory" }
  | { readonly kind: "file"; readonly version: string; readonly sizeBytes: number };

export const absent: PathState = { kind: "absent" };
export const directory: PathState = { kind: "directory" };

/** The states of several paths that hold together. */
export type Alternative = ReadonlyMap<string, PathState>;

export class TreeModel {
  readonly #known = new Map<string, PathState>();
  /** Each group: exactly one of its alternatives is true in the end. */
  readonly #unknown: (readonly Alternative[])[] = [];
  readonly #unknownPaths = new Set<string>();

  constructor(root: string) {
    this.#known.set(root, directory);
  }

  /** Paths whose state is known and is of this kind, sorted. */
  paths(kind: "file" | "directory"): string[] {
    return [...this.#known]
      .filter(([, state]) => state.kind === kind)
      .map(([path]) => path)
      .sort();
  }

  /** Undefined: it is not known, see `possible`. */
  state(path: string): PathState | undefined {
    return this.isCertain(path) ? (this.#known.get(path) ?? absent) : undefined;
  }

  isCertain(path: string): boolean {
    for (let at = path; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
      if (this.#unknownPaths.has(at)) return false;
    }
    return true;
  }

  /** Everything below the path is known too, so that what happens to the path is known of all. */
  isWhole(path: string): boolean {
    const below = `${path}/`;
    return this.isCertain(path) && ![...this.#unknownPaths].some((one) => one.startsWith(below));
  }

  /** Every state that the path may have. */
  possible(path: string): PathState[] {
    const certain = this.state(path);
    if (certain !== undefined) return [certain];
    const states = this.#unknown.flatMap((group) =>
      group.flatMap((alternative) => alternative.get(path) ?? []),
    );
    return states.length > 0 ? states : [absent];
  }

  get unknownGroups(): readonly (readonly Alternative[])[] {
    return this.#unknown;
  }

  /** Known states below a path (the path itself too), sorted by path. */
  subtree(path: string): [string, PathState][] {
    const below = [...this.#known].filter(
      ([known]) => known === path || known.startsWith(`${path}/`),
    );
    return below.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** The change happened. */
  apply(change: Alternative): void {
    for (const [path, state] of change) {
      if (state.kind === "absent") this.#known.delete(path);
      else this.#known.set(path, state);
    }
  }

  /** The change happened, or did not, or will. */
  applyPerhaps(change: Alternative): void {
    const before = new Map(
      [...change.keys()].map((path) => [path, this.#known.get(path) ?? absent]),
    );
    this.#unknown.push([before, change]);
    for (const path of change.keys()) {
      this.#known.delete(path);
      this.#unknownPaths.add(path);
    }
  }
}

/** What a move of a path and all below it changes. */
export function moveChange(model: TreeModel, from: string, to: string): Alternative {
  const change = new Map<string, PathState>();
  for (const [path, state] of model.subtree(from)) {
    change.set(path, absent);
    change.set(to + path.slice(from.length), state);
  }
  return change;
}

export function removeChange(model: TreeModel, path: string): Alternative {
  return new Map(model.subtree(path).map(([below]) => [below, absent]));
}
