// Users of a server that is told over HTTP. A component is one connection to it.
import { send } from "coffer:plugin/http@0.1.0";
import { bytes } from "coffer:plugin/random@0.1.0";

let settings = {};

// What the host turns into an HTTP status; the message is what the caller reads.
const refuse = (kind, message) => {
  throw { kind, message };
};

// Says something to the server, and gives the status if it is one of those expected.
const ask = (method, path, expected, content, ...more) => {
  const login = btoa(`${settings.username ?? ""}:${settings.password ?? ""}`);
  const headers = [["authorization", `Basic ${login}`], ["content-type", "application/json"], ...more];
  const body = new TextEncoder().encode(content ? JSON.stringify(content) : "");
  const url = settings.connection_url.replace(/\/$/, "") + path;
  const { status } = send({ method, url, headers, body, tls: undefined });
  return expected.includes(status) ? status : refuse("unavailable", `the server answers ${method} ${path} with ${status}`);
};

// Who logs in by a name of their own choice has a say in these.
const plain = (name) => name.replace(/[^A-Za-z0-9]/g, "-").slice(0, 8);

export const backend = {
  describe: () => ({
    name: "@name@",
    version: "1.0.0",
    help: "@description@",
    // What stands in this field may be connected to, and nothing else.
    destinationFields: ["connection_url"],
    defaultPort: 80,
    secretFields: [],
  }),

  open(config) {
    const given = JSON.parse(config);
    if (!/^https?:\/\//.test(given.connection_url)) refuse("invalid-request", "connection_url is no URL of HTTP");
    settings = given;
  },

  username({ displayName, roleName, template }) {
    if (template) refuse("invalid-request", "this backend takes no username_template");
    const random = [...bytes(10)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return `v-${plain(displayName)}-${plain(roleName)}-${random}`;
  },

  exists: (username) => ask("GET", `/users/${username}`, [200, 404]) === 200,

  createUser({ username, password, statements }) {
    if (statements.length) refuse("invalid-request", "this backend takes no statements");
    // The server refuses a name that is taken: nobody can come between then.
    const status = ask("PUT", `/users/${username}`, [201, 412], { password }, ["if-none-match", "*"]);
    if (status === 412) refuse("conflict", `user ${JSON.stringify(username)} is there already`);
  },

  // It need not know of a new expiry: the engine removes the user when the lease ends.
  updateUser({ username, password }) {
    if (password !== undefined) ask("PUT", `/users/${username}`, [200, 204], { password });
  },

  deleteUser({ username }) {
    ask("DELETE", `/users/${username}`, [200, 204, 404]);
  },

  ping() {
    ask("GET", "/health", [200]);
  },
};
