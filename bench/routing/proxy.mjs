/**
 * `node bench/routing/proxy.mjs [options]`: a service reached directly, and through a node's proxy.
 *
 *     --quick        fewer and shorter rounds, for development; not for publishing
 *     --rounds N     default 5, with --quick 2
 *     --json FILE    raw results; default bench/results/proxy.json
 *
 * How it measures. Three processes on loopback: one that asks, a service (a server of Node that
 * answers 1 KiB at once), and a node's `ServiceProxy` to it. In each round every case is measured
 * directly and through the proxy, one right after the other, in turns; the table has medians over
 * the rounds. A service that does any work of its own is slowed down less: this is the worst case.
 *
 * With the `bare` client the asking process costs next to nothing, so that directly the service
 * has a core of its own, whereas through the proxy two servers and a client of HTTP share the
 * machine. With the `node` client the asking side is the HTTP client that programs really use.
 * `first byte` is one request at a time on one connection; `download` one answer of 256 MB.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { withChildren } from "../transport/children.mjs";
import { median } from "../transport/measure.mjs";
import { asText } from "../transport/report.mjs";

const RATE_MIN = 0.6;
const FIRST_BYTE_MS_MAX = 2;
const CONNECTIONS = 32;

const casesOf = (quick) => [
  { id: "bare", title: "requests/s, bare client", args: [CONNECTIONS, quick ? 1 : 3] },
  { id: "node", title: "requests/s, client of Node", args: [CONNECTIONS, quick ? 1 : 3] },
  { id: "firstByte", title: "first byte", args: [quick ? 1000 : 4000] },
  { id: "download", title: "download MB/s", args: [quick ? 32 << 20 : 256 << 20] },
];

/** The raw figures of all rounds. `say` is told how far it is. */
export async function measureProxy({ rounds = 5, quick = false, say = () => {} } = {}) {
  const measured = [];
  await withChildren(3, {}, async (load, service, proxy) => {
    const sides = "../routing/proxy-sides.mjs";
    const direct = await service.create(sides, "makeService");
    const through = await proxy.create(sides, "makeProxy", direct);
    await load.create("../routing/proxy-load.mjs", "makeLoad");
    const ways = [
      ["direct", direct],
      ["proxy", through],
    ];
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds}`);
      for (const { id, args } of casesOf(quick)) {
        for (const [way, port] of round % 2 === 0 ? [...ways].reverse() : ways) {
          const result = await load.call(id, port, ...args);
          measured.push({ case: id, way, round, load: loadavg()[0], result });
        }
      }
    }
  });
  return measured;
}

/** Medians by case and way, the ratios or delays, and the marks. */
export function judgeProxy(measured) {
  const of = (id, way, value = (result) => result) =>
    median(
      measured.filter((one) => one.case === id && one.way === way).map((one) => value(one.result)),
    );
  const pair = (id, value) => ({ direct: of(id, "direct", value), proxy: of(id, "proxy", value) });
  const medians = {
    bare: pair("bare"),
    node: pair("node"),
    firstByteP50Ms: pair("firstByte", ({ p50 }) => p50),
    firstByteP99Ms: pair("firstByte", ({ p99 }) => p99),
    download: pair("download"),
  };
  const share = ({ direct, proxy }) => proxy / direct;
  const later = ({ direct, proxy }) => proxy - direct;
  const rate = (what, value) => ({ what, mark: RATE_MIN, measured: value, met: value >= RATE_MIN });
  const delay = (what, value) => ({
    what,
    mark: FIRST_BYTE_MS_MAX,
    measured: value,
    met: value <= FIRST_BYTE_MS_MAX,
  });
  const marks = [
    rate("requests/s of direct, client of Node", share(medians.node)),
    rate("requests/s of direct, bare client", share(medians.bare)),
    delay("first byte later by ms, p50", later(medians.firstByteP50Ms)),
    delay("first byte later by ms, p99", later(medians.firstByteP99Ms)),
  ];
  return { medians, marks };
}

const figure = (value) =>
  value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(value < 10 ? 3 : 1);

/** Rows of the table, the first one its head. */
export function proxyTable({ medians, marks }) {
  const row = (title, { direct, proxy }, compared) => [
    title,
    figure(direct),
    figure(proxy),
    compared(direct, proxy),
  ];
  const ratio = (direct, proxy) => `x ${(proxy / direct).toFixed(2)}`;
  const delay = (direct, proxy) => `+ ${(proxy - direct).toFixed(3)} ms`;
  return {
    figures: [
      ["", "direct", "proxy", ""],
      row("requests/s, client of Node", medians.node, ratio),
      row("requests/s, bare client", medians.bare, ratio),
      row("first byte p50 ms", medians.firstByteP50Ms, delay),
      row("first byte p99 ms", medians.firstByteP99Ms, delay),
      row("download MB/s", medians.download, ratio),
    ],
    marks: [
      ["mark", "", "measured", "met"],
      ...marks.map(({ what, mark, measured, met }) => [
        what,
        String(mark),
        measured.toFixed(2),
        met ? "yes" : "NO",
      ]),
    ],
  };
}

async function main() {
  const results = join(dirname(fileURLToPath(import.meta.url)), "../results/proxy.json");
  const { values: options } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      json: { type: "string", default: results },
    },
  });
  const { quick } = options;
  const rounds = Number(options.rounds ?? (quick ? 2 : 5));
  const loadAtStart = loadavg();
  const say = (text) => process.stderr.write(`${text}\n`);
  const measured = await measureProxy({ rounds, quick, say });
  const judged = judgeProxy(measured);
  const facts = {
    node: process.version,
    cores: cpus().length,
    processor: cpus()[0]?.model,
    rounds,
    quick,
    loadAtStart,
    loadAtEnd: loadavg(),
  };
  mkdirSync(dirname(resolve(options.json)), { recursive: true });
  const everything = { ...facts, ...judged, measured };
  writeFileSync(options.json, `${JSON.stringify(everything, undefined, 2)}\n`);
  const { figures, marks } = proxyTable(judged);
  const machine =
    `node ${process.version}, ${cpus().length} cores, ${cpus()[0]?.model}; ${rounds} rounds` +
    `${quick ? " (quick: not for publishing)" : ""}; load ${loadAtStart[0]?.toFixed(1)} before`;
  const parts = [
    asText(figures, { rightAligned: true }),
    asText(marks, { rightAligned: false }),
    machine,
  ];
  process.stdout.write(`${parts.join("\n\n")}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
