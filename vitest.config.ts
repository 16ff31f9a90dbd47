import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(`./packages/${path}`, import.meta.url));

/** Unit tests run the sources; only the integration tests start the built daemon. */
const alias = [
  {
    find: /^@hearthmesh\/collective\/(client|federation|storage)$/,
    replacement: source("collective/src/$1/index.ts"),
  },
  {
    find: /^@hearthmesh\/collective\/admission$/,
    replacement: source("collective/src/authority/admission.ts"),
  },
  {
    find: /^@hearthmesh\/collective\/leadership$/,
    replacement: source("collective/src/leadership/leadership.ts"),
  },
  { find: /^@hearthmesh\/node\/resident$/, replacement: source("node/src/resident.ts") },
  { find: /^@hearthmesh\/core\/testing$/, replacement: source("core/src/testing/index.ts") },
  { find: /^@hearthmesh\/store\/operations$/, replacement: source("store/src/operations.ts") },
  { find: /^@hearthmesh\/store\/testing$/, replacement: source("store/src/testing/index.ts") },
  {
    find: /^@hearthmesh\/qwormhole\/testing$/,
    replacement: source("qwormhole/src/testing/index.ts"),
  },
  {
    find: /^@hearthmesh\/membership\/testing$/,
    replacement: source("membership/src/testing/index.ts"),
  },
  {
    find: /^@hearthmesh\/pool\/(endpoints|membership|testing)$/,
    replacement: source("pool/src/$1/index.ts"),
  },
  {
    find: /^@hearthmesh\/gateway\/contracts$/,
    replacement: source("gateway/src/contracts/index.ts"),
  },
  {
    find: /^@hearthmesh\/gateway\/control-plane$/,
    replacement: source("gateway/src/control-plane/index.ts"),
  },
  {
    find: /^@hearthmesh\/gateway\/incident-page$/,
    replacement: source("gateway/src/healing/incident-page.ts"),
  },
  { find: /^@hearthmesh\/gateway\/plain$/, replacement: source("gateway/src/plain/index.ts") },
  {
    find: /^@hearthmesh\/client\/(enrolment|private-files|running-node)$/,
    replacement: source("client/src/$1.ts"),
  },
  { find: /^@hearthmesh\/([a-z]+)$/, replacement: source("$1/src/index.ts") },
];

/** `npm test -- --long`, as CI runs it: also those that repeat, record, or run every example. */
const exclude = process.env.HEARTHMESH_TEST_LONG === "1" ? [] : ["**/*.long.test.ts"];

export default defineConfig({
  resolve: { alias },
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "test/tidy/*.test.ts"],
          exclude,
          // Those with real processes mostly wait: one worker more than two cores have.
          maxWorkers: 3,
          // A limit for what hangs, not a measure: a busy machine may be ten times slower.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 20_000 } },
        },
      },
      {
        resolve: { alias },
        test: {
          name: "integration",
          include: ["test/integration/*.test.ts"],
          exclude,
          testTimeout: 240_000,
          expect: { poll: { timeout: 60_000 } },
          hookTimeout: 240_000,
          // They wait for processes more than they compute.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
