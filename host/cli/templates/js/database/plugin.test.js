import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { backend } from "./plugin.js";

const host = globalThis.cofferHost;
const config = { connection_url: "http://db:7000", username: "admin", password: "secret" };
const users = new Set();

// A server in memory.
const status = ({ method, url, headers }) => {
  const given = Object.fromEntries(headers);
  const name = url.split("http://db:7000/users/")[1];
  if (given.authorization !== "Basic YWRtaW46c2VjcmV0") return 401;
  if (!name) return 200;
  if (method === "PUT" && users.has(name)) return given["if-none-match"] === "*" ? 412 : 200;
  if (method === "PUT") return users.add(name) && 201;
  if (!users.has(name)) return 404;
  if (method === "DELETE") users.delete(name);
  return 200;
};

beforeEach(() => {
  users.clear();
  host.answer = (request) => ({ status: status(request), headers: [], body: new Uint8Array() });
  backend.open(JSON.stringify(config));
});

const user = { username: "app", password: "one", statements: [] };

test("a user is made once and removed for good", () => {
  backend.ping();
  backend.createUser(user);
  assert.throws(() => backend.createUser(user), { kind: "conflict" });
  backend.updateUser({ username: "app", password: "two" });
  backend.deleteUser({ username: "app" });
  backend.deleteUser({ username: "app" });
  assert.equal(backend.exists("app"), false);
});

test("names are new and plain", () => {
  const naming = { displayName: "o'neil@example.com", roleName: "app", template: "" };
  const [one, two] = [backend.username(naming), backend.username(naming)];
  assert.ok(one.startsWith("v-o-neil-e-app-"), one);
  assert.notEqual(one, two);
});

test("what is wrong is said", () => {
  assert.throws(() => backend.createUser({ ...user, statements: ["x"] }), { kind: "invalid-request" });
  assert.throws(() => backend.open(JSON.stringify({ connection_url: "db" })), { kind: "invalid-request" });
  backend.open(JSON.stringify({ ...config, username: "nobody" }));
  assert.throws(() => backend.ping(), { kind: "unavailable" });
});
