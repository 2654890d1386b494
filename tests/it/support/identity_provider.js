// oidc-provider of npm as the identity provider of one test. It writes its port; then it is configured by PUT /test, as often as the
// test likes: who its users are and in which groups, and where its one client is. GET /test says how often its keys were asked for.
const http = require('node:http');
const { generateKeyPairSync } = require('node:crypto');
const { Provider } = require('oidc-provider');

// What it says about its development settings is of no interest.
console.warn = console.info = () => {};

const keys = [
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
  generateKeyPairSync('ec', { namedCurve: 'P-256' }),
].map(({ privateKey }, at) => ({ ...privateKey.export({ format: 'jwk' }), kid: `key-${at}`, use: 'sig' }));
let provider;
let users = {};
// How often its keys were asked for.
let asked = 0;

function configure(issuer, { redirect, logout, algorithm, method }) {
  provider ??= new Provider(issuer, {
    clients: [{
      client_id: 'otpost',
      client_secret: 'a secret: with / and +',
      redirect_uris: [redirect],
      backchannel_logout_uri: logout,
      id_token_signed_response_alg: algorithm,
      token_endpoint_auth_method: method,
    }],
    clientAuthMethods: [method],
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: users[id]?.name ?? id, groups: users[id]?.groups ?? [] }),
    }),
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256'] },
    features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
    // By default it sends nothing to this machine.
    fetch: (url, { method, headers, body }) => fetch(url, { method, headers, body }),
    cookies: { keys: ['test'] },
    jwks: { keys },
    pkce: { required: () => true },
  });
  provider.on('server_error', (_, error) => console.error(error));
}

const server = http.createServer((request, response) => {
  if (request.url === '/test' && request.method === 'PUT') {
    let text = '';
    request.on('data', (part) => { text += part; });
    request.on('end', () => {
      const test = JSON.parse(text);
      users = test.users;
      configure(`http://127.0.0.1:${server.address().port}`, test);
      response.end();
    });
    return;
  }
  if (request.url === '/test') return response.end(String(asked));
  if (request.url === '/jwks') asked += 1;
  if (provider) provider.callback()(request, response);
  else response.writeHead(503).end();
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
