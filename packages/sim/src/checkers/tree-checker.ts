/**
 * After all faults have ended: every file that was acknowledged reads back byte by byte, listings
 * are what the model says, and where an answer was lost exactly one of its outcomes is true.
 */
import { isMeshError } from "@hearthmesh/core";
import { contentOf, fingerprint } from "../content.js";
import type { MeshClient } from "../mesh-client.js";
import type { Alternative, PathState, TreeModel } from "../tree-model.js";
import { describeError, listingProblem } from "../tree-workload.js";

export async function checkTree(client: MeshClient, model: TreeModel): Promise<string[]> {
  const problems: string[] = [];
  for (const path of [...model.paths("directory"), ...model.paths("file")]) {
    const state = model.state(path);
    const problem = state === undefined ? undefined : await stateProblem(client, path, state);
    if (problem !== undefined) problems.push(`${path}: ${problem}`);
  }
  for (const path of model.paths("directory")) {
    const problem = await listing(client, model, path);
    if (problem !== undefined) problems.push(`${path}: ${problem}`);
  }
  for (const alternatives of model.unknownGroups) {
    const problem = await groupProblem(client, alternatives);
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}

async function listing(
  client: MeshClient,
  model: TreeModel,
  path: string,
): Promise<string | undefined> {
  try {
    return listingProblem(model, path, await client.list(path));
  } catch (error) {
    return `cannot be listed: ${describeError(error)}`;
  }
}

/** What is wrong when the path should be in this state; undefined when it is. */
async function stateProblem(
  client: MeshClient,
  path: string,
  state: PathState,
): Promise<string | undefined> {
  try {
    const { kind } = await client.stat(path);
    if (kind !== state.kind) return `is a ${kind}, should be ${describeState(state)}`;
    if (state.kind !== "file") return undefined;
    const bytes = await client.read(path);
    const expected = contentOf(state.version, state.sizeBytes);
    if (Buffer.compare(bytes, expected) === 0) return undefined;
    return `reads ${fingerprint(bytes)}, should be ${describeState(state)}`;
  } catch (error) {
    const isGone = isMeshError(error, "MESH_PATH_NOT_FOUND");
    if (isGone && state.kind === "absent") return undefined;
    return `${describeError(error)}, should be ${describeState(state)}`;
  }
}

async function groupProblem(
  client: MeshClient,
  alternatives: readonly Alternative[],
): Promise<string | undefined> {
  const reasons: string[] = [];
  for (const alternative of alternatives) {
    let reason: string | undefined;
    for (const [path, state] of alternative) {
      reason = await stateProblem(client, path, state);
      if (reason !== undefined) {
        reasons.push(`${path}: ${reason}`);
        break;
      }
    }
    if (reason === undefined) return undefined;
  }
  return `neither the old nor the new state: ${reasons.join("; ")}`;
}

function describeState(state: PathState): string {
  if (state.kind !== "file") return state.kind;
  const content = contentOf(state.version, state.sizeBytes);
  return `${state.version} (${fingerprint(content)})`;
}
