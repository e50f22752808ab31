// A service that owns no secret but what it logs in with: its database user is leased, and ends when the service does.

import { setTimeout as sleep } from "node:timers/promises";

import vault from "node-vault";
import pg from "pg";

import { type Config, fromEnvironment } from "./config.js";
import { Keeper } from "./keeper.js";
import { log } from "./log.js";
import { reason, statusOf } from "./retry.js";
import * as sources from "./sources.js";

/** No request to the server, and no query, waits longer. */
const TIMEOUT_MS = 5_000;

async function main(): Promise<void> {
  const config = fromEnvironment();
  const client = vault({ endpoint: config.address, requestOptions: { timeout: TIMEOUT_MS } });
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort());

  // Credentials end with the token that asked for them: a new token means a new credential.
  const credentials: Keeper<sources.Credential> = new Keeper(
    sources.credential(client, config, () => tokens.current()),
    stop.signal,
  );
  const tokens: Keeper<sources.Token> = new Keeper(sources.token(client, config), stop.signal, () => credentials.drop());

  try {
    // Whichever fails for good ends all.
    await Promise.all([tokens.run(), credentials.run(), work(client, config, tokens, credentials, stop.signal)]);
  } catch (error) {
    if (!stop.signal.aborted) {
      stop.abort();
      throw error;
    }
  } finally {
    await leave(client);
  }
}

/** The service's own business: reads a secret, counts in another, and asks the database who it is. */
async function work(
  client: vault.client,
  config: Config,
  tokens: Keeper<sources.Token>,
  credentials: Keeper<sources.Credential>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const credential = await credentials.current();
    try {
      const visits = await count(client, `${config.kvMount}/data/${config.kvPath}`);
      log("worked", { user: await whoAmI(config, credential), visits });
    } catch (error) {
      log("work failed", { reason: reason(error) });
      // The server forgot the token, or ended it: all that hangs on it is gone as well.
      if (statusOf(error) === 403) tokens.drop();
      // 28P01, 28000: the database no longer lets this user in.
      if (["28P01", "28000"].includes((error as { code?: string }).code ?? "")) credentials.drop();
    }
    await sleep(config.interval, undefined, { signal }).catch(() => {});
  }
}

/** Adds one to a number in a KV version 2 secret. Somebody else's write in between makes it fail, not overwrite. */
async function count(client: vault.client, path: string): Promise<number> {
  const { data } = await client.read(path);
  const visits = Number(data.data.visits ?? 0) + 1;
  await client.write(path, { options: { cas: data.metadata.version }, data: { ...data.data, visits } });
  return visits;
}

async function whoAmI(config: Config, credential: sources.Credential): Promise<string> {
  const database = new pg.Client({
    host: config.database.host,
    port: config.database.port,
    database: config.database.name,
    user: credential.username,
    password: credential.password,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  // A connection that the server ends tells this besides failing the query under way.
  database.on("error", () => {});
  await database.connect();
  try {
    const { rows } = await database.query<{ current_user: string }>("SELECT current_user");
    return rows[0]?.current_user ?? "";
  } finally {
    await database.end();
  }
}

/** Hands the token back, and with it all that was leased under it. What cannot be handed back now ends by itself. */
async function leave(client: vault.client): Promise<void> {
  if (!client.token) return;
  try {
    await client.tokenRevokeSelf();
    log("revoked");
  } catch (error) {
    log("not revoked", { reason: reason(error) });
  }
}

main().catch((error: unknown) => {
  log("failed", { reason: reason(error) });
  process.exitCode = 1;
});
