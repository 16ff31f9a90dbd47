#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";

// As in `mesh.js`.
setFlagsFromString("--max-semi-space-size=4");
setFlagsFromString("--semi-space-growth-factor=1");
setFlagsFromString("--no-parallel-scavenge");
await import("../dist/main.js");
