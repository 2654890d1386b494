// Makes a passkey in headless Chromium, with an authenticator of the browser's own, signs in with it, and removes it.
const { chromium } = require('playwright-core');
const { AxeBuilder } = require('@axe-core/playwright');

async function drive({ url, port, cookie, name, password }) {
  const rule = `--host-resolver-rules=MAP ${new URL(url).hostname} 127.0.0.1:${port}`;
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', rule] });
  const context = await browser.newContext({ baseURL: url });
  await context.addCookies([{ name: cookie.split('=')[0], value: cookie.split('=')[1], url }]);
  const page = await context.newPage();
  const said = { findings: [], blocked: [] };
  page.on('console', (line) => {
    if (line.text().includes('Content Security Policy')) said.blocked.push(line.text());
  });
  const look = async (path) => {
    const { violations } = await new AxeBuilder({ page }).analyze();
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    said.findings.push(...grave.map(({ id, nodes }) => `${path}: ${id}: ${nodes.map(({ html }) => html).join(' | ')}`));
  };
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', { options: {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true,
  } });

  await page.goto('/account');
  const form = page.locator('form[action="/account/passkeys"]');
  await form.getByLabel('Name of the new passkey').fill('laptop');
  await form.getByLabel('Password').fill(password);
  await form.getByRole('button', { name: 'Add passkey' }).click();
  await page.waitForURL(/done=passkey/);
  said.listed = await page.getByRole('rowheader', { name: 'laptop' }).count();
  await look('/account');
  await page.getByRole('button', { name: 'Sign out' }).click();

  const signIn = async () => {
    await page.goto('/sign-in?next=/account');
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Use a passkey in place of the code' }).click();
  };
  await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await signIn();
  said.unverified = await page.locator('[data-problem]').filter({ hasText: 'The passkey was not used' }).textContent();
  await look('/sign-in');
  await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
  await signIn();
  await page.getByRole('heading', { name: 'Your account' }).waitFor();

  const removal = page.locator('form[action="/account/passkeys/remove"]');
  await removal.getByLabel('Password').fill(password);
  await removal.getByRole('button', { name: 'Remove passkey' }).click();
  await page.waitForURL(/done=no-passkey/);
  said.left = await page.getByRole('rowheader', { name: 'laptop' }).count();
  await browser.close();
  return said;
}
