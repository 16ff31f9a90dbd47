/**
 * `npm run demo`: one member of four processes that survives the loss of a node.
 * `npm run demo -- federation`: three members of four processes each, that become peers.
 * `npm run demo -- mesh`: the three nodes of guide 4; one dies, one falls silent, both come back.
 * `--keep` leaves the processes running and says how to use them; `--http-port` is for `mesh`.
 */
import { demoArguments } from "./demo-run.mjs";
import { say, setUp } from "./lib.mjs";

const DEMOS = {
  member: "./demo-member.mjs",
  federation: "./demo-federation.mjs",
  mesh: "./demo-mesh.mjs",
};

function chosenDemo() {
  try {
    const { names, httpPort } = demoArguments();
    const [name = "member", ...more] = names;
    const isKnown = more.length === 0 && Object.hasOwn(DEMOS, name);
    if (isKnown && (httpPort === undefined || name === "mesh")) return name;
  } catch {
    // An option that there is not.
  }
  say(`Use: npm run demo [-- ${Object.keys(DEMOS).join("|")} [--keep]]`);
  say("     npm run demo -- mesh --http-port 8100    other ports than 8000 to 8002");
  return process.exit(2);
}

const name = chosenDemo();
setUp();
await import(DEMOS[name]);
