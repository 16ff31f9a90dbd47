/** A person with grants on `/bench`, whose files go over links straight to the storage nodes. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { connectFiles, IdentityHome, loadCollective } from "@hearthmesh/client";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { meshOk } from "../../scripts/mesh-processes.mjs";

export async function connectClient(member, folder) {
  const home = join(folder, "client");
  mkdirSync(home);
  const generate = ["invite", "generate", "--grant", "/bench:all", "--json"];
  const { code } = JSON.parse(await meshOk(member.coordinator.home, generate));
  await meshOk(home, ["identity", "init", "--global-id", "bench@demo.example"]);
  await meshOk(home, ["invite", "redeem", "-"], { input: code });
  await meshOk(member.coordinator.home, ["mkdir", "/bench"]);
  const clock = systemClock();
  const random = systemRandom();
  const log = silentLogger;
  const collective = await loadCollective({ home: new IdentityHome(home), clock, log });
  const connection = connectFiles({ collective, clock, random, log });
  return { home, files: connection.files, close: () => connection.close() };
}
