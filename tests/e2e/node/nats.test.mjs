// SPDX-License-Identifier: Apache-2.0
// The JavaScript client against the broker that listens on TERN_TEST_PORT (see run.py): publish and subscribe,
// wildcards, requests, headers, queue groups, drain, auto-unsubscribe, no responders, large payloads, many
// connections, reconnecting. Every wait is bounded by the runner's timeout.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, test } from "node:test";
import nats from "nats";

const { connect, createInbox, ErrorCode, Events, headers, StringCodec } = nats;
const port = Number(process.env.TERN_TEST_PORT);
const scale = Math.max(1, Number(process.env.TERN_TEST_SCALE ?? 1));
const scaled = (count) => Math.max(1, Math.floor(count / scale));
const text = StringCodec();
const open = new Set();

async function client(options = {}) {
  const connection = await connect({ servers: `127.0.0.1:${port}`, timeout: 20000 * scale, ...options });
  open.add(connection);
  return connection;
}

after(() => Promise.all([...open].map((connection) => connection.close())));

// The next `count` messages of a subscription as [subject, text].
async function take(subscription, count) {
  const got = [];
  if (count === 0) return got;
  for await (const message of subscription) {
    got.push([message.subject, text.decode(message.data)]);
    if (got.length === count) break;
  }
  return got;
}

test("INFO says what clients ask for", async () => {
  const connection = await client();
  assert.equal(connection.info.max_payload, 1048576);
  assert.equal(connection.info.headers, true);
  assert.equal(connection.info.jetstream, undefined);
  assert.match(connection.info.version, /^\d+\.\d+\.\d+/);
});

test("publish, subscribe, wildcards", async () => {
  const [publisher, subscriber] = [await client(), await client()];
  const star = subscriber.subscribe("w.*.c");
  const all = subscriber.subscribe("w.>");
  await subscriber.flush();
  for (const subject of ["w.b.c", "w.b", "w", "w.x.c", "w.x.c.d"]) publisher.publish(subject, text.encode(subject));
  await publisher.flush();
  await subscriber.flush();
  assert.equal(star.getReceived(), 2);
  assert.equal(all.getReceived(), 4);
  assert.deepEqual((await take(star, 2)).map(([subject]) => subject), ["w.b.c", "w.x.c"]);
  assert.deepEqual(await take(all, 4), ["w.b.c", "w.b", "w.x.c", "w.x.c.d"].map((subject) => [subject, subject]));
});

test("a thousand requests in flight", async () => {
  const [asking, answering] = [await client(), await client()];
  const subscription = answering.subscribe("svc.double", {
    callback: (error, message) => message.respond(text.encode(String(2 * Number(text.decode(message.data))))),
  });
  await answering.flush();
  const numbers = Array.from({ length: scaled(2000) }, (_, i) => i);
  const answers = await Promise.all(
    numbers.map((i) => asking.request("svc.double", text.encode(String(i)), { timeout: 30000 * scale })),
  );
  assert.deepEqual(answers.map((message) => Number(text.decode(message.data))), numbers.map((i) => 2 * i));
  assert.equal(subscription.getReceived(), numbers.length);
});

test("no responders", async () => {
  const connection = await client();
  await assert.rejects(connection.request("nobody.there", text.encode("x"), { timeout: 20000 * scale }), {
    code: ErrorCode.NoResponders,
  });
  await assert.rejects(connection.request("$JS.API.INFO", text.encode(""), { timeout: 20000 * scale, noMux: true }), {
    code: ErrorCode.NoResponders,
  });
});

test("headers, and their order and case", async () => {
  const connection = await client();
  const subscription = connection.subscribe("h", { max: 1 });
  const sent = headers();
  sent.append("Key", "one");
  sent.append("Key", "two");
  sent.append("kEY-x", "with blanks  inside");
  connection.publish("h", text.encode("data"), { headers: sent, reply: createInbox() });
  for await (const message of subscription) {
    assert.deepEqual(message.headers.values("Key"), ["one", "two"]);
    assert.equal(message.headers.get("kEY-x"), "with blanks  inside");
    assert.ok(message.reply.startsWith("_INBOX."));
    assert.equal(text.decode(message.data), "data");
  }
});

