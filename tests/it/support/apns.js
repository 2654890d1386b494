// What is documented of APNs, on Node's own HTTP/2 over TLS. It writes its port, and then each request as a line of JSON.
// A device token that begins with dead is unregistered, with bad0 unknown, with b0b0 busy; with c105 the request is not processed.
const http2 = require('node:http2');
const { createPublicKey, verify } = require('node:crypto');

const { certificate, key, team, keyId, publicKey, topic } = JSON.parse(process.argv[1]);

function refusal(path, headers, body) {
  const [kind, token] = (headers.authorization ?? '').split(' ');
  if (kind !== 'bearer' || !token) return [403, 'MissingProviderToken'];
  const [head, claims, signature] = token.split('.');
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
  const options = { key: createPublicKey(publicKey), dsaEncoding: 'ieee-p1363' };
  const signed = verify('sha256', Buffer.from(`${head}.${claims}`), options, Buffer.from(signature, 'base64url'));
  if (!signed || read(head).alg !== 'ES256' || read(head).kid !== keyId || read(claims).iss !== team) {
    return [403, 'InvalidProviderToken'];
  }
  const age = Date.now() / 1000 - read(claims).iat;
  if (age > 3600 || age < -60) return [403, 'ExpiredProviderToken'];
  if (headers['apns-topic'] !== topic) return [400, 'TopicDisallowed'];
  if ((headers['apns-collapse-id'] ?? '').length > 64) return [400, 'BadCollapseId'];
  if (!/^\d+$/.test(headers['apns-expiration'] ?? '0')) return [400, 'BadExpirationDate'];
  if (!['10', '5', '1'].includes(headers['apns-priority'] ?? '10')) return [400, 'BadPriority'];
  const device = /^\/3\/device\/([0-9a-f]+)$/.exec(path)?.[1];
  if (!device) return [404, 'BadPath'];
  if (body.length > 4096) return [413, 'PayloadTooLarge'];
  if (!JSON.parse(body).aps) return [400, 'PayloadEmpty'];
  if (device.startsWith('dead')) return [410, 'Unregistered'];
  if (device.startsWith('bad0')) return [400, 'BadDeviceToken'];
  if (device.startsWith('b0b0')) return [429, 'TooManyRequests'];
}

const server = http2.createSecureServer({ cert: certificate, key, allowHTTP1: false });
server.on('stream', (stream, headers) => {
  let body = '';
  // A stream that is refused ends with an error here, too.
  stream.on('error', () => {});
  stream.on('data', (part) => { body += part; });
  stream.on('end', () => {
    if (headers[':path'].startsWith('/3/device/c105')) return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    const [status, reason] = refusal(headers[':path'], headers, body) ?? [200];
    console.log(JSON.stringify({ status, path: headers[':path'], headers, body: JSON.parse(body) }));
    stream.respond({ ':status': status, 'apns-id': headers['apns-id'] });
    stream.end(reason ? JSON.stringify({ reason, timestamp: status === 410 ? Date.now() : undefined }) : undefined);
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
