// API keys that are good until their lease ends.
import { prepare } from "coffer:plugin/effects@0.1.0";
import { generate, open } from "coffer:plugin/keys@0.1.0";
import { bytes } from "coffer:plugin/random@0.1.0";
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

const answer = (data) => ({
  status: undefined, data: data && JSON.stringify(data), warnings: [], auth: undefined, ttl: 0n,
});
const read = (key) => {
  const kept = get(key);
  return kept && JSON.parse(new TextDecoder().decode(kept));
};
const write = (key, value) => put(key, new TextEncoder().encode(JSON.stringify(value)));
const hex = (all) => [...all].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// Keys of storage are not encrypted: what stands there is a code of the API key, which only the host can make.
const place = (key) => {
  if (!open("mac")) generate("mac", "hmac");
  return `keys/${hex(open("mac").mac(new TextEncoder().encode(key)))}`;
};

const seconds = (given) => {
  const [, count, unit] = /^(\d{1,9})([smhd]?)$/.exec(String(given)) ?? refuse("invalid-request", "ttl is no duration");
  return Number(count) * { "": 1, s: 1, m: 60, h: 3600, d: 86400 }[unit];
};

const roles = {
  list: () => answer({ keys: children("roles/", undefined, 1000) }),
  read: (name) => answer(read(`roles/${name}`) ?? refuse("not-found", "")),
  write: (name, { ttl = 0 }) => answer(write(`roles/${name}`, { ttl: seconds(ttl) })),
  delete: (name) => answer(remove(`roles/${name}`)),
};

// The lease is there before the key is: whatever happens then, it will be revoked.
const issue = (name) => {
  const { ttl } = read(`roles/${name}`) ?? refuse("invalid-request", `there is no role "${name}"`);
  const key = hex(bytes(20));
  const kept = place(key);
  prepare({ ttl: BigInt(ttl), maxTtl: 0n, renewable: true, group: "", internal: JSON.stringify({ kept }) });
  write(kept, { role: name });
  return answer({ key });
};

const check = ({ key }) => {
  if (typeof key !== "string" || key === "") refuse("invalid-request", "missing key");
  return answer(read(place(key)) ?? refuse("permission-denied", "the key is not good, or no more"));
};

export const engine = {
  describe: () => ({
    kind: "secret",
    name: "@name@",
    version: "1.0.0",
    help: "@description@",
    paths: [
      path("roles", ["list"], "Lists the roles."),
      path("roles/{name}", ["read", "write", "delete"], "What keys are made for.",
        field("name", "text", "The role.", true), field("ttl", "duration", "How long its keys are good.")),
      path("keys/{name}", ["read"], "Makes a key.", field("name", "text", "The role.", true)),
      path("check", ["write"], "Whether a key is good.", field("key", "text", "The key.", true)),
    ],
    tick: 0n,
  }),

  handle({ operation, path, data }) {
    const [first, name] = path.replace(/\/$/, "").split("/");
    const given = JSON.parse(data);
    const known = { roles: name ? roles[operation] : operation === "list" && roles.list, keys: operation === "read" && name && issue };
    if (path === "check" && operation === "write") return check(given);
    if (!(first in known)) refuse("not-found", "unsupported path");
    return (known[first] || refuse("unsupported-operation", "unsupported operation"))(name, given);
  },

  exists: () => undefined,
  renew: (_, increment) => ({ ttl: increment, maxTtl: 0n, period: 0n }),
  revoke: ({ internal }) => remove(JSON.parse(internal).kept),
  tick() {},
};