test("queue groups share evenly", async () => {
  const members = await Promise.all(Array.from({ length: 4 }, () => client()));
  const subscriptions = members.map((member) => member.subscribe("bal.*", { queue: "q", callback: () => {} }));
  await Promise.all(members.map((member) => member.flush()));
  const publisher = await client();
  const count = scaled(8000);
  for (let i = 0; i < count; i++) publisher.publish("bal.x");
  await publisher.flush();
  await Promise.all(members.map((member) => member.flush()));
  const shares = subscriptions.map((subscription) => subscription.getReceived());
  assert.equal(shares.reduce((a, b) => a + b), count);
  const expected = count / members.length;
  const chi = shares.reduce((sum, share) => sum + (share - expected) ** 2 / expected, 0);
  assert.ok(chi < 60, `shares ${shares}`);
});

test("auto-unsubscribe", async () => {
  const connection = await client();
  const subscription = connection.subscribe("auto", { max: 10, callback: () => {} });
  for (let i = 0; i < 25; i++) connection.publish("auto");
  await connection.flush();
  assert.equal(subscription.getReceived(), 10);
  assert.equal(connection.stats().inMsgs, 10);
  assert.ok(subscription.isClosed());
});

test("no echo", async () => {
  const [silent, other] = [await client({ noEcho: true }), await client()];
  const own = silent.subscribe("echo", { callback: () => {} });
  const heard = other.subscribe("echo", { callback: () => {} });
  await other.flush();
  silent.publish("echo");
  await silent.flush();
  await other.flush();
  assert.deepEqual([own.getReceived(), heard.getReceived()], [0, 1]);
});

test("drain a subscription, then a connection", async () => {
  const [publisher, subscriber] = [await client(), await client()];
  const seen = [];
  const subscription = subscriber.subscribe("drain.1", { callback: (error, message) => seen.push(message.subject) });
  const other = subscriber.subscribe("drain.2", { callback: (error, message) => seen.push(message.subject) });
  await subscriber.flush();
  for (let i = 0; i < 100; i++) publisher.publish(`drain.${1 + (i % 2)}`);
  await publisher.flush();
  await subscription.drain();
  publisher.publish("drain.1");
  publisher.publish("drain.2");
  await publisher.flush();
  await subscriber.drain();
  assert.equal(seen.filter((subject) => subject === "drain.1").length, 50);
  assert.equal(seen.filter((subject) => subject === "drain.2").length, 51);
  assert.ok(subscriber.isClosed() && other.isClosed());
});

test("large payloads arrive undamaged", async () => {
  const [publisher, subscriber] = [await client(), await client()];
  const digest = (data) => createHash("sha256").update(data).digest("hex");
  const subscription = subscriber.subscribe("large");
  await subscriber.flush();
  const sent = [1048576, 1, 1023, 1024, 1025, 65536, 65537, 300000, 1048575, 0].map((size, k) => {
    const data = new Uint8Array(size).map((_, i) => i * 7 + (i >> 8) + k);
    publisher.publish("large", data);
    return digest(data);
  });
  const got = [];
  for await (const message of subscription) {
    got.push(digest(message.data));
    if (got.length === sent.length) break;
  }
  assert.deepEqual(got, sent);
  assert.throws(() => publisher.publish("large", new Uint8Array(1048577)), { code: ErrorCode.MaxPayloadExceeded });
});

test("what was flushed here is there after a flush there", async () => {
  const peers = await Promise.all(Array.from({ length: 5 }, () => client()));
  const subscriptions = peers.map((peer, i) => peer.subscribe(`flush.${i}`, { callback: () => {} }));
  await Promise.all(peers.map((peer) => peer.flush()));
  for (let i = 0; i < scaled(2000); i++) {
    const [from, to] = [i % 5, (i * 3 + 1) % 5];
    const before = subscriptions[to].getReceived();
    peers[from].publish(`flush.${to}`);
    await peers[from].flush();
    await peers[to].flush();
    assert.equal(subscriptions[to].getReceived(), before + 1, `round ${i}`);
  }
});

test("two hundred connections", async () => {
  const many = await Promise.all(Array.from({ length: scaled(200) }, () => client()));
  const subscriptions = many.map((connection) => connection.subscribe("many.all", { callback: () => {} }));
  await Promise.all(many.map((connection) => connection.flush()));
  many[0].publish("many.all");
  await many[0].flush();
  await Promise.all(many.map((connection) => connection.flush()));
  assert.ok(subscriptions.every((subscription) => subscription.getReceived() === 1));
  await Promise.all(many.map((connection) => connection.close()));
});

