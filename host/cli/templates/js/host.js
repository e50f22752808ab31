// A host in memory: in tests, `coffer:plugin/...` is this.
import { createHmac, randomBytes } from "node:crypto";
import { register } from "node:module";

const state = (globalThis.cofferHost = {
  storage: new Map(),
  keys: new Map(),
  leases: [],
  now: 1_700_000_000_000n,
  /** What answers the plugin's HTTP requests. */
  answer: undefined,

  /** Nothing is there any more. */
  reset() {
    this.storage.clear();
    this.keys.clear();
    this.leases.length = 0;
  },

  /** Calls the plugin as a server does: what it has put is dropped if it fails. */
  call(engine, operation, path, data = {}) {
    const before = new Map(this.storage);
    try {
      const caller = { displayName: "test", token: "t", remoteAddress: "127.0.0.1" };
      const answer = engine.handle({ operation, path, data: JSON.stringify(data), caller });
      return { ...answer, data: answer.data && JSON.parse(answer.data) };
    } catch (error) {
      this.storage = before;
      throw error;
    }
  },

  /** Ends the last lease. */
  revoke(engine) {
    const { internal } = this.leases.pop();
    engine.revoke({ leaseId: "l", kind: "secret", path: "", internal, issued: 0n, expires: 0n });
  },

  modules: {
    clock: { now: () => state.now },
    random: { bytes: (len) => new Uint8Array(randomBytes(len)) },
    log: { write() {} },
    http: { send: (request) => state.answer(request) },
    storage: {
      get: (key) => state.storage.get(key),
      put: (key, value) => void state.storage.set(key, value),
      delete: (key) => void state.storage.delete(key),
      children: (prefix) => [...state.storage.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)).sort(),
    },
    effects: {
      prepare(lease) {
        if (!lease) return undefined;
        state.leases.push(lease);
        return { leaseId: "l", ttl: lease.ttl, expires: state.now, renewable: lease.renewable };
      },
    },
    keys: {
      generate: (name) => void state.keys.set(name, randomBytes(32)),
      open: (name) => state.keys.has(name)
        ? { mac: (data) => new Uint8Array(createHmac("sha256", state.keys.get(name)).update(data).digest()) }
        : undefined,
    },
  },
});

// What Node.js loads instead.
const hooks = `
export async function resolve(specifier, context, next) {
  if (!specifier.startsWith("coffer:plugin/")) return next(specifier, context);
  return { url: specifier, shortCircuit: true };
}
export async function load(url, context, next) {
  if (!url.startsWith("coffer:plugin/")) return next(url, context);
  const name = url.slice("coffer:plugin/".length).split("@")[0];
  const names = ${JSON.stringify(Object.fromEntries(Object.entries(state.modules).map(([name, functions]) => [name, Object.keys(functions)])))}[name] ?? [];
  const lines = names.map((each) => "const " + each + "_ = (...all) => globalThis.cofferHost.modules." + name + "[" + JSON.stringify(each) + "](...all); export { " + each + "_ as " + each + " };");
  return { format: "module", source: lines.join("\\n"), shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
