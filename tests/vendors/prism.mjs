// The vendors' own documents of their APIs, served by prism: what we send is held against what they say they take.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const { createLogger } = require('@stoplight/prism-core');
const { getHttpOperationsFromSpec } = require('@stoplight/prism-http');
const { createServer } = require('@stoplight/prism-http-server');

const DOCUMENTS = fileURLToPath(new URL('documents', import.meta.url));

/** Of each vendor: the document, what of it is served where, and what is known to be wrong in it. */
const VENDORS = {
  clicksend: {
    document: 'clicksend.com.json',
    served: { '/v3/sms/send': '/sms/send' },
    // It says of the whole what it means of each message: its own example does not fit it.
    mend: (operation) => {
      const json = operation.requestBody.content['application/json'];
      json.schema = { type: 'object', required: ['messages'], properties: { messages: { type: 'array', minItems: 1, items: json.schema } } };
    },
  },
  fcm: {
    document: 'googleapis.com/fcm.json',
    served: { '/v1/projects/{parent}/messages:send': '/v1/{parent}/messages:send' },
  },
  sendgrid: { document: 'sendgrid.com.json', served: { '/v3/mail/send': '/mail/send' } },
  twilio: {
    document: 'twilio.com/api.json',
    served: { '/2010-04-01/Accounts/{AccountSid}/Messages.json': '/2010-04-01/Accounts/{AccountSid}/Messages.json' },
  },
};

/** Serves the vendor's document on this port: 422 says what of a request does not fit it. Answers where. */
export async function serve(vendor, port) {
  const { document, served, mend = () => {} } = VENDORS[vendor];
  const whole = JSON.parse(readFileSync(path.join(DOCUMENTS, document), 'utf8'));
  whole.paths = Object.fromEntries(Object.entries(served).map(([at, named]) => [at, whole.paths[named]]));
  for (const { post } of Object.values(whole.paths)) mend(post);
  const logger = createLogger('prism', { enabled: false });
  const mock = { dynamic: false };
  const config = { mock, validateRequest: true, validateResponse: false, checkSecurity: true, errors: false, isProxy: false };
  const server = createServer(await getHttpOperationsFromSpec(whole), { components: { logger }, config, cors: false });
  return server.listen(port, '127.0.0.1');
}
