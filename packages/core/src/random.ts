/** Randomness is handed in: cryptographic in a daemon, seeded in the simulator. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). For jitter and simulation, never for secrets. */
  float(): number;
}

/** A uniform integer in [0, below). */
export function randomInteger(random: Random, below: number): number {
  return Math.floor(random.float() * below);
}
