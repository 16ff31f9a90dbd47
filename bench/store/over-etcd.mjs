/**
 * Our engine on etcd beside the `etcd3` client of npm: the same etcd process, the same run, the
 * same work, one after the other in rounds that take turns, in the other order each time.
 */
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { expectMissing, openEtcdStore, put } from "@hearthmesh/store";
import { EtcdCluster } from "@hearthmesh/store/testing";
import { loadPeer } from "./install-peers.mjs";
import { perSecond, quantiles } from "./measure.mjs";

const VALUE = Buffer.alloc(256, 7);
const WRITERS = 32;
const READ_KEYS = 1000;
const COUNTS = { put: 4000, cas: 4000, get: 8000, getOne: 1500, watch: 800 };

async function ours(endpoint) {
  const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
  const store = await openEtcdStore({ endpoints: [endpoint], keyPrefix: "ours/", ...tools });
  return {
    put: (key) => store.transact({ success: [put(key, VALUE)] }),
    async cas(key) {
      const compare = [expectMissing(key)];
      const { succeeded } = await store.transact({ compare, success: [put(key, VALUE)] });
      if (!succeeded) throw new Error(`${key} was there already`);
    },
    async get(key) {
      if ((await store.get(key))?.value.length !== VALUE.length)
        throw new Error("a key is missing");
    },
    async watch(prefix, onKey) {
      const ending = new AbortController();
      const batches = store.watch({ prefix }, { signal: ending.signal });
      const reading = (async () => {
        for await (const { events } of batches) for (const { entry } of events) onKey(entry.key);
      })();
      // The start of a watch is fixed by its call; this write is after it.
      await store.transact({ success: [put("before the watch", VALUE)] });
      return async () => {
        ending.abort();
        await reading;
      };
    },
    close: () => store.close(),
  };
}

async function peer(endpoint) {
  const { Etcd3 } = loadPeer("etcd3");
  const root = new Etcd3({ hosts: [endpoint] });
  const client = root.namespace("peer/");
  return {
    put: (key) => client.put(key).value(VALUE).exec(),
    async cas(key) {
      const write = client.if(key, "Create", "==", 0).then(client.put(key).value(VALUE));
      if (!(await write.commit()).succeeded) throw new Error(`${key} was there already`);
    },
    async get(key) {
      if ((await client.get(key).buffer())?.length !== VALUE.length) {
        throw new Error("a key is missing");
      }
    },
    async watch(prefix, onKey) {
      const watcher = await client.watch().prefix(prefix).create();
      watcher.on("put", ({ key }) => onKey(key.toString()));
      return () => watcher.cancel();
    },
    close: async () => root.close(),
  };
}

/** Figures by side and name: a list with the value of each round. */
export async function measureOverEtcd({ rounds, say }) {
  const cluster = await EtcdCluster.start(1);
  const sides = {};
  try {
    const [endpoint] = cluster.endpoints;
    sides.ours = await ours(endpoint);
    sides.peer = await peer(endpoint);
    for (const side of Object.values(sides)) {
      await each(READ_KEYS, WRITERS, (index) => side.put(`read/${index}`));
      await measure(side, "warm", () => undefined);
    }
    const figures = { ours: {}, peer: {} };
    for (let index = 0; index < rounds; index++) {
      say(`Over etcd, round ${index + 1} of ${rounds} ...`);
      const names = index % 2 === 0 ? ["ours", "peer"] : ["peer", "ours"];
      await takeTurns(names, sides, index, figures);
    }
    return figures;
  } finally {
    for (const side of Object.values(sides)) await side.close();
    await cluster.dispose();
  }
}

/** Each kind of work is done by one side, then at once by the other: both meet one machine. */
async function takeTurns(names, sides, index, figures) {
  for (const kind of KINDS) {
    for (const name of names) {
      const note = (figure, value) => {
        figures[name][figure] = [...(figures[name][figure] ?? []), value];
      };
      await kind(sides[name], `round-${index}`, note);
    }
  }
}

async function measure(side, label, note) {
  for (const kind of KINDS) await kind(side, label, note);
}

const KINDS = [
  async (side, label, note) => {
    note("puts32", await each(COUNTS.put, WRITERS, (index) => side.put(`put/${label}/${index}`)));
  },
  async (side, label, note) => {
    note("cas32", await each(COUNTS.cas, WRITERS, (index) => side.cas(`cas/${label}/${index}`)));
  },
  async (side, _label, note) => {
    const get = (index) => side.get(`read/${index % READ_KEYS}`);
    note("reads32", await each(COUNTS.get, WRITERS, get));
  },
  async (side, _label, note) => {
    note("reads1", await each(COUNTS.getOne, 1, (index) => side.get(`read/${index % READ_KEYS}`)));
  },
  async (side, label, note) => {
    const [p50, p99] = await watchLatency(side, label);
    note("watchP50", p50);
    note("watchP99", p99);
  },
];

/** Operations per second with so many under way. */
async function each(count, workers, work) {
  let next = 0;
  const startMs = performance.now();
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return perSecond(count, startMs);
}

/** Milliseconds from the call of a put to its event, one put after the other. */
async function watchLatency(side, label) {
  const sentMs = new Map();
  const latencies = [];
  let arrived = () => undefined;
  const end = await side.watch(`watch/${label}/`, (key) => {
    latencies.push(performance.now() - sentMs.get(key));
    arrived();
  });
  for (let index = 0; index < COUNTS.watch; index++) {
    const key = `watch/${label}/${index}`;
    const event = new Promise((resolve) => {
      arrived = resolve;
    });
    sentMs.set(key, performance.now());
    await Promise.all([side.put(key), event]);
  }
  await end();
  return quantiles(latencies);
}
