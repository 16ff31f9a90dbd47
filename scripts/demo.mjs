/**
 * `npm run demo`: one member of four processes that survives the loss of a node.
 * `npm run demo -- federation`: three members of four processes each, that become peers.
 * `npm run demo -- mesh`: the three nodes of guide 4; one dies, one falls silent, both come back.
 * `--keep` leaves the processes running and says how to use them.
 */
import { say, setUp } from "./lib.mjs";

const DEMOS = {
  member: "./demo-member.mjs",
  federation: "./demo-federation.mjs",
  mesh: "./demo-mesh.mjs",
};

const [name = "member", ...more] = process.argv.slice(2).filter((one) => one !== "--keep");
if (more.length > 0 || !Object.hasOwn(DEMOS, name)) {
  say(`Use: npm run demo [-- ${Object.keys(DEMOS).join("|")}] [--keep]`);
  process.exit(2);
}
setUp();
await import(DEMOS[name]);
