// npm's smpp as the short message centre of one test. The first line that it reads is its configuration; then it writes its port,
// and what happens to it. Further lines say how it behaves from then on: one JSON object for each.
const readline = require('node:readline');
const smpp = require('smpp');

const sessions = new Set();
const held = [];
let server;
let answer = 'accept';
let count = 0;

const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

function listen({ password, key, cert }) {
  server = smpp.createServer({ key, cert }, (session) => {
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
    session.on('bind_transceiver', (pdu) => {
      const { system_id, interface_version, addr_ton, addr_npi } = pdu;
      const right = pdu.password === password;
      if (right) sessions.add(session);
      session.send(pdu.response(right ? { system_id: 'SMSC' } : { command_status: smpp.ESME_RINVPASWD }));
      say({ bound: { right, system_id, interface_version, addr_ton, addr_npi } });
    });
    session.on('enquire_link', (pdu) => session.send(pdu.response()));
    session.on('unbind', (pdu) => {
      session.send(pdu.response());
      session.close();
      say({ unbound: true });
    });
    session.on('submit_sm', (pdu) => submitted(session, pdu));
  });
  server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
}

function submitted(session, pdu) {
  const id = `M-${count += 1}`;
  const { udh, message } = pdu.short_message;
  const payload = pdu.message_payload && pdu.message_payload.message;
  const fields = ['source_addr', 'source_addr_ton', 'source_addr_npi', 'destination_addr', 'dest_addr_ton', 'dest_addr_npi',
    'esm_class', 'validity_period', 'registered_delivery', 'data_coding', 'sar_msg_ref_num', 'sar_total_segments',
    'sar_segment_seqnum'];
  const known = Object.fromEntries(fields.map((name) => [name, pdu[name]]));
  say({ submitted: { ...known, id, text: message ?? null, udh: udh && udh.map((one) => [...one]), payload } });
  const accept = () => session.send(pdu.response({ message_id: id }));
  if (answer === 'accept') accept();
  else if (answer === 'hold') held.push(accept);
  else if (answer === 'silent') for (const each of sessions) each.pause();
  else session.send(pdu.response({ command_status: smpp[answer] }));
}

function receipt(options) {
  for (const session of sessions) {
    session.deliver_sm({ source_addr: '48600100200', destination_addr: 'BANK', esm_class: 4, ...options }, (pdu) => {
      say({ answered: pdu.command_status });
    });
  }
}

const commands = {
  listen,
  receipt,
  answer: (how) => { answer = how; },
  // The last message first.
  release: () => { while (held.length) held.pop()(); },
  drop: () => { for (const session of sessions) session.destroy(); },
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  for (const [name, value] of Object.entries(JSON.parse(line))) commands[name](value);
}).on('close', () => process.exit());
