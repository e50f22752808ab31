import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { engine } from "./plugin.js";

const host = globalThis.cofferHost;
beforeEach(() => host.reset());

test("a key is good until its lease ends", () => {
  host.call(engine, "write", "roles/app", { ttl: "10m" });
  const { key } = host.call(engine, "read", "keys/app").data;
  assert.deepEqual(host.call(engine, "write", "check", { key }).data, { role: "app" });
  assert.equal(host.leases[0].ttl, 600n);
  host.revoke(engine);
  assert.throws(() => host.call(engine, "write", "check", { key }), { kind: "permission-denied" });
  assert.ok(![...host.storage.keys()].some((name) => name.startsWith("keys/")), "nothing is left behind");
});

test("what is wrong is said", () => {
  for (const [operation, path, data, kind] of [
    ["read", "keys/nobody", {}, "invalid-request"],
    ["read", "roles/nobody", {}, "not-found"],
    ["write", "roles/app", { ttl: "soon" }, "invalid-request"],
    ["write", "check", {}, "invalid-request"],
    ["read", "nowhere", {}, "not-found"],
    ["delete", "keys/app", {}, "unsupported-operation"],
  ]) {
    assert.throws(() => host.call(engine, operation, path, data), { kind }, path);
  }
});
