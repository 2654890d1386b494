// Drives the console in headless Chromium as operators do: two users change a text, one drains a provider and downloads a
// dossier, and axe checks every page in both themes and 320 pixels wide.
const { chromium } = require('playwright-core');
const { AxeBuilder } = require('@axe-core/playwright');

const steps = {
  async write(page, { path, text, why }) {
    await page.goto('/templates');
    await page.getByRole('link', { name: `${path}: ` }).first().click();
    await page.getByLabel('Text', { exact: true }).fill(text);
    // The preview comes while one types, without a click.
    await page.locator('#preview').getByText(text.split(' ')[0]).first().waitFor();
    await page.getByRole('button', { name: 'Save as a new change' }).click();
    await steps.submit(page, { why });
  },
  async submit(page, { why }) {
    await page.getByLabel('Why are the templates changed?').fill(why);
    await page.getByRole('button', { name: 'Submit' }).click();
    await page.waitForURL(/done=submitted/);
  },
  async publish(page, { change }) {
    await page.goto(`/templates/changes/${change}`);
    await page.getByRole('button', { name: 'Approve exactly this' }).click();
    await page.waitForURL(/done=approved/);
    await page.getByRole('button', { name: 'Publish now' }).click();
    await page.waitForURL(/done=published/);
  },
  async bringBack(page, { path, why }) {
    await page.goto(`/templates/text/${path}`);
    await page.getByRole('button', { name: 'Bring back' }).click();
    await steps.submit(page, { why });
  },
  async drain(page, { provider, why }) {
    await page.goto('/providers');
    await page.getByRole('link', { name: provider }).first().click();
    await page.getByRole('link', { name: 'Drain' }).click();
    await page.getByLabel('Reason').fill(why);
    await page.getByRole('button', { name: `Drain ${provider}` }).click();
    await page.getByText(why).first().waitFor();
  },
  async dossier(page) {
    await page.goto('/deliveries');
    await page.locator('tbody a').first().click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download dossier' }).click(),
    ]);
    const parts = [];
    for await (const part of await download.createReadStream()) parts.push(part);
    return Buffer.concat(parts).subarray(0, 5).toString();
  },
};

async function look(browser, context, paths) {
  const found = [];
  const inTheme = async (colorScheme) => {
    const page = await (await browser.newContext({ ...context, colorScheme })).newPage();
    page.on('console', (line) => {
      if (line.text().includes('Content Security Policy')) found.push(line.text());
    });
    for (const path of paths) {
      const answer = await page.goto(path);
      if (answer.status() !== 200) found.push(`${path}: ${answer.status()}`);
      // No script runs in the frames of mails, not even axe's own: it would be waited for without end.
      const axe = new AxeBuilder({ page }).exclude('iframe[sandbox]');
      // The second theme differs in its colours only.
      const { violations } = await (colorScheme === 'dark' ? axe.withRules(['color-contrast']) : axe).analyze();
      const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      found.push(...grave.map(({ id, nodes }) => `${colorScheme} ${path}: ${id}: ${nodes.map(({ html }) => html).join(' | ')}`));
      await page.setViewportSize({ width: 320, height: 700 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) found.push(`${path}: ${wide} pixels too wide on a phone`);
      await page.setViewportSize({ width: 1280, height: 900 });
    }
  };
  await Promise.all(['light', 'dark'].map(inTheme));
  return found;
}

async function drive({ url, users, tasks, paths }) {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const context = (cookie) => ({ baseURL: url, viewport: { width: 1280, height: 900 }, extraHTTPHeaders: {}, storageState: {
    cookies: [{ name: cookie.split('=')[0], value: cookie.split('=')[1], domain: new URL(url).hostname, path: '/', expires: -1, httpOnly: true, secure: false, sameSite: 'Lax' }],
    origins: [],
  } });
  const said = { results: [] };
  for (const { as, step, ...options } of tasks) {
    const page = await (await browser.newContext(context(users[as]))).newPage();
    said.results.push((await steps[step](page, options)) ?? 'done');
  }
  said.findings = paths ? await look(browser, context(Object.values(users)[0]), paths) : [];
  await browser.close();
  return said;
}
