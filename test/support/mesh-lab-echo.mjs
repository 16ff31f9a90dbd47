/**
 * `node mesh-lab-echo.mjs PORT NAME`: an HTTP service that says who it is and what it was asked.
 */
import { createServer } from "node:http";

const [port, name] = process.argv.slice(2);
createServer((request, response) => {
  response.end(`${name}: ${request.method} ${request.url}`);
}).listen(Number(port), "127.0.0.1");
