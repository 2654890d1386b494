// What is documented of APNs, on HTTP/2 of Node.js: the server of the tests, whose answers a client of npm reads there.
const { execFileSync, spawn } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const readline = require('node:readline');
const { generateKeyPairSync } = require('node:crypto');

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const folder = mkdtempSync(join(tmpdir(), 'otpost-apns-'));
const [ca, key] = ['ca.pem', 'key.pem'].map((name) => join(folder, name));
const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
execFileSync('openssl', [...request, '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', ca], { stdio: 'ignore' });

const pair = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const [team, keyId, topic] = ['DEF123GHIJ', 'ABC123DEFG', 'com.bank.app'];
const settings = { certificate: readFileSync(ca, 'utf8'), key: readFileSync(key, 'utf8'), team, keyId, topic, publicKey: pair.publicKey };
const script = readFileSync(join(__dirname, '../it/support/apns.js'), 'utf8');
const server = spawn(process.execPath, ['-e', script, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] });

readline.createInterface({ input: server.stdout }).on('line', (line) => {
  const event = JSON.parse(line);
  if (typeof event === 'number') {
    const provider = { url: `https://localhost:${event}`, ca, private_key: pair.privateKey, key_id: keyId, team, topic };
    write({ partner: 'HTTP/2 of Node.js, as APNs is documented', contact: '00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0', provider });
  } else if (event.status === 200) {
    write({ to: event.path.split('/').pop(), text: event.body.body });
  } else {
    write({ error: `answered with ${event.status}` });
  }
});
process.stdin.resume().on('end', () => {
  server.kill();
  rmSync(folder, { recursive: true });
  process.exit(0);
});
