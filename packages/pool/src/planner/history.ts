/**
 * What was observed while models ran, and how it corrects predictions. Pure: every function answers
 * a new history. A correction is a ratio of observed to predicted, smoothed, and never more than
 * `CORRECTION_FACTOR_MAX` either way, so that one strange run cannot rule a placement out for good.
 *
 * The time of an exchange is a fact about the members and holds for every model; the speed is one
 * of a model on these members, after exchanges were corrected.
 */
import type { NodeId } from "@hearthmesh/core";
import type { Placement } from "../runtime/inference-service.js";
import { CORRECTION_FACTOR_MAX, HISTORY_ENTRIES_MAX, HISTORY_WEIGHT } from "./limits.js";

/** The least recently updated first; at most `HISTORY_ENTRIES_MAX`. */
export interface PlannerHistory {
  readonly v: 1;
  readonly corrections: readonly { readonly key: string; readonly ratio: number }[];
}

export const EMPTY_HISTORY: PlannerHistory = { v: 1, corrections: [] };

/** What a row was predicted to do, before its own correction. */
export interface Prediction {
  /** With corrected exchanges, without the correction of the speed. */
  readonly tokensPerSecond: number;
  /** Of one exchange, without any correction; 0 for a member alone. */
  readonly exchangeMs: number;
}

export interface Observation {
  readonly modelId: string;
  readonly placement: Placement;
  readonly nodeIds: readonly NodeId[];
  readonly predicted: Prediction;
  /** Undefined where nothing was seen. */
  readonly tokensPerSecond: number | undefined;
  readonly exchangeMs: number | undefined;
}

/** Takes an observation; numbers that are not positive count as not observed. */
export function learn(history: PlannerHistory, observation: Observation): PlannerHistory {
  const { modelId, placement, nodeIds, predicted } = observation;
  const withExchange = update(
    history,
    exchangeKey(nodeIds),
    observation.exchangeMs,
    predicted.exchangeMs,
  );
  const key = speedKey(modelId, placement, nodeIds);
  return update(withExchange, key, observation.tokensPerSecond, predicted.tokensPerSecond);
}

/** Factor for a predicted number of tokens per second; 1 where nothing was observed. */
export function speedCorrection(
  history: PlannerHistory,
  modelId: string,
  placement: Placement,
  nodeIds: readonly NodeId[],
): number {
  return ratioOf(history, speedKey(modelId, placement, nodeIds)) ?? 1;
}

/** Factor for the predicted time of an exchange; 1 where nothing was observed. */
export function exchangeCorrection(history: PlannerHistory, nodeIds: readonly NodeId[]): number {
  return ratioOf(history, exchangeKey(nodeIds)) ?? 1;
}

/** A history as it was stored; empty when it is none. Never throws. */
export function readHistory(value: unknown): PlannerHistory {
  const { v, corrections } = (value ?? {}) as { v?: unknown; corrections?: unknown };
  if (v !== 1 || !Array.isArray(corrections)) return EMPTY_HISTORY;
  const sound = corrections.flatMap((one: unknown) => {
    const { key, ratio } = (one ?? {}) as { key?: unknown; ratio?: unknown };
    const isSound = typeof key === "string" && typeof ratio === "number" && ratio > 0;
    return isSound ? [{ key, ratio: bounded(ratio) }] : [];
  });
  return { v: 1, corrections: sound.slice(-HISTORY_ENTRIES_MAX) };
}

/** The order of the members does not matter. */
function speedKey(modelId: string, placement: Placement, nodeIds: readonly NodeId[]): string {
  return ["speed", modelId, placement, ...[...nodeIds].sort()].join(" ");
}

function exchangeKey(nodeIds: readonly NodeId[]): string {
  return ["exchange", ...[...nodeIds].sort()].join(" ");
}

function ratioOf({ corrections }: PlannerHistory, key: string): number | undefined {
  return corrections.find((one) => one.key === key)?.ratio;
}

function update(
  history: PlannerHistory,
  key: string,
  observed: number | undefined,
  predicted: number,
): PlannerHistory {
  if (observed === undefined || !(observed > 0 && predicted > 0)) return history;
  const ratio = bounded(observed / predicted);
  const before = ratioOf(history, key);
  const after = before === undefined ? ratio : before + HISTORY_WEIGHT * (ratio - before);
  const others = history.corrections.filter((one) => one.key !== key);
  return { v: 1, corrections: [...others, { key, ratio: after }].slice(-HISTORY_ENTRIES_MAX) };
}

function bounded(ratio: number): number {
  return Math.min(Math.max(ratio, 1 / CORRECTION_FACTOR_MAX), CORRECTION_FACTOR_MAX);
}
