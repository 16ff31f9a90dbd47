/** Two members that are peers, and three ways into the files of the second one. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  ApiClient,
  connectFiles,
  federateFiles,
  HttpFiles,
  IdentityHome,
  loadCollective,
} from "@hearthmesh/client";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { FederationProcesses } from "../../scripts/federation-processes.mjs";
import { meshOk } from "../../scripts/mesh-processes.mjs";

const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };

/** A person of a member with grants of its own, as one who redeemed an invite. */
async function person({ member, name, home, grants }) {
  mkdirSync(home, { recursive: true });
  const wanted = grants.flatMap((grant) => ["--grant", grant]);
  const operator = member.coordinator.home;
  const code = await meshOk(operator, ["invite", "generate", ...wanted, "--quiet"]);
  await meshOk(home, ["identity", "init", "--global-id", name]);
  await meshOk(home, ["invite", "redeem", "-"], { input: code });
  const collective = await loadCollective({ home: new IdentityHome(home), ...tools });
  const connection = connectFiles({ collective, ...tools });
  const { finder, credentials } = collective;
  const api = new ApiClient({ finder, credentials, ...tools });
  const federated = federateFiles({ home: connection.files, api, collective, ...tools });
  return {
    files: federated.files,
    async close() {
      await federated.close();
      await api.settled();
      api.close();
      await connection.close();
    },
  };
}

/**
 * `ann` of Alice's goes straight to Bob's nodes, `ben` is at home there, and `gateway` is Alice's
 * coordinator, which acts for the programs of its own machine.
 */
export async function homes(folder) {
  const processes = await FederationProcesses.start({ folder, nodes: [0, 3], capacity: "8GB" });
  const [alice, bob] = ["alice", "bob"].map((id) => processes.member(id));
  const operators = { alice: alice.coordinator.home, bob: bob.coordinator.home };
  const code = await meshOk(operators.bob, ["peer", "invite", "--quiet"]);
  await meshOk(operators.alice, ["peer", "accept", code.trim()]);
  await meshOk(operators.bob, ["mkdir", "/garage"]);
  await meshOk(operators.bob, ["grant", "add", "*@home.alice", "/garage:read+write+delete"]);
  const people = [
    { member: alice, name: "ann@home.alice", grants: ["/shared:read"] },
    { member: bob, name: "ben@garage.bob", grants: ["/garage:read+write+delete"] },
  ];
  const [ann, ben] = await Promise.all(
    people.map((one) => person({ ...one, home: join(folder, one.name) })),
  );
  const gateway = new ApiClient({ loopbackUrl: alice.coordinator.httpUrl, ...tools });
  return {
    ann: ann.files,
    ben: ben.files,
    gateway: new HttpFiles(gateway),
    async stop() {
      await Promise.all([ann.close(), ben.close()]);
      gateway.close();
      await processes.stop();
    },
  };
}
