// A secret engine in JavaScript: it keeps a greeting under a name, and reads it back.
import { get, put } from "coffer:plugin/storage@0.1.0";

const text = (name, help) => ({
  name, kind: "text", help, required: true, deprecated: false, default: "", destination: false,
});

// What the host turns into an HTTP status; the message is what the caller reads.
const refuse = (kind, message) => {
  throw { kind, message };
};

const PATH = /^greetings\/([^/]+)$/;

export const engine = {
  describe: () => ({
    kind: "secret",
    name: "js-greeter",
    version: "1.0.0",
    help: "Keeps greetings.",
    paths: [{
      pattern: "greetings/{name}",
      operations: ["read", "write"],
      fields: [text("name", "Whom it is for."), text("greeting", "What to say.")],
      help: "A greeting.",
      unauthenticated: false,
      sudo: false,
      checksExistence: false,
    }],
    tick: 0n,
  }),

  handle({ operation, path, data }) {
    const [, name] = PATH.exec(path) ?? refuse("not-found", "unsupported path");
    const key = `greetings/${name}`;
    const answer = { status: undefined, data: undefined, warnings: [], auth: undefined, ttl: 0n };
    switch (operation) {
      case "write": {
        const { greeting } = JSON.parse(data);
        if (typeof greeting !== "string" || greeting === "") refuse("invalid-request", "missing greeting");
        put(key, new TextEncoder().encode(greeting));
        return answer;
      }
      case "read": {
        const kept = get(key) ?? refuse("not-found", "");
        const greeting = new TextDecoder().decode(kept);
        return { ...answer, data: JSON.stringify({ greeting: `${greeting}, ${name}!` }) };
      }
      default:
        return refuse("unsupported-operation", "unsupported operation");
    }
  },

  exists: () => undefined,
  renew: () => refuse("invalid-request", "lease is not renewable"),
  revoke() {},
  tick() {},
};
