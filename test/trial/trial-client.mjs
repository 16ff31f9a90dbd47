/** A person with an identity of their own, whose files go over links as those of any client do. */
import { mkdirSync } from "node:fs";
import { connectFiles, IdentityHome, loadCollective } from "@hearthmesh/client";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { meshOk } from "../../scripts/mesh-processes.mjs";

/** Pieces in which a source is handed over: not aligned with chunks. */
const PIECE_BYTES = 300_007;

/**
 * Invites the person to a directory of their own and connects.
 * @returns {Promise<import("@hearthmesh/sim").MeshClient & { close(): Promise<void> }>}
 */
export async function trialClient({ member, name, home, root }) {
  const operator = member.coordinator.home;
  mkdirSync(home, { recursive: true });
  await meshOk(operator, ["mkdir", "-p", root]);
  const invite = ["invite", "generate", "--grant", `${root}:read+write+delete`, "--quiet"];
  const code = await meshOk(operator, invite);
  await meshOk(home, ["identity", "init", "--global-id", `${name}@trial.example`]);
  await meshOk(home, ["invite", "redeem", "-"], { input: code });
  const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
  const identityHome = new IdentityHome(home);
  const collective = await loadCollective({ home: identityHome, name: undefined, ...tools });
  const connection = connectFiles({ collective, ...tools });
  return { name, ...plainFiles(connection.files), close: () => connection.close() };
}

function plainFiles(files) {
  return {
    async write(path, bytes) {
      await files.write(path, inPieces(bytes));
    },
    async read(path, range = {}) {
      const { stream } = await files.read(path, range);
      const pieces = [];
      for await (const piece of stream) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    async list(path) {
      const names = [];
      for await (const entry of files.list(path)) {
        names.push(entry.kind === "directory" ? `${entry.name}/` : entry.name);
      }
      return names;
    },
    async stat(path) {
      const { kind, sizeBytes } = await files.stat(path);
      return { kind, sizeBytes };
    },
    makeDirectory: (path) => files.makeDirectory(path),
    move: (from, to) => files.move(from, to),
    remove: (path, options = {}) => files.remove(path, options),
  };
}

async function* inPieces(bytes) {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}
