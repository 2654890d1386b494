// A mail relay: the server of npm's smtp-server, with STARTTLS not offered and every recipient known.
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
  disabledCommands: ['AUTH', 'STARTTLS'],
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

server.listen(0, '127.0.0.1', () => {
  write({
    partner: 'the SMTP server of npm smtp-server',
    provider: { host: '127.0.0.1', port: server.server.address().port, tls: 'none', from: 'Demo Bank <no-reply@example.org>' },
  });
});
process.stdin.resume().on('end', () => process.exit(0));
