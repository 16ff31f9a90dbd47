/** Rows about the planner's break-even and about how long a pool takes to be there. */
import { median } from "./median.mjs";
import { met, row } from "./row.mjs";

/** Of the measured break-even, either way. */
const BREAK_EVEN_PART = 0.25;
/** From cold to a pool that is ready. */
const COLD_MS = 5_000;

const rate = (tokenMs) => (1000 / tokenMs).toFixed(1);
const milliseconds = (value) => `${value.toFixed(2)} ms`;
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

export function delayRows(curve) {
  const { model, points, wholeMs, predictedNearest } = curve;
  const rates = points.map(({ delayMs, tokenMs, roundTripMs }) => {
    const way = delayMs === undefined ? "straight" : `${delayMs} ms`;
    return `${way} ${rate(tokenMs)} (${roundTripMs.toFixed(2)})`;
  });
  const nearest = `R ${rate(predictedNearest.wholeMs)}, T ${rate(predictedNearest.splitMs)}`;
  return [
    row(
      `${model}: split over two (T), tokens/s by delay one way (round trip, ms)`,
      rates.join(", "),
      `one alone (R): ${rate(wholeMs)}; predicted for the first: ${nearest}`,
      "",
      "",
    ),
    breakEvenRow(curve),
  ];
}

function breakEvenRow({ model, points, wholeMs, measured, predictedRoundTripMs: predicted }) {
  const what = `${model}: round trip from which on T is no faster than R`;
  const theirs = predicted.alone === undefined ? "never faster" : milliseconds(predicted.alone);
  const mark = `within ${BREAK_EVEN_PART * 100} %`;
  if (measured === undefined) {
    const [first, last] = [points[0], points.at(-1)];
    const ours =
      first.tokenMs > wholeMs
        ? `R is faster at ${milliseconds(first.roundTripMs)} already`
        : `above ${milliseconds(last.roundTripMs)}`;
    return row(what, ours, `predicted: ${theirs}`, mark, "cannot be said");
  }
  const ours = milliseconds(measured.roundTripMs);
  if (predicted.alone === undefined)
    return row(what, ours, `predicted: ${theirs}`, mark, met(false));
  const ratio = predicted.alone / measured.roundTripMs;
  const isMet = Math.abs(ratio - 1) <= BREAK_EVEN_PART;
  return row(what, ours, `predicted: ${theirs} (${ratio.toFixed(2)})`, mark, met(isMet));
}

export function coldRows(rounds) {
  const of = (what) => median(rounds.map((round) => round[what]));
  const all = rounds.map(({ secondMs }) => seconds(secondMs)).join(", ");
  const parts = `the command ${seconds(of("joinMs"))}, then its daemon until all is there`;
  return [
    row(
      "a second device, from `mesh pool join` until both have the ring and see each other online",
      seconds(of("secondMs")),
      `${parts}; all: ${all}`,
      `<= ${seconds(COLD_MS)}`,
      met(of("secondMs") <= COLD_MS),
    ),
    row(
      "two devices, one after the other, from `mesh pool create`",
      seconds(of("bothMs")),
      `the first one is ready after ${seconds(of("firstMs"))}`,
      `<= ${seconds(COLD_MS)}`,
      met(of("bothMs") <= COLD_MS),
    ),
  ];
}
