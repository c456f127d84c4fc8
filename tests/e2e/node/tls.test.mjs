// SPDX-License-Identifier: Apache-2.0
// The JavaScript client over TLS, run by tls.py once for each way to secure connections (TERN_TEST_MODE).
import assert from "node:assert/strict";
import { test } from "node:test";
import nats from "nats";

const { connect, StringCodec } = nats;
const port = process.env.TERN_TEST_PORT;
const mode = process.env.TERN_TEST_MODE;
const certs = process.env.TERN_TEST_CERTS;
const scale = Math.max(1, Number(process.env.TERN_TEST_SCALE ?? "1"));
const text = StringCodec();
const own = { certFile: `${certs}/client.pem`, keyFile: `${certs}/client.key` };

function join(tls) {
  const servers = `localhost:${port}`;
  return connect({ servers, timeout: 20000 * scale, reconnect: false, tls });
}

function secured(more = {}) {
  return join({ caFile: `${certs}/ca.pem`, ...more });
}

// Publishes, subscribes and asks, with a payload of many records.
async function works(connection) {
  const large = "x".repeat(300000);
  const sub = connection.subscribe("svc");
  (async () => {
    for await (const message of sub) message.respond(message.data);
  })();
  for (const data of ["", "small", large]) {
    const answer = await connection.request("svc", text.encode(data), { timeout: 20000 * scale });
    assert.equal(text.decode(answer.data), data);
  }
  await connection.close();
}

test("a secured client works", async () => {
  const more = mode === "first" || mode === "auto" ? { handshakeFirst: true } : mode === "verify" ? own : {};
  const connection = await secured(more);
  if (mode !== "available") assert.equal(connection.info.tls_required, true);
  await works(connection);
});

test("a client that upgrades after INFO", { skip: mode === "first" }, async () => {
  await works(await secured(mode === "verify" ? own : {}));
});

test("a client without TLS", async () => {
  if (mode === "available") {
    await works(await join(null));
  } else {
    await assert.rejects(join(null));
  }
});

test("a client that trusts somebody else", async () => {
  const more = mode === "first" ? { handshakeFirst: true } : {};
  await assert.rejects(join({ caFile: `${certs}/stranger.pem`, ...more }));
});

test("a client without a certificate", { skip: mode !== "verify" }, async () => {
  await assert.rejects(secured());
});
