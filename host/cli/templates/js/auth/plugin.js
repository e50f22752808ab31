// Logging in with a key that the client and the server share.
import { generate, open } from "coffer:plugin/keys@0.1.0";
import { children, delete as remove, get, put } from "coffer:plugin/storage@0.1.0";

const field = (name, kind, help, required = false) => ({
  name, kind, help, required, deprecated: false, default: "", destination: false,
});
const path = (pattern, operations, help, ...fields) => ({
  pattern, operations, fields, help, unauthenticated: false, sudo: false, checksExistence: false,
});

// What the host turns into an HTTP status; the message is what the caller reads.
const refuse = (kind, message) => {
  throw { kind, message };
};

const answer = (data, auth) => ({
  status: undefined, data: data && JSON.stringify(data), warnings: [], auth, ttl: 0n,
});
const read = (key) => {
  const kept = get(key);
  return kept && JSON.parse(new TextDecoder().decode(kept));
};
const write = (key, value) => put(key, new TextEncoder().encode(JSON.stringify(value)));

// A code of the user's key, which only the host can make.
const code = (key) => {
  if (!open("mac")) generate("mac", "hmac");
  return [...open("mac").mac(new TextEncoder().encode(key))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

const list = (given) => (Array.isArray(given) ? given : String(given ?? "").split(",")).map((each) => String(each).trim()).filter(Boolean);

const users = {
  list: () => answer({ keys: children("users/", undefined, 1000) }),
  read(name) {
    const { policies } = read(`users/${name}`) ?? refuse("not-found", "");
    return answer({ policies });
  },
  write(name, { key, policies }) {
    if (typeof key !== "string" || key.length < 20) refuse("invalid-request", "key has 20 characters at least");
    return answer(write(`users/${name}`, { code: code(key), policies: list(policies) }));
  },
  delete: (name) => answer(remove(`users/${name}`)),
};

const login = (name, { key }) => {
  const user = read(`users/${name}`);
  // Codes of a key that nobody knows: comparing them tells nothing of the key.
  if (code(String(key ?? "")) !== user?.code) refuse("permission-denied", "wrong name or key");
  return answer(undefined, {
    policies: user.policies, noDefaultPolicy: false, displayName: name, alias: { name, metadata: [] }, metadata: [],
    internal: JSON.stringify({ name }), renewable: true, ttl: 0n, maxTtl: 0n, explicitMaxTtl: 0n, period: 0n,
    numUses: 0, boundCidrs: [], kind: "default",
  });
};

export const engine = {
  describe: () => ({
    kind: "auth",
    name: "@name@",
    version: "1.0.0",
    help: "@description@",
    paths: [
      path("users", ["list"], "Lists the users."),
      path("users/{name}", ["read", "write", "delete"], "Who may log in, and what for.",
        field("name", "text", "The user.", true), field("key", "text", "The user's key.", true),
        field("policies", "text-list", "Policies of the user's tokens.")),
      { ...path("login/{name}", ["write"], "Logs in.", field("name", "text", "The user.", true), field("key", "text", "The user's key.", true)), unauthenticated: true },
    ],
    tick: 0n,
  }),

  handle({ operation, path, data }) {
    const [first, name] = path.replace(/\/$/, "").split("/");
    const known = { users: name ? users[operation] : operation === "list" && users.list, login: operation === "write" && name && login };
    if (!(first in known)) refuse("not-found", "unsupported path");
    return (known[first] || refuse("unsupported-operation", "unsupported operation"))(name, JSON.parse(data));
  },

  exists: () => undefined,
  // A token lives on for as long as its user is there.
  renew({ internal }) {
    if (!get(`users/${JSON.parse(internal).name}`)) refuse("permission-denied", "the user is gone");
    return { ttl: 0n, maxTtl: 0n, period: 0n };
  },
  revoke() {},
  tick() {},
};
