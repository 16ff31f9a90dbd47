/** A process of a recording: some workers on one store, and the file that their events go to. */
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { systemClock } from "@hearthmesh/core";
import { ClientRun, JumpingClock, remoteStore, seededRandom } from "@hearthmesh/store/testing";
import { answerLines } from "../support/json-answers.mjs";

const NS_PER_US = 1000n;
const clock = new JumpingClock(systemClock());
/** The kernel's monotonic clock, which all processes of the machine share. */
const nowUs = () => Number(process.hrtime.bigint() / NS_PER_US);
// Whoever started it is gone.
process.stdin.once("end", () => process.exit());
let file;
let run;
let store;

async function openStore(options) {
  if (options.endpoints === undefined) return remoteStore({ ...options, clock });
  const { openEtcdForClient } = await import("./etcd-client.mjs");
  return await openEtcdForClient(options, clock);
}

answerLines({
  async start({ storeOptions, path, seed, place, ...options }) {
    file = createWriteStream(path, { mode: 0o600 });
    store = await openStore(storeOptions);
    run = new ClientRun({
      ...options,
      store,
      clock,
      nowUs,
      place,
      random: seededRandom(seed + place),
      emit: (event) => file.write(`${JSON.stringify(event)}\n`),
    });
    run.start();
  },
  jump({ shiftMs }) {
    clock.jumpTo(shiftMs);
  },
  stopWork: () => run.stopWork(),
  writeEnd: () => run.writeEnd(),
  async finish({ revision }) {
    await run.finish(revision);
    await store.close();
    file.end();
    await finished(file);
  },
});
