/** Commands in the flat form of the LAN pool guide: `mesh pool-create` is `mesh pool create`. */
const FLAT_COMMANDS: ReadonlyMap<string, readonly string[]> = new Map(
  [
    ...["pool-create", "pool-join", "pool-list", "pool-peers", "pool-status"],
    ...["pool-approve", "pool-refuse", "pool-requests", "pool-pair", "pool-remove"],
    "ring-status",
  ].map((name) => [name, name.split("-", 2)]),
);

/** The arguments as the program knows them; only the first one can be a flat command. */
export function unflattened(args: readonly string[]): string[] {
  const [first = "", ...rest] = args;
  return [...(FLAT_COMMANDS.get(first) ?? args.slice(0, 1)), ...rest];
}
