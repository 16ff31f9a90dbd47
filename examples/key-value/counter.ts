/** Several processes count together: whoever was not the first reads again and repeats. */
import { isMeshError } from "@hearthmesh/core";
import { close, keyValue, NAME } from "./environment.js";

const KEY = "example/counter";
const ROUNDS = 20;

let repeated = 0;
for (let round = 0; round < ROUNDS; round++) await addOne();
console.log(`[${NAME}] added ${ROUNDS}, and repeated ${repeated} of them`);
close();

async function addOne(): Promise<void> {
  for (;;) {
    const present = await keyValue.getJson<number>(KEY);
    const condition = present === undefined ? { ifAbsent: true } : { ifMatch: present.etag };
    try {
      await keyValue.putJson(KEY, (present?.body ?? 0) + 1, condition);
      return;
    } catch (error) {
      if (!isMeshError(error, "MESH_KV_CHANGED")) throw error;
      repeated++;
    }
  }
}
