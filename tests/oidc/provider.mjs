// A campus: oidc-provider with its own pages, some people, and a clock that can be set.
//
// Usage: node provider.mjs '{"port": ..., "client": {...}, "people": {"LOGIN": {"CLAIM": ...}}}'; a line on standard input
// is the number of seconds by which its clock is to be wrong from now on.
import { createInterface } from 'node:readline';

const right = Date.now;
let wrong = 0;
Date.now = () => right() + 1000 * wrong;
const { default: Provider } = await import('oidc-provider');

const { port, client, people } = JSON.parse(process.argv[2]);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client],
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
provider.listen(port, '127.0.0.1', () => console.log('ready'));
createInterface({ input: process.stdin }).on('line', (line) => {
  wrong = Number(line);
  console.log('set');
});
