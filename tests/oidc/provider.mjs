// An OpenID provider, in memory: anybody logs in, with any password. Says on its first line of output where it is. Its arguments
// are where browsers may be sent back to.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const server = createServer((request, response) => handler(request, response));
let handler = (_, response) => response.writeHead(503).end();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

// It warns of what is only for development; here everything is.
console.info = console.warn = () => {};
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'coffer',
      client_secret: 'it is: a "secret"',
      // Programs on somebody's own machine listen at any port.
      application_type: 'native',
      redirect_uris: process.argv.slice(2),
      grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
    },
  ],
  claims: { openid: ['sub'], email: ['email'], groups: ['groups'] },
  features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.test`, groups: id === 'joe' ? ['dev', 'ops'] : [] }),
  }),
});
handler = provider.callback();
console.log(issuer);

// Nobody is left to use it when whoever started it is gone.
process.stdin.on('end', () => process.exit()).resume();
