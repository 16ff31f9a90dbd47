/**
 * One coordinator of the failover bench, a process of its own: stands for election, writes while it
 * leads, reads all the time, and tells its parent about both with the machine's monotonic clock.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { Election, jsonValue, openEtcdStore, parseJsonValue, put } from "@hearthmesh/store";

const [nodeId, leaseTimeMs, ...endpoints] = process.argv.slice(2);
const REGISTER = "register";
const WRITE_PAUSE_MS = 4;
const READ_PAUSE_MS = 10;
const RETRY_MS = 10;

const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
// Timers of this process must keep it alive; those of the clock do not.
setInterval(() => undefined, 1 << 30);
process.on("disconnect", () => process.exit(0));

const nowNs = () => process.hrtime.bigint().toString();
const tell = (message) => process.send({ nodeId, ...message });

async function open() {
  for (;;) {
    try {
      return await openEtcdStore({ endpoints, keyPrefix: "failover/", ...tools });
    } catch {
      await sleep(RETRY_MS);
    }
  }
}

async function register(store) {
  const entry = await store.get(REGISTER);
  return entry === undefined ? 0 : parseJsonValue(entry.value);
}

/** Writes of one leadership; ends with the first that fails. */
async function lead(election, fenced) {
  const epoch = election.requireLeading();
  let value = await register(fenced);
  for (let index = 0; ; index++) {
    value++;
    const key = `w/${String(epoch).padStart(6, "0")}/${String(index).padStart(6, "0")}`;
    const success = [put(key, jsonValue({ nodeId, value })), put(REGISTER, jsonValue(value))];
    await fenced.transact({ success });
    tell({ type: "acked", epoch, key, value, atNs: nowNs() });
    await sleep(WRITE_PAUSE_MS);
  }
}

async function writeForever(election) {
  const fenced = election.fence();
  for (;;) {
    try {
      await lead(election, fenced);
    } catch {
      await sleep(RETRY_MS);
    }
  }
}

async function readForever(store) {
  for (;;) {
    const startNs = nowNs();
    try {
      tell({ type: "read", value: await register(store), startNs });
    } catch {
      // An answer that did not come is no stale one.
    }
    await sleep(READ_PAUSE_MS);
  }
}

const store = await open();
const election = new Election({
  store,
  nodeId,
  candidate: () => ({ name: nodeId }),
  leaseTimeMs: Number(leaseTimeMs),
  ...tools,
});
election.onChange(({ role, epoch, leader }) => {
  tell({ type: "state", role, epoch, leader: leader?.nodeId });
});
process.on("message", (message) => {
  if (message.type === "suspect") election.suspect(message.nodeId);
});
await election.start();
void writeForever(election);
void readForever(store);
