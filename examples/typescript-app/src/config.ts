// What the service is told by its environment.

export interface Config {
  /** Where Coffer (or Vault, or OpenBao) listens. */
  readonly address: string;
  readonly roleId: string;
  readonly secretId: string;
  /** The role of the database engine that credentials are asked of. */
  readonly credsPath: string;
  /** A KV version 2 secret, without its mount. */
  readonly kvMount: string;
  readonly kvPath: string;
  readonly database: { readonly host: string; readonly port: number; readonly name: string };
  /** Milliseconds between two pieces of work. */
  readonly interval: number;
}

export function fromEnvironment(env: NodeJS.ProcessEnv = process.env): Config {
  return {
    address: env["VAULT_ADDR"] ?? "http://127.0.0.1:8200",
    roleId: required(env, "ROLE_ID"),
    secretId: required(env, "SECRET_ID"),
    credsPath: env["CREDS_PATH"] ?? "database/creds/app",
    kvMount: env["KV_MOUNT"] ?? "secret",
    kvPath: env["KV_PATH"] ?? "app",
    database: {
      host: env["PGHOST"] ?? "127.0.0.1",
      port: Number(env["PGPORT"] ?? "5432"),
      name: env["PGDATABASE"] ?? "app",
    },
    interval: Number(env["INTERVAL_MS"] ?? "5000"),
  };
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}
