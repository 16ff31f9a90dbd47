/** A LAN of sockets that are not there: what is sent to the group reaches all who joined it. */
import type {
  MulticastHandlers,
  MulticastSocket,
  MulticastSocketFactory,
} from "../multicast-socket.js";

interface Station {
  readonly host: string;
  readonly handlers: MulticastHandlers;
  port: number | undefined;
  readonly groups: Set<string>;
}

export class FakeLan {
  readonly #stations = new Set<Station>();
  /** Every datagram that was sent, as a stranger on the LAN records it. */
  readonly recorded: Uint8Array[] = [];
  /** Reasons why something does not work, by what it is. */
  readonly faults = { bind: undefined, join: undefined, send: undefined } as {
    bind: Error | undefined;
    join: Error | undefined;
    send: Error | undefined;
  };
  /** Extra datagrams that arrive out of nowhere. */
  inject(bytes: Uint8Array, from: string, port = 42_424): void {
    for (const station of this.#stations) this.#deliver(station, bytes, { host: from, port });
  }

  /** The factory for a machine with this address. */
  socketsOf(host: string): MulticastSocketFactory {
    return (handlers) => this.#socket({ host, handlers, port: undefined, groups: new Set() });
  }

  #deliver(station: Station, bytes: Uint8Array, from: { host: string; port: number }): void {
    const copy = Uint8Array.from(bytes);
    setImmediate(() => {
      if (this.#stations.has(station)) station.handlers.onDatagram(copy, from);
    });
  }

  #socket(station: Station): MulticastSocket {
    return {
      bind: async (port) => {
        if (this.faults.bind) throw this.faults.bind;
        station.port = port;
        this.#stations.add(station);
      },
      addMembership: (group) => {
        if (this.faults.join) throw this.faults.join;
        station.groups.add(group);
      },
      dropMembership: (group) => {
        station.groups.delete(group);
      },
      sendThrough: async (_address, bytes, to) => {
        if (this.faults.send) throw this.faults.send;
        this.recorded.push(Uint8Array.from(bytes));
        for (const other of this.#stations) {
          if (other.port !== to.port || !other.groups.has(to.host)) continue;
          this.#deliver(other, bytes, { host: station.host, port: station.port ?? 0 });
        }
      },
      close: () => {
        this.#stations.delete(station);
      },
    };
  }
}
