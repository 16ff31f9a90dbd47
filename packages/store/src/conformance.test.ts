import { describe, it } from "vitest";
import { memorySubject, sqliteSubject, storeConformance } from "./testing/index.js";

storeConformance({ name: "memory", describe, it, open: memorySubject });
storeConformance({ name: "sqlite", describe, it, open: () => sqliteSubject() });
