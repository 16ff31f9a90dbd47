/** Two network namespaces with a link of 1 Gbit/s between them. Needs root, `ip` and `tc`. */
import { execFileSync } from "node:child_process";

const run = (text) => execFileSync("sh", ["-ec", text], { stdio: ["ignore", "ignore", "pipe"] });

/** Undefined, with the reason told, where this cannot be done. */
export function makeNamespaces(onMissing) {
  const tag = `hmai${process.pid}`;
  const names = [`${tag}a`, `${tag}b`];
  const remove = () => {
    for (const name of names) {
      try {
        run(`ip netns del ${name}`);
      } catch {
        // It was never made.
      }
    }
  };
  try {
    const [a, b] = names;
    run(`ip netns add ${a}; ip netns add ${b}`);
    run(`ip link add ${a} netns ${a} type veth peer name ${b} netns ${b}`);
    for (const [at, name] of names.entries()) {
      const inside = `ip netns exec ${name}`;
      run(`${inside} ip addr add 10.77.0.${at + 1}/24 dev ${name}`);
      run(`${inside} ip link set lo up; ${inside} ip link set ${name} up`);
      // As `tbf` wants it: what passes within a tick of the kernel may be sent at once.
      const shape = "tbf rate 1gbit burst 512kb latency 20ms";
      run(`${inside} tc qdisc add dev ${name} root ${shape}`);
    }
    return { names, hosts: ["10.77.0.1", "10.77.0.2"], remove };
  } catch (error) {
    remove();
    onMissing(String(error.stderr ?? error.message).trim());
    return undefined;
  }
}
