/**
 * The cables of the lab: LANs (bridges in a namespace of their own, the fabric), machines plugged
 * into them, routers between them, one of which may translate addresses as a home router does.
 *
 * What is cut, is cut in the fabric: nobody is told, as with a pulled cable or a firewall on the
 * way. Both ends keep their link up and their addresses.
 */
import { Namespace } from "./mesh-lab-namespace.mjs";

const HOSTS_MAX = 200;
const BEACONS = "239.192.0.0/16";

/** A broadcast domain: what one machine sends to all, all get. */
export class Lan {
  #next = 10;

  constructor(fabric, index) {
    this.fabric = fabric;
    this.bridge = `lan${index}`;
    this.prefix = `10.77.${index}`;
    /** Where machines send what is for elsewhere. */
    this.gateway = `${this.prefix}.1`;
  }

  get network() {
    return `${this.prefix}.0/24`;
  }

  /** One that nobody has had yet. */
  newAddress() {
    if (this.#next > HOSTS_MAX) throw new Error("the LAN has no free address");
    return `${this.prefix}.${this.#next++}`;
  }
}

/** One end of a cable in a machine, the other one in a LAN. */
export class Port {
  constructor(network, { namespace, lan, device, name }) {
    this.network = network;
    this.namespace = namespace;
    this.lan = lan;
    /** In the machine. */
    this.device = device;
    /** In the fabric. */
    this.name = name;
    this.address = "";
  }

  /** Takes away what it had. The others' tables of neighbours do not know it yet. */
  async setAddress(address, { gateway = true } = {}) {
    this.address = address;
    const { device } = this;
    await this.namespace.script([
      `ip address flush dev ${device}`,
      `ip address add ${address}/24 brd + dev ${device}`,
      `ip link set ${device} up`,
      `ip route replace ${BEACONS} dev ${device}`,
      ...(gateway ? [`ip route replace default via ${this.lan.gateway} dev ${device}`] : []),
    ]);
  }

  /** As when its cable is pulled: the machine sees it. */
  linkDown() {
    return this.network.fabric.run(["ip", "link", "set", this.name, "down"]);
  }

  linkUp() {
    return this.network.fabric.run(["ip", "link", "set", this.name, "up"]);
  }

  /** Share of the datagrams that come in and are lost on the way; 0 ends it. */
  async loseDatagrams(percent) {
    const rule = ["-p", "udp", "-m", "comment", "--comment", "loss", "-j", "DROP"];
    const random = ["-m", "statistic", "--mode", "random", "--probability", String(percent / 100)];
    await this.namespace.script(["iptables -w -F INPUT"]);
    if (percent === 0) return;
    await this.namespace.run(["iptables", "-w", "-A", "INPUT", ...random, ...rule]);
  }

  /** Bits per second of what it sends, such as `20mbit`; undefined ends it. */
  async rate(text) {
    const { device } = this;
    await this.namespace.script([
      `tc qdisc delete dev ${device} root 2>/dev/null || true`,
      ...(text === undefined
        ? []
        : [`tc qdisc add dev ${device} root tbf rate ${text} burst 64kb latency 200ms`]),
    ]);
  }
}

/** A machine that passes packets on between two LANs. */
export class Router {
  constructor(namespace, inside, outside) {
    this.namespace = namespace;
    this.inside = inside;
    this.outside = outside;
  }

  /** Outside, all that come from inside have the router's address, and nobody can dial in. */
  translate() {
    return this.namespace.script([
      `iptables -w -t nat -A POSTROUTING -o ${this.outside.device} -j MASQUERADE`,
      "iptables -w -P FORWARD DROP",
      `iptables -w -A FORWARD -i ${this.inside.device} -j ACCEPT`,
      "iptables -w -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    ]);
  }

  /** Passes everything on as it is; those outside need a route to the inside. */
  passAll() {
    return this.namespace.script([
      "iptables -w -t nat -F POSTROUTING",
      "iptables -w -P FORWARD ACCEPT",
      "iptables -w -F FORWARD",
    ]);
  }
}

export class LabNetwork {
  #lans = 0;
  #ports = 0;

  constructor(fabric) {
    this.fabric = fabric;
    /** Everything that must end. */
    this.namespaces = [fabric];
  }

  static async create() {
    return new LabNetwork(await Namespace.create());
  }

  async namespace() {
    const made = await Namespace.create();
    this.namespaces.push(made);
    return made;
  }

  async addLan() {
    const lan = new Lan(this.fabric, ++this.#lans);
    await this.fabric.script([
      // Multicast goes to all ports, as on a plain switch.
      `ip link add ${lan.bridge} type bridge mcast_snooping 0 forward_delay 0`,
      `ip link set ${lan.bridge} up`,
    ]);
    return lan;
  }

  /** Puts a cable between the machine and the LAN. */
  async plug(namespace, lan, { device = "eth0", address = lan.newAddress(), gateway = true } = {}) {
    const name = `port${++this.#ports}`;
    const port = new Port(this, { namespace, lan, device, name });
    await this.fabric.script([
      `ip link add ${name} type veth peer name ${device} netns ${namespace.pid}`,
      `ip link set ${name} master ${lan.bridge}`,
      `ip link set ${name} up`,
    ]);
    await port.setAddress(address, { gateway });
    return port;
  }

  async addRouter(insideLan, outsideLan) {
    const namespace = await this.namespace();
    await namespace.script(["echo 1 > /proc/sys/net/ipv4/ip_forward"]);
    const plug = (lan, device, address) =>
      this.plug(namespace, lan, { device, address, gateway: false });
    const inside = await plug(insideLan, "inside", insideLan.gateway);
    const outside = await plug(outsideLan, "outside", outsideLan.newAddress());
    return new Router(namespace, inside, outside);
  }

  /** Nothing that `from` sends gets to `to`; both are on one LAN. */
  async cutOneWay(from, to) {
    await this.#drop([`-i ${from.name} -o ${to.name}`]);
  }

  /** Between each of the one group and each of the other. */
  async cut(group, others) {
    await this.#drop(
      group.flatMap((a) =>
        others.flatMap((b) => [`-i ${a.name} -o ${b.name}`, `-i ${b.name} -o ${a.name}`]),
      ),
    );
  }

  /** No datagram gets to this machine or away from it; connections do. */
  async blockUdp(port) {
    const udp = "-p ip --ip-proto udp";
    await this.#drop([`${udp} -i ${port.name}`, `${udp} -o ${port.name}`]);
  }

  #drop(rules) {
    return this.fabric.script(rules.map((rule) => `ebtables -A FORWARD ${rule} -j DROP`));
  }

  /** Ends every cut and block. */
  async heal() {
    await this.fabric.run(["ebtables", "-F", "FORWARD"]);
  }

  async close() {
    await Promise.all(this.namespaces.map((namespace) => namespace.close()));
  }
}
