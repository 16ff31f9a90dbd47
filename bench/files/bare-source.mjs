/**
 * The peer for reading: a process that sends a file from disk over one TLS socket to whoever asks.
 */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createServer } from "node:tls";

const [path, keyPath, certificatePath] = process.argv.slice(2);
const [key, cert] = await Promise.all([readFile(keyPath), readFile(certificatePath)]);
const server = createServer({ key, cert, minVersion: "TLSv1.3" }, (socket) => {
  pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), socket, () => {});
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.on("disconnect", () => process.exit(0));
