#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";

// A daemon is idle most of the time, and Node's default keeps up to 48 MiB for young objects. Bytes
// of files are not on this heap. Must be set before the program is loaded.
setFlagsFromString("--max-semi-space-size=4");
setFlagsFromString("--semi-space-growth-factor=1");
// So few bytes are collected faster by one thread than several threads are woken.
setFlagsFromString("--no-parallel-scavenge");
await import("../dist/main.js");
