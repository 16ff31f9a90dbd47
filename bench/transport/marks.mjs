/** The marks that QWormhole holds itself to, and whether the figures of a run meet them. */

const MIB = 1 << 20;
const MEMORY_GROWTH_BYTES_MAX = 2 * MIB;
const IDLE_LINKS_RSS_BYTES_MAX = 150_000_000;
const SLOW_READER_RATIO_MIN = 0.95;
/** A full queue of messages (4 MiB), that of the link (1 MiB), and what is not collected yet. */
const SLOW_READER_RSS_BYTES_MAX = 16 * MIB;
/** Bytes per second of a larger message may be this much lower and count as equal. */
const NOISE = 0.05;

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });
const mebibytes = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`;

/**
 * `medians` has one object for each contender, by name. A mark whose figures were not measured has
 * `met` undefined.
 */
export function judge(medians, special) {
  const { qwormhole = {}, tls = {}, ws = {}, nats = {} } = medians;
  return [
    atLeast("128 B messages/s", qwormhole["one-way-128"], 1_500_000),
    atLeast("1 KiB messages/s", qwormhole["one-way-1k"], 450_000),
    atLeast("64-deep requests/s", qwormhole["requests-64"], 400_000),
    ratio("128 B messages/s, of ws", qwormhole["one-way-128"], ws["one-way-128"], 3),
    ratio("128 B messages/s, of nats", qwormhole["one-way-128"], nats["one-way-128"], 1.5),
    ratio("bulk, of bare TLS", qwormhole.bulk, tls.bulk, 0.9),
    ceiling(
      "round trip p50, of bare TLS",
      qwormhole["round-trip"]?.p50,
      tls["round-trip"]?.p50,
      1.5,
    ),
    neverFalling(qwormhole),
    ...memoryMarks(special.memory),
    ...idleMarks(special["idle-links"]),
    ...slowReaderMarks(special["slow-reader"]),
  ];
}

function atLeast(what, value, mark) {
  if (value === undefined) return { what, mark: `>= ${number(mark)}` };
  return { what, mark: `>= ${number(mark)}`, measured: number(value), met: value >= mark };
}

function ratio(what, value, of, mark) {
  if (value === undefined || of === undefined) return { what, mark: `>= ${mark} x` };
  const measured = `${(value / of).toFixed(2)} x`;
  return { what, mark: `>= ${mark} x`, measured, met: value / of >= mark };
}

function ceiling(what, value, of, mark) {
  if (value === undefined || of === undefined) return { what, mark: `<= ${mark} x` };
  const measured = `${(value / of).toFixed(2)} x`;
  return { what, mark: `<= ${mark} x`, measured, met: value / of <= mark };
}

const SIZES = {
  "one-way-128": 128,
  "one-way-1k": 1024,
  "one-way-16k": 16_384,
  "one-way-64k": 65_536,
};

function neverFalling(rates) {
  const what = "MB/s never falls with size";
  const mark = `within ${NOISE * 100} %`;
  const speeds = Object.entries(SIZES).map(([id, bytes]) => (rates[id] * bytes) / 1e6);
  if (speeds.some(Number.isNaN)) return { what, mark };
  const met = speeds.every((speed, at) => at === 0 || speed >= speeds[at - 1] * (1 - NOISE));
  return { what, mark, measured: speeds.map((speed) => speed.toFixed(0)).join(", "), met };
}

function memoryMarks(memory) {
  const mark = `< ${mebibytes(MEMORY_GROWTH_BYTES_MAX)}`;
  if (memory === undefined) return [{ what: "memory growth over many messages", mark }];
  return memory.sides.map(({ side, rssGrowthBytes, heldGrowthBytes }) => ({
    what: `${side}'s growth, ${number(memory.messages)} messages`,
    mark,
    measured: `RSS ${mebibytes(rssGrowthBytes)}, heap ${mebibytes(heldGrowthBytes)}`,
    met: Math.max(rssGrowthBytes, heldGrowthBytes) < MEMORY_GROWTH_BYTES_MAX,
  }));
}

function idleMarks(idle) {
  const what = "RSS for 1,000 idle links";
  const mark = `<= ${number(IDLE_LINKS_RSS_BYTES_MAX / 1e6)} MB`;
  if (idle === undefined) return [{ what, mark }];
  const forThousand = (idle.rssGrowthBytes / idle.links) * 1000;
  const measured = `${(forThousand / 1e6).toFixed(0)} MB (${number(idle.links)} links)`;
  return [{ what, mark, measured, met: forThousand <= IDLE_LINKS_RSS_BYTES_MAX }];
}

function slowReaderMarks(slow) {
  const rate = { what: "seven readers beside one stuck", mark: `>= ${SLOW_READER_RATIO_MIN} x` };
  const memory = {
    what: "sender's growth for it",
    mark: `<= ${mebibytes(SLOW_READER_RSS_BYTES_MAX)}`,
  };
  if (slow === undefined) return [rate, memory];
  const { rate: perSecond, rateShare, cpuShare, rssGrowthBytes, queuedBytes } = slow;
  const processorTime = `sender's processor time for a message ${cpuShare.toFixed(2)} x`;
  return [
    {
      ...rate,
      measured: `${rateShare.toFixed(2)} x (${number(perSecond)}/s), ${processorTime}`,
      met: rateShare >= SLOW_READER_RATIO_MIN,
    },
    {
      ...memory,
      measured: `RSS ${mebibytes(rssGrowthBytes)}, queued ${mebibytes(queuedBytes)}`,
      met: rssGrowthBytes <= SLOW_READER_RSS_BYTES_MAX,
    },
  ];
}
