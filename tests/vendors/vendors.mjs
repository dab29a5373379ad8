// The vendors' own libraries, asked one line of JSON at a time. The Rust tests compare with what they say; see
// src/messaging/providers/tests/vendors.rs. Ends when its standard input closes.

import { createRequire } from 'node:module';
import net from 'node:net';
import readline from 'node:readline';

import { Webhook } from 'standardwebhooks';

import { serve } from './prism.mjs';

const require = createRequire(import.meta.url);
const twilio = require('twilio/lib/webhooks/webhooks');
const { EventWebhook } = require('@sendgrid/eventwebhook');
const { Ecdsa, PrivateKey } = require('starkbank-ecdsa');
const { p256 } = require('starkbank-ecdsa/ellipticcurve/curve');
const TelegramServer = require('telegram-test-api').default ?? require('telegram-test-api');

const freePort = () =>
  new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

let telegram;

const asked = {
  twilio_sign: ({ token, url, fields }) => twilio.getExpectedTwilioSignature(token, url, fields),
  twilio_accepts: ({ token, url, fields, signature }) => twilio.validateRequest(token, signature, url, fields),
  twilio_body_hash: ({ body }) => twilio.getExpectedBodyHash(body),
  standard_sign: ({ secret, id, seconds, body }) => new Webhook(secret).sign(id, new Date(seconds * 1000), body),
  standard_accepts: ({ secret, headers, body }) => {
    new Webhook(secret).verify(body, headers);
    return true;
  },
  sendgrid_sign: ({ timestamp, body }) => {
    const key = new PrivateKey(p256);
    const pem = key.publicKey().toPem();
    return { key: pem, signature: Ecdsa.sign(timestamp + body, key).toBase64() };
  },
  sendgrid_accepts: ({ key, body, signature, timestamp }) => {
    const events = new EventWebhook();
    return events.verifySignature(events.convertPublicKeyToECDSA(key), body, signature, timestamp);
  },
  telegram_start: async () => {
    telegram = new TelegramServer({ port: await freePort(), host: '127.0.0.1' });
    await telegram.start();
    return telegram.config.apiURL;
  },
  prism_start: async ({ vendor }) => serve(vendor, await freePort()),
  telegram_taken: () => telegram.storage.botMessages,
};

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const { ask, ...given } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ said: await asked[ask](given) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}).on('close', () => process.exit(0));
