// Every command of node-vault that there is an engine or a method for, on a new server. What the client's own schemas say of
// answers is checked here: the client checks only what it sends. Says "done" at the end, or which command went wrong.
const { createRequire } = require("node:module");
const load = createRequire(process.env.NODE_MODULES);
const tv4 = load("tv4");
const commands = load("node-vault/src/commands.js");
const vault = load("node-vault")({ apiVersion: "v1", endpoint: process.env.VAULT_ADDR });

const called = new Set();

async function call(name, args = {}) {
  called.add(name);
  // Some commands make the token of their answer the client's: who it is, is said here alone.
  const { token } = vault;
  let answer;
  try {
    answer = await vault[name](args);
    vault.token = token;
  } catch (error) {
    throw new Error(`${name}: ${error.message} ${JSON.stringify(error.response?.body ?? "")}`);
  }
  const schema = commands[name].schema?.res;
  if (schema && !tv4.validate(withoutNulls(answer), schema)) {
    throw new Error(`${name}: ${tv4.error.message} at ${tv4.error.dataPath}: ${JSON.stringify(answer)}`);
  }
  return answer;
}

// Servers, Vault itself too, answer null where the schemas have only what may be there.
function withoutNulls(value) {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const there = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(there.map(([name, inner]) => [name, withoutNulls(inner)]));
}

function must(holds, what) {
  if (!holds) throw new Error(what);
}

async function lifecycle() {
  must((await call("initialized")).initialized === false, "it is new");
  const made = await call("init", { secret_shares: 1, secret_threshold: 1 });
  vault.token = made.root_token;
  must((await call("unseal", { key: made.keys[0] })).sealed === false, "it is unsealed");
  must((await call("status")).sealed === false, "it says so");
  must((await call("health")).initialized === true, "it is initialized");
  await call("leader");
  await call("rotate");
  await call("stepDown");
  return made;
}

async function mountsAndPolicies() {
  await call("mount", { mount_point: "old", type: "kv", options: { version: "2" } });
  await call("remount", { from: "old", to: "secret" });
  // The move is done when the answer to this is there.
  while (!("secret/" in (await call("mounts")).data)) await new Promise((resolve) => setTimeout(resolve, 50));
  await vault.write("secret/data/a", { data: { x: 1 } });
  must((await vault.read("secret/data/a")).data.data.x === 1, "a secret is read");
  await call("destroySecretVersions", { path: "a", versions: [1] });
  await call("mount", { mount_point: "gone", type: "kv" });
  await call("unmount", { mount_point: "gone" });
  await call("addPolicy", { name: "app", rules: 'path "secret/data/*" { capabilities = ["read"] }' });
  must((await call("policies")).policies.includes("app"), "the policy is listed");
  must((await call("getPolicy", { name: "app" })).rules.includes("secret/data"), "and read");
  await call("enableAuth", { mount_point: "approle", type: "approle" });
  await call("enableAuth", { mount_point: "userpass", type: "userpass" });
  must("approle/" in (await call("auths")).data, "the method is listed");
  await call("enableAudit", { name: "out", type: "file", options: { file_path: "stdout" } });
  must("out/" in (await call("audits")).data, "the device is listed");
  await call("disableAudit", { name: "out" });
}

// Without metadata servers answer null there, where the client's schema wants an object.
const meta = { team: "web" };

async function tokens() {
  await call("addTokenRole", { role_name: "r", allowed_policies: "app" });
  await call("getTokenRole", { role_name: "r" });
  await call("tokenRoles");
  const made = await call("tokenCreate", { policies: ["app"], ttl: "1h", meta });
  await call("tokenCreateOrphan", { policies: ["app"], meta });
  await call("tokenCreateRole", { role_name: "r", policies: ["app"], meta });
  const { client_token: token, accessor } = made.auth;
  await call("tokenLookup", { token });
  await call("tokenLookupAccessor", { accessor });
  await call("tokenAccessors");
  await call("tokenRenew", { token });
  await call("tokenRevokeAccessor", { accessor });
  const again = async () => (await call("tokenCreate", { policies: ["app"], meta })).auth.client_token;
  await call("tokenRevoke", { token: await again() });
  await call("tokenRevokeOrphan", { token: await again() });
  const root = vault.token;
  vault.token = (await call("tokenCreate", { policies: ["default"], meta })).auth.client_token;
  await call("tokenLookupSelf");
  await call("tokenRenewSelf", { increment: "30m" });
  await call("tokenRevokeSelf");
  vault.token = root;
  await call("removeTokenRole", { role_name: "r" });
}

async function logins() {
  const role_name = "app";
  await call("addApproleRole", { role_name, policies: "app" });
  await call("getApproleRole", { role_name });
  await call("approleRoles");
  await call("updateApproleRoleId", { role_name, role_id: "chosen" });
  const { role_id } = (await call("getApproleRoleId", { role_name })).data;
  const { secret_id, secret_id_accessor } = (await call("getApproleRoleSecret", { role_name })).data;
  await call("approleSecretLookup", { role_name, secret_id });
  await call("approleSecretAccessorLookup", { role_name, secret_id_accessor });
  await call("approleSecretAccessors", { role_name });
  await call("approleLogin", { role_id, secret_id });
  await call("approleSecretDestroy", { role_name, secret_id });
  const other = (await call("getApproleRoleSecret", { role_name })).data;
  await call("approleSecretAccessorDestroy", { role_name, secret_id_accessor: other.secret_id_accessor });
  await call("deleteApproleRole", { role_name });
  await vault.write("auth/userpass/users/bo", { password: "swordfish" });
  await call("userpassLogin", { username: "bo", password: "swordfish" });
  await call("disableAuth", { mount_point: "userpass" });
}

async function wrappingAndLeases() {
  const wrapped = await vault.request({ method: "GET", path: "/secret/metadata/a", headers: { "X-Vault-Wrap-TTL": "60s" } });
  await call("unwrap", { token: wrapped.wrap_info.token });
  await call("revokePrefix", { path_prefix: "secret" });
  await call("revoke", { lease_id: "none" });
}

async function keyHolders(made) {
  const begun = await call("generateRootInit", { otp: "x".repeat(made.root_token.length) });
  await call("generateRootUpdate", { key: made.keys[0], nonce: begun.nonce });
  await call("generateRootInit", { otp: "x".repeat(made.root_token.length) });
  await call("generateRootCancel");
  await call("removePolicy", { name: "app" });
  await call("seal");
}

// What there is nothing for yet, or what is tried elsewhere with a database.
const without = /transit|encrypt|decrypt|rewrap|kubernetes|gcp|github|aws|ldap|okta|radius|cert|jwt|database|^renew$/i;

async function main() {
  const made = await lifecycle();
  await mountsAndPolicies();
  await tokens();
  await logins();
  await wrappingAndLeases();
  await keyHolders(made);
  const missed = Object.keys(commands).filter((name) => !called.has(name) && !without.test(name));
  must(missed.length === 0, `not called: ${missed}`);
  console.log("done");
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
