// SPDX-License-Identifier: Apache-2.0
// The JavaScript client, driven by tests/e2e/clients/clients.py: one request a line on standard input, one answer a
// line on standard output, as tests/e2e/libnats/driven.c says. A key more for join: first=1, the handshake comes first.
import { createInterface } from "node:readline";
import nats from "nats";

const { connect, Events, nkeyAuthenticator, StringCodec } = nats;
const wait = 30000 * Math.max(1, Number(process.env.TERN_TEST_SCALE ?? "1"));
const text = StringCodec();
const all = new Map();

// What has happened to a connection, and who waits for it.
class Driven {
  counts = { lost: 0, back: 0, closed: 0 };
  waiting = [];

  constructor(connection) {
    this.connection = connection;
    this.watch();
    connection.closed().then(() => this.count("closed"));
  }

  async watch() {
    for await (const status of this.connection.status()) {
      if (status.type === Events.Disconnect) this.count("lost");
      if (status.type === Events.Reconnect) this.count("back");
    }
  }

  count(what) {
    this.counts[what]++;
    for (const look of this.waiting) look();
  }

  wait(what, count) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve("failed\ttimeout"), wait);
      const look = () => {
        if (this.counts[what] < count) return;
        clearTimeout(timer);
        resolve("ok");
      };
      this.waiting.push(look);
      look();
    });
  }
}

function options(given) {
  const made = {
    servers: given.url,
    timeout: wait,
    reconnect: given.reconnect !== undefined,
    reconnectTimeWait: 20,
    reconnectJitter: 10,
    reconnectJitterTLS: 10,
    maxReconnectAttempts: -1,
    tls: null,
  };
  if (given.tls) made.tls = { caFile: given.ca, certFile: given.cert, keyFile: given.key };
  if (given.first) made.tls.handshakeFirst = true;
  if (given.user !== undefined) Object.assign(made, { user: given.user, pass: given.password });
  if (given.token !== undefined) made.token = given.token;
  if (given.nkey !== undefined) made.authenticator = nkeyAuthenticator(new TextEncoder().encode(given.seed));
  return made;
}

const requests = {
  async join(number, ...words) {
    const given = Object.fromEntries(words.map((word) => [word.split("=")[0], word.slice(word.indexOf("=") + 1)]));
    try {
      all.set(number, new Driven(await connect(options(given))));
      return "ok";
    } catch (error) {
      return `refused\t${error?.code ?? error}`;
    }
  },

  async works(number) {
    const { connection } = all.get(number);
    let where = "subscribe";
    try {
      const sub = connection.subscribe("driven.*", { max: 1, timeout: wait });
      const service = connection.subscribe("asked", { callback: (_, message) => message.respond(message.data) });
      where = "publish";
      connection.publish("driven.a", text.encode("text"));
      where = "receive";
      for await (const message of sub) if (text.decode(message.data) !== "text") throw new Error("another text");
      where = "request";
      const answer = await connection.request("asked", text.encode("question"), { timeout: wait });
      if (text.decode(answer.data) !== "question") throw new Error("another answer");
      service.unsubscribe();
      return "ok";
    } catch (error) {
      return `failed\t${where}\t${error?.code ?? error}`;
    }
  },

  async told(number) {
    const { lost, back, closed } = all.get(number).counts;
    return `ok\t${lost}\t${back}\t${closed}`;
  },

  async wait(number, what, count) {
    return all.get(number).wait(what, Number(count));
  },

  async leave(number) {
    await all.get(number)?.connection.close();
    all.delete(number);
    return "ok";
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...words] = line.split("\t");
  process.stdout.write(`${await requests[name](...words)}\n`);
}
process.exit(0);