test("a protocol error of one client is nobody else's", async () => {
  const [bad, good] = [await client({ reconnect: false, pedantic: true }), await client()];
  bad.protocol.sendCommand("NONSENSE\r\n");
  const error = await bad.closed();
  assert.match(String(error), /unknown protocol operation/i);
  await good.flush();
});

// A broker of this test's own, on a certain port.
async function broker(directory, at, flags = []) {
  const path = process.env.TERN_TEST_BROKER;
  const own = ["-a", "127.0.0.1", "-p", String(at), "--ports_file_dir", directory];
  const child = spawn(path, [...own, ...flags], { stdio: "ignore" });
  const ports = join(directory, `${basename(path)}_${child.pid}.ports`);
  for (let i = 0; i < 2000 * scale; i++) {
    try {
      const url = JSON.parse(readFileSync(ports, "utf8")).nats[0];
      return { child, port: Number(url.slice(url.lastIndexOf(":") + 1)) };
    } catch {
      await sleep(10);
    }
  }
  child.kill("SIGKILL");
  throw new Error("the broker wrote no ports file");
}

const ended = (child) => new Promise((resolve) => child.once("exit", (code) => resolve(code)));

test("reconnect after a restart on the same port", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tern-e2e-"));
  let server = await broker(directory, -1);
  try {
    const connection = await client({ servers: `127.0.0.1:${server.port}`, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
    const subscription = connection.subscribe("re.*", { callback: () => {} });
    await connection.flush();
    const back = (async () => {
      for await (const status of connection.status()) if (status.type === Events.Reconnect) return;
    })();
    const exit = ended(server.child);
    server.child.kill("SIGINT");
    assert.equal(await exit, 0);
    server = await broker(directory, server.port);
    await back;
    await connection.flush(); // the client has sent its subscription again; now the broker has it
    const other = await client({ servers: `127.0.0.1:${server.port}` });
    other.publish("re.1");
    await other.flush();
    await connection.flush();
    assert.equal(subscription.getReceived(), 1);
    await Promise.all([connection.close(), other.close()]);
  } finally {
    const exit = ended(server.child);
    server.child.kill("SIGINT");
    assert.equal(await exit, 0);
    rmSync(directory, { recursive: true });
  }
});

test("the system account hears of connections, and sends them away", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tern-e2e-"));
  const config = join(directory, "config");
  writeFileSync(config, `accounts { $SYS { users: [{user: s, password: s}] }, A { users: [{user: a, password: a}] } }`);
  const server = await broker(directory, -1, ["-c", config]);
  const servers = `127.0.0.1:${server.port}`;
  try {
    const system = await client({ servers, user: "s", pass: "s" });
    const events = system.subscribe("$SYS.ACCOUNT.A.*");
    await system.flush();
    const other = await client({ servers, user: "a", pass: "a", name: "other", reconnect: false });
    const info = JSON.parse(text.decode((await other.request("$SYS.REQ.USER.INFO", undefined, { timeout: 20000 * scale })).data));
    assert.deepEqual(info.data, { user: "a", account: "A" });
    const [[, connected]] = await take(events, 1);
    const { server: where, client: who } = JSON.parse(connected);
    assert.deepEqual([who.name, who.acc, who.id], ["other", "A", other.info.client_id]);
    const gone = system.subscribe("$SYS.ACCOUNT.A.DISCONNECT");
    const kick = `$SYS.REQ.SERVER.${where.id}.KICK`;
    const order = text.encode(JSON.stringify({ cid: who.id }));
    const answer = JSON.parse(text.decode((await system.request(kick, order, { timeout: 20000 * scale })).data));
    assert.equal(answer.error, undefined);
    await other.closed();
    const [[, disconnected]] = await take(gone, 1);
    assert.equal(JSON.parse(disconnected).reason, "Kicked");
    await system.close();
  } finally {
    const exit = ended(server.child);
    server.child.kill("SIGINT");
    assert.equal(await exit, 0);
    rmSync(directory, { recursive: true });
  }
});
