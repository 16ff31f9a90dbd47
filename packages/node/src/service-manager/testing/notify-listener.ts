/** In systemd's place: reads what a service says to its socket. Perl is part of every Debian. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";

/** Node has no datagrams on Unix sockets. `BARRIER` only asks whether the rest was read. */
const PROGRAM = `
use Socket; use IO::Handle; STDOUT->autoflush(1);
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($s, pack_sockaddr_un($ARGV[0])) or die $!;
print "listening\\n";
while (defined recv($s, my $text, 65536, 0)) {
  next if $text =~ /^BARRIER/;
  $text =~ s/\\n/ | /g;
  print "$text\\n";
}
`;

/** Undefined when such a listener, and what talks to it, can run here. */
export function whyNoNotifyListener(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  const wanted = ["perl", "systemd-notify"];
  const absent = wanted.find((name) => spawnSync(name, ["--version"]).status !== 0);
  return absent === undefined ? undefined : `needs the program ${absent}`;
}

export class NotifyListener {
  readonly #process: ChildProcess;
  /** One message an item, its lines joined by ` | `. */
  readonly heard: string[] = [];

  private constructor(socket: string) {
    const stdio: ["ignore", "pipe", "inherit"] = ["ignore", "pipe", "inherit"];
    this.#process = spawn("perl", ["-e", PROGRAM, socket], { stdio });
  }

  /** Resolves when it listens. */
  static open(socket: string): Promise<NotifyListener> {
    const listener = new NotifyListener(socket);
    return new Promise((resolve, reject) => {
      let rest = "";
      listener.#process.once("exit", () => reject(new Error("the listener ended")));
      listener.#process.stdout?.on("data", (piece: Buffer) => {
        const lines = (rest + piece.toString()).split("\n");
        rest = lines.pop() ?? "";
        if (lines[0] === "listening") {
          lines.shift();
          resolve(listener);
        }
        listener.heard.push(...lines);
      });
    });
  }

  close(): void {
    this.#process.kill("SIGKILL");
  }
}
