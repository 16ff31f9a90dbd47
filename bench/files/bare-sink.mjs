/**
 * The peer of the file benchmark: a process that takes bytes from one TLS socket, hashes every
 * MiB with BLAKE3, writes them to a file and syncs it at the end. No protocol, no durability in
 * between, no index. `node bare-sink.mjs <folder> <key> <certificate>` prints its port.
 */
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createServer } from "node:tls";
import { Blake3Hasher } from "@napi-rs/blake-hash";

const [folder, keyPath, certificatePath] = process.argv.slice(2);
const [key, cert] = await Promise.all([readFile(keyPath), readFile(certificatePath)]);
const MIB = 1 << 20;

async function take(socket) {
  const file = await open(join(folder, `copy-${process.pid}`), "w");
  let hasher = new Blake3Hasher();
  let inPiece = 0;
  let pending = [];
  let pendingBytes = 0;
  // The socket must outlive the loop: the answer goes out when the file is synced.
  for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
    hasher.update(bytes);
    inPiece += bytes.length;
    pending.push(bytes);
    pendingBytes += bytes.length;
    if (inPiece >= MIB) {
      hasher.digestBuffer();
      hasher = new Blake3Hasher();
      inPiece = 0;
    }
    if (pendingBytes >= MIB) {
      await file.writev(pending);
      pending = [];
      pendingBytes = 0;
    }
  }
  if (pending.length > 0) await file.writev(pending);
  await file.sync();
  await file.close();
  socket.end("done");
}

const server = createServer({ key, cert, minVersion: "TLSv1.3", allowHalfOpen: true }, (socket) => {
  take(socket).catch((error) => socket.destroy(error));
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.on("disconnect", () => process.exit(0));
