/** The embedded engine beside bare SQLite on the same disk, in rounds that take turns. */
import {
  casWrites,
  openStore,
  pointReads,
  prepareReads,
  rawReads,
  rawWrites,
  watchLatency,
} from "./measure.mjs";

/** Figures by name: a list with the value of each round. */
export async function measureEmbedded({ folder, rounds, bare, say }) {
  const figures = {};
  const note = (name, value) => {
    figures[name] = [...(figures[name] ?? []), value];
  };
  const store = await openStore(folder);
  try {
    await prepareReads(store);
    for (let index = 0; index < rounds; index++) {
      say(`Embedded engine, round ${index + 1} of ${rounds} ...`);
      await round({ store, folder, bare, label: `round-${index}`, note });
    }
  } finally {
    await store.close();
  }
  return figures;
}

async function round({ store, folder, bare, label, note }) {
  note("bareWrites", rawWrites(bare.Database, folder, { label, count: 1000 }));
  note("casWrites1", await casWrites(store, { label, writers: 1, count: 1000 }));
  const many = { label: `many-${label}`, writers: 32, count: 20_000 };
  note("casWrites32", await casWrites(store, many));
  note("bareReads", rawReads(bare.Database, folder, { count: 100_000 }));
  note("pointReads", await pointReads(store, { count: 100_000 }));
  for (const writers of [1, 32]) {
    const latency = { label: `${label}-${writers}`, writers, count: 1000 * Math.sqrt(writers) };
    const [p50, p99] = await watchLatency(store, latency);
    note(`watch${writers}P50`, p50);
    note(`watch${writers}P99`, p99);
  }
}
