import { describe, it, vi } from "vitest";
import { memorySubject, sqliteSubject, storeConformance } from "./testing/index.js";

/** Every write waits for the disk, which may be slow and busy. */
vi.setConfig({ testTimeout: 60_000 });

storeConformance({ name: "memory", describe, it, open: memorySubject });
storeConformance({ name: "sqlite", describe, it, open: () => sqliteSubject() });
