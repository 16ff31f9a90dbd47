/** The suite of every engine and the comparison with the model, on one real etcd. */
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, it, vi } from "vitest";
import { EtcdCluster, whyNoEtcd } from "../testing/etcd-process.js";
import { etcdSubject } from "../testing/etcd-subject.js";
import { matchesModel, storeConformance } from "../testing/index.js";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const missing = whyNoEtcd();
const name = missing === undefined ? "etcd" : `etcd (${missing})`;

describe.skipIf(missing !== undefined)(name, () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start(1, { flags: ["--quota-backend-bytes=4294967296"] });
  });
  afterAll(async () => {
    await cluster?.dispose();
  });

  storeConformance({ name: "etcd", describe, it, open: () => etcdSubject(cluster.endpoints) });

  it("means the same as the model for random operations", async () => {
    await fc.assert(
      matchesModel(fc, () => etcdSubject(cluster.endpoints)),
      { seed: 20_261_121, endOnFailure: false, numRuns: 30 },
    );
  });
});
