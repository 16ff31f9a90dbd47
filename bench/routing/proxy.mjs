/**
 * A service reached directly, and through nodes of the mesh; a part of `npm run bench -- routing`.
 *
 * One process asks, another is the service (a server of Node that answers 1 KiB of JSON at once).
 * The ways between them:
 *
 * - `direct`;
 * - `proxy alone`: a process with a `ServiceProxy` behind a bare server of Node;
 * - `coordinator` and `node`: two `mesh up` of one member, each asked for its own service with
 *   everything that a request passes there: guard, caller, policy, limits, metrics;
 * - `coordinator, link, node` and back: each asked for the other's, over their link (mutual TLS).
 *
 * In each round every case is measured on all ways, one right after the other, from another one on
 * each time; the tables have medians over the rounds. A service that does any work of its own is
 * slowed down less: this is the worst case. So is a machine with as many busy processes as here and
 * two cores, on which all of them share what the service and its client have for themselves
 * directly.
 *
 * With the `bare` client the asking process does the least that one can do; with the `node` client
 * the asking side is the HTTP client that programs really use. `first byte` is one request at a
 * time on one connection; `download` one answer of 256 MB. Processor time is that of the process
 * that was asked.
 */
import { loadavg } from "node:os";
import { withChildren } from "../transport/children.mjs";
import { median } from "../transport/measure.mjs";
import { cpuSeconds, withDaemons } from "./daemons.mjs";

const RATE_MIN = 0.6;
const FIRST_BYTE_MS_MAX = 2;
const CONNECTIONS = 32;

const casesOf = (quick) => [
  { id: "node", args: [CONNECTIONS, quick ? 1 : 3] },
  { id: "bare", args: [CONNECTIONS, quick ? 1 : 3] },
  { id: "firstByte", args: [quick ? 1000 : 4000] },
  { id: "download", args: [quick ? 32 << 20 : 256 << 20] },
];

/** The raw figures of all rounds. `say` is told how far it is. */
export async function measureProxy({ rounds, quick, say }) {
  const measured = [];
  await withChildren(3, {}, async (load, service, proxy) => {
    const sides = "../routing/proxy-sides.mjs";
    const port = await service.create(sides, "makeService");
    const alone = await proxy.create(sides, "makeProxy", port);
    await load.create("../routing/proxy-load.mjs", "makeLoad");
    await withDaemons(port, async (daemons) => {
      const ways = Object.entries({
        direct: { target: { port, path: "/" } },
        "proxy alone": { target: { port: alone, path: "/" }, pid: proxy.pid },
        ...daemons,
      });
      for (let round = 1; round <= rounds; round++) {
        say(`proxy: round ${round} of ${rounds}`);
        const first = (round - 1) % ways.length;
        const turn = [...ways.slice(first), ...ways.slice(0, first)];
        for (const { id, args } of casesOf(quick)) {
          for (const [way, { target, pid }] of turn) {
            const cpuBefore = cpuSeconds(pid);
            const result = await load.call(id, target, ...args);
            const cpu = cpuSeconds(pid) - cpuBefore;
            measured.push({ case: id, way, round, load: loadavg()[0], result, cpuSeconds: cpu });
          }
        }
      }
    });
  });
  return measured;
}

/** Medians by way and case, and the marks. */
export function judgeProxy(measured) {
  const names = [...new Set(measured.map(({ way }) => way))];
  const medians = Object.fromEntries(
    names.map((name) => {
      const of = (id, value = ({ result }) => result) =>
        median(measured.filter((one) => one.case === id && one.way === name).map(value));
      const figures = {
        node: of("node"),
        bare: of("bare"),
        firstByteP50Ms: of("firstByte", ({ result }) => result.p50),
        firstByteP99Ms: of("firstByte", ({ result }) => result.p99),
        download: of("download"),
      };
      return [name, figures];
    }),
  );
  return { medians, marks: marksOf(measured, medians) };
}

function marksOf(measured, medians) {
  const { direct } = medians;
  // Neighbours in time are compared, so that a machine that gets busy in between does less harm.
  const share = (way) => {
    const ofRound = (round, name) =>
      measured.find((one) => one.case === "node" && one.way === name && one.round === round).result;
    const rounds = [...new Set(measured.map(({ round }) => round))];
    return median(rounds.map((round) => ofRound(round, way) / ofRound(round, "direct")));
  };
  const ways = ["coordinator", "node"];
  const rates = ways.map((way) => {
    const value = share(way);
    const what = `requests/s of direct, through the ${way}`;
    return { what, mark: `>= ${RATE_MIN}`, measured: value, met: value >= RATE_MIN };
  });
  const delays = ways.map((way) => {
    const value = medians[way].firstByteP50Ms - direct.firstByteP50Ms;
    const what = `first byte later by ms, through the ${way}`;
    return {
      what,
      mark: `<= ${FIRST_BYTE_MS_MAX}`,
      measured: value,
      met: value <= FIRST_BYTE_MS_MAX,
    };
  });
  return [...rates, ...delays];
}

const figure = (value) =>
  value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(value < 10 ? 3 : 1);

/** Rows of the table, the first one its head: a way in each. */
export function proxyTable(medians) {
  const { direct } = medians;
  const row = ([name, figures]) => [
    name,
    figure(figures.node),
    (figures.node / direct.node).toFixed(2),
    figure(figures.bare),
    (figures.bare / direct.bare).toFixed(2),
    figure(figures.firstByteP50Ms),
    figure(figures.firstByteP99Ms),
    figure(figures.download),
  ];
  const head = ["way", "req/s, Node", "share", "req/s, bare", "share"];
  return [
    [...head, "first byte p50 ms", "p99 ms", "download MB/s"],
    ...Object.entries(medians).map(row),
  ];
}
