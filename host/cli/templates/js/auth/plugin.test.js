import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { engine } from "./plugin.js";

const host = globalThis.cofferHost;
const key = "0123456789abcdef0123";
beforeEach(() => host.reset());

test("who has the key gets what the user may", () => {
  host.call(engine, "write", "users/build", { key, policies: "app, ci" });
  const { auth } = host.call(engine, "write", "login/build", { key });
  assert.deepEqual(auth.policies, ["app", "ci"]);
  assert.deepEqual(engine.renew({ internal: auth.internal }, 0n).ttl, 0n);
  host.call(engine, "delete", "users/build");
  assert.throws(() => engine.renew({ internal: auth.internal }, 0n), { kind: "permission-denied" });
});

test("nobody else does", () => {
  host.call(engine, "write", "users/build", { key, policies: [] });
  for (const [name, given] of [["build", `${key}4`], ["build", ""], ["nobody", key]]) {
    assert.throws(() => host.call(engine, "write", `login/${name}`, { key: given }), { kind: "permission-denied" });
  }
  assert.throws(() => host.call(engine, "write", "users/build", { key: "short" }), { kind: "invalid-request" });
  assert.throws(() => host.call(engine, "read", "login/build"), { kind: "unsupported-operation" });
});
