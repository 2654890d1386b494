// A short message centre: the server of npm's smpp.
const smpp = require('smpp');

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const password = 'p-0';
let count = 0;

const server = smpp.createServer((session) => {
  session.on('error', () => {});
  session.on('bind_transceiver', (pdu) => {
    const status = pdu.password === password ? smpp.ESME_ROK : smpp.ESME_RINVPASWD;
    session.send(pdu.response({ command_status: status, system_id: 'SMSC' }));
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on('submit_sm', (pdu) => {
    count += 1;
    write({ to: pdu.destination_addr, text: pdu.short_message.message });
    session.send(pdu.response({ message_id: `m-${count}` }));
  });
});

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = { host: '127.0.0.1', port, tls: false, system_id: 'otpost', password, sender: 'BANK' };
  write({ partner: 'the server of npm smpp', provider });
});
process.stdin.resume().on('end', () => process.exit(0));
