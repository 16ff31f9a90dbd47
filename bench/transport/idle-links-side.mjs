/** Many clients of QWormhole in one process, which do nothing. */
import { QWormholeClient } from "../../packages/qwormhole/dist/index.js";

/** Fewer than one address may have in handshakes at once. */
const DIALS_AT_ONCE = 16;

export async function makeDiallers({ credentials, address }) {
  const clients = [];
  return {
    async dial(count) {
      let left = count;
      const dialler = async () => {
        while (left-- > 0) {
          const client = new QWormholeClient({
            host: "127.0.0.1",
            port: address,
            tls: credentials,
          });
          clients.push(client);
          await client.connect();
        }
      };
      await Promise.all(Array.from({ length: DIALS_AT_ONCE }, dialler));
    },
    settle: (settleMs) => new Promise((resolve) => setTimeout(resolve, settleMs)),
    connected: () => clients.filter(({ isConnected }) => isConnected).length,
  };
}
