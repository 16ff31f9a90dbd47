/** A peer as people read it. */
import type { PeerView } from "@hearthmesh/gateway/contracts";
import { type Cli, print } from "../cli.js";
import { formatTime, plural, printable } from "../text.js";

export function stateOf(cli: Cli, { state }: Pick<PeerView, "state">): string {
  const { green, yellow, red } = cli.colours;
  if (state === "ok") return green(state);
  return state === "refused" || state === "expired" ? red(state) : yellow(state);
}

/** The words that both operators see, and what to do with them. */
export function printWords(cli: Cli, { words, alias }: Pick<PeerView, "words" | "alias">): void {
  print(cli, "Compare these words with the other operator, by voice:\n");
  print(cli, `  ${cli.colours.bold(printable(words))}\n`);
  print(cli, cli.colours.dim(`There, \`mesh peer show\` prints them too. If they differ:`));
  print(cli, cli.colours.dim(`  mesh peer remove ${printable(alias)}`));
}

export function describePeer(cli: Cli, peer: PeerView): string[] {
  const { memberId, trustDomain, reason, lastExchange, coordinators, revoked } = peer;
  const last = lastExchange === undefined ? "not yet" : formatTime(Date.parse(lastExchange));
  const why = reason === undefined ? "" : ` (${printable(reason)})`;
  const who = `the member ${printable(memberId)} (${printable(trustDomain)})`;
  return [
    `${cli.colours.bold(peer.alias)}: ${who}`,
    `  state         ${stateOf(cli, peer)}${why}`,
    `  words         ${printable(peer.words)}`,
    `  last exchange ${last}`,
    `  believed till ${formatTime(peer.bundleNotAfterMs)}`,
    `  revoked       ${plural(revoked, "key")}`,
    `  since         ${formatTime(peer.acceptedAtMs)}, by ${printable(peer.acceptedBy)}`,
    ...coordinators.map(
      ({ name, apiAddresses }) =>
        `  coordinator   ${printable(name)} at ${apiAddresses.map(printable).join(", ")}`,
    ),
  ];
}
