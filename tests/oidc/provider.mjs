// A campus: oidc-provider with its own pages, some people, and a clock that can be set.
//
// Usage: node provider.mjs '{"issuer": URL, "tls": {"key": FILE, "cert": FILE}, "client_secret": ..., "back": [URL...], "people":
// {"LOGIN": {"CLAIM": ...}}}'; `tls` where the issuer is https. It listens where the issuer's URL says. A line on standard
// input is the number of seconds by which its clock is to be wrong from now on.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createInterface } from 'node:readline';

const right = Date.now;
let wrong = 0;
Date.now = () => right() + 1000 * wrong;
const { default: Provider } = await import('oidc-provider');

const { issuer, tls, client_secret, back, people } = JSON.parse(process.argv[2]);
const provider = new Provider(issuer, {
  clients: [{ client_id: 'classroom', client_secret, redirect_uris: back }],
  findAccount: (_, login) =>
    people[login] && { accountId: login, claims: () => ({ sub: login, ...people[login] }) },
  claims: {
    profile: ['name', 'preferred_username', 'groups'],
    email: ['email', 'email_verified'],
  },
  ttl: { IdToken: 600 },
  pkce: { required: () => true },
  cookies: { keys: ['of the tests'] },
});
const server = tls
  ? https.createServer({ key: readFileSync(tls.key), cert: readFileSync(tls.cert) }, provider.callback())
  : http.createServer(provider.callback());
const { hostname, port } = new URL(issuer);
server.listen(Number(port) || 443, hostname, () => console.log('ready'));
createInterface({ input: process.stdin }).on('line', (line) => {
  wrong = Number(line);
  console.log('set');
});
