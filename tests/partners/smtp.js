// A mail relay: the server of npm's smtp-server, with STARTTLS not offered and every recipient known. Mailboxes log in with access tokens.
const http = require('http');
const { SMTPServer } = require('smtp-server');

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// The plain part, which is base64 or quoted-printable.
function plainText(mail) {
  const part = mail.split(/^--.*$/m).find((it) => /content-type: text\/plain/i.test(it));
  if (!part) throw new Error('there is no plain part');
  const [head, ...rest] = part.trim().split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  if (/base64/i.test(head)) return Buffer.from(body, 'base64').toString();
  if (!/quoted-printable/i.test(head)) return body;
  const bytes = body.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
}

const server = new SMTPServer({
  disabledCommands: ['STARTTLS'],
  authMethods: ['XOAUTH2'],
  allowInsecureAuth: true,
  onAuth({ method, username, accessToken }, session, done) {
    const isKnown = method === 'XOAUTH2' && username === 'no-reply@example.org' && accessToken === 't-0';
    if (isKnown) return done(null, { user: username });
    return done(null, { data: { status: '401', schemes: 'bearer' } });
  },
  onData(stream, session, done) {
    const parts = [];
    stream.on('data', (part) => parts.push(part));
    stream.on('end', () => {
      try {
        write({ to: session.envelope.rcptTo[0].address, text: plainText(Buffer.concat(parts).toString()) });
      } catch (error) {
        write({ error: error.message });
      }
      done();
    });
  },
});

const tokens = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ access_token: 't-0', expires_in: 3599, token_type: 'Bearer' }));
});

tokens.listen(0, '127.0.0.1', () => server.listen(0, '127.0.0.1', () => {
  const from = 'no-reply@example.org';
  const oauth2 = {
    token_url: `http://127.0.0.1:${tokens.address().port}/token`, client_id: 'otpost', client_secret: 's-0',
  };
  const relay = { host: '127.0.0.1', port: server.server.address().port, tls: 'none', from: `Demo Bank <${from}>` };
  write({ partner: 'the SMTP server of npm smtp-server', provider: { ...relay, user: from, oauth2 } });
}));
process.stdin.resume().on('end', () => process.exit(0));
