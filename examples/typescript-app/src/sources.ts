// What is leased here, and how it is had from the server.

import type vault from "node-vault";

import type { Config } from "./config.js";
import type { Leased, Source } from "./keeper.js";

export interface Token extends Leased {
  readonly accessor: string;
}

export interface Credential extends Leased {
  readonly leaseId: string;
  readonly username: string;
  readonly password: string;
}

export function token(client: vault.client, config: Config): Source<Token> {
  return {
    name: "token",
    async acquire() {
      // The client keeps the token and sends it from here on.
      const { auth } = await client.approleLogin({ role_id: config.roleId, secret_id: config.secretId });
      return { ttl: auth.lease_duration, renewable: auth.renewable, accessor: auth.accessor };
    },
    async renew() {
      const { auth } = await client.tokenRenewSelf();
      return { ttl: auth.lease_duration, renewable: auth.renewable };
    },
    describe: ({ accessor }) => ({ accessor }),
  };
}

/** Credentials are asked for with a token: `ready` resolves when there is one. */
export function credential(client: vault.client, config: Config, ready: () => Promise<unknown>): Source<Credential> {
  return {
    name: "credential",
    async acquire() {
      await ready();
      const { lease_id, lease_duration, renewable, data } = await client.read(config.credsPath);
      return { leaseId: lease_id, ttl: lease_duration, renewable, username: data.username, password: data.password };
    },
    async renew(held) {
      const { lease_duration, renewable } = await client.renew({ lease_id: held.leaseId });
      return { ttl: lease_duration, renewable };
    },
    describe: ({ leaseId, username }) => ({ leaseId, username }),
  };
}
