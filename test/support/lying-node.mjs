/**
 * Handed to a daemon with `--import`: from then on it takes every record of its packs for whole,
 * whatever its bytes are, as a node does whose memory is damaged behind the check of its hashes.
 * Its scrub is clean, and what it gives to others is wrong.
 */
import { register } from "node:module";

register("./lying-pack-reader.mjs", import.meta.url);
