/** The suite that every engine passes. It needs no test runner of its own. */
import { guardSuite } from "./guard-suite.js";
import { type ConformanceHarness, declareOn } from "./harness.js";
import { leaseSuite } from "./lease-suite.js";
import { lifeSuite } from "./life-suite.js";
import { rangeSuite } from "./range-suite.js";
import { transactionSuite } from "./transaction-suite.js";
import { watchSuite } from "./watch-suite.js";

/** Declares all tests of the interface's meaning for one engine. */
export function storeConformance(harness: ConformanceHarness): void {
  const test = declareOn(harness);
  harness.describe(`${harness.name} store`, () => {
    harness.describe("transactions", () => transactionSuite(test));
    harness.describe("guards", () => guardSuite(test));
    harness.describe("ranges", () => rangeSuite(test));
    harness.describe("leases", () => leaseSuite(test));
    harness.describe("watches", () => watchSuite(test));
    harness.describe("life", () => lifeSuite(test));
  });
}
