// @parse/node-apn, a client of APNs that is not ours: it answers each line of settings and device tokens with what became of them.
const apn = require('@parse/node-apn');

require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const { port, ca, key, keyId, team, topic, devices } = JSON.parse(line);
  const provider = new apn.Provider({ address: 'localhost', port, ca, token: { key, keyId, teamId: team }, production: false });
  const note = new apn.Notification({ topic, alert: 'Confirm your payment', expiry: Math.floor(Date.now() / 1000) + 60 });
  const { sent, failed } = await provider.send(note, devices);
  const reasons = failed.map(({ device, status, response, error }) => [device, Number(status), response?.reason ?? String(error)]);
  console.log(JSON.stringify({ sent: sent.map(({ device }) => device), failed: reasons }));
  provider.shutdown();
});
