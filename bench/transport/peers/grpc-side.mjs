/** `@grpc/grpc-js`: one stream in both directions for everything, its faster way. */
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { Doorbell, echoesOver, event, isEcho, oneWayOver, Tally } from "../measure.mjs";

const { bench } = grpc.loadPackageDefinition(
  loadSync(fileURLToPath(new URL("./bench.proto", import.meta.url))),
);

export async function makeListener() {
  const server = new grpc.Server();
  server.addService(bench.Bench.service, { Exchange: serve });
  const port = await new Promise((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { address: `127.0.0.1:${port}` };
}

function serve(call) {
  const tally = new Tally();
  call.on("error", () => {});
  call.on("data", (message) => {
    if (isEcho(message.data)) call.write(message);
    else if (tally.take(message.data)) call.write({ data: Buffer.from([1]) });
  });
}

export async function makeDialler({ address }) {
  const client = new bench.Bench(address, grpc.credentials.createInsecure());
  const call = client.Exchange();
  call.on("error", () => {});
  const finished = new Doorbell();
  let onEcho;
  call.on("data", ({ data }) => (isEcho(data) ? onEcho() : finished.ring()));
  const send = (data) => call.write({ data });
  return {
    ...oneWayOver({ send, writable: () => event(call, "drain"), done: () => finished.next() }),
    ...echoesOver({
      send,
      onEcho: (handler) => {
        onEcho = handler;
      },
    }),
  };
}
