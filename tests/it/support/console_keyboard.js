// Uses the console in headless Chromium by the keyboard alone, at a zoom of 200 % and without JavaScript.
const { chromium } = require('playwright-core');

// What the keyboard has to reach, in the order of the page. Of a group of radio buttons one is enough.
// Chromium gives the focus to what is in a frame, and to nothing where nothing in it takes it.
const REACHABLE = () => {
  const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]:not(iframe)')];
  const groups = new Set();
  return all.filter((it) => {
    if (it.disabled || it.tabIndex < 0 || !it.checkVisibility({ visibilityProperty: true })) return false;
    if (it.type !== 'radio') return true;
    const isFirst = !groups.has(it.name);
    groups.add(it.name);
    return isFirst;
  });
};

// Marks what is reachable with numbers, and returns how many there are.
const number = (page) => page.evaluate(`(() => { const all = (${REACHABLE})(); all.forEach((it, at) => { it.dataset.at = at; }); return all.length; })()`);

// The control that has the focus, and whether one sees that.
const focused = (page) => page.evaluate(() => {
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  const style = getComputedStyle(it);
  const box = it.getBoundingClientRect();
  const isSeen = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
  const isInside = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return { at: it.dataset.at, tag: it.tagName, name: (it.labels?.[0]?.textContent ?? it.textContent ?? '').trim().slice(0, 60), href: it.getAttribute('href'), isSeen, isInside };
});

// Presses Tab until everything had the focus once. At its end the page loses the focus.
async function walk(page, path) {
  const found = [];
  const count = await number(page);
  const reached = new Set();
  let last = -1;
  for (let presses = 0; presses < count * 3 + 40; presses += 1) {
    await page.keyboard.press('Tab');
    let it = await focused(page);
    // A frame of another process takes the focus a moment later.
    for (let looks = 0; !it && looks < 10; looks += 1) {
      await page.waitForTimeout(100);
      it = await focused(page);
    }
    if (!it) break;
    // Chromium gives the focus to what scrolls, too.
    if (it.at === undefined) continue;
    if (!it.isSeen && it.tag !== 'IFRAME') found.push(`${path}: the focus of ${it.tag} ${it.name} is not seen`);
    if (!it.isInside) found.push(`${path}: ${it.tag} ${it.name} has the focus outside the window`);
    if (presses === 0 && it.href !== '#main') found.push(`${path}: the first control is ${it.tag} ${it.name}, not the link to the content`);
    if (Number(it.at) < last && !reached.has(it.at)) found.push(`${path}: ${it.tag} ${it.name} comes too late`);
    if (reached.has(it.at) && Number(it.at) < last) break;
    reached.add(it.at);
    last = Number(it.at);
  }
  if (reached.size < count) {
    const missed = await page.evaluate((seen) => [...document.querySelectorAll('[data-at]')].filter((it) => !seen.includes(it.dataset.at)).map((it) => it.outerHTML.slice(0, 120)), [...reached]);
    found.push(`${path}: ${missed.length} of ${count} controls are not reached: ${missed.slice(0, 3).join(' | ')}`);
  }
  return found;
}

// The link at the beginning leads past the menu.
async function skip(page, path) {
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const isThere = await page.evaluate(() => document.activeElement.id === 'main' || location.hash === '#main');
  return isThere ? [] : [`${path}: the link to the content leads nowhere`];
}

async function tabTo(page, name, tag) {
  for (let presses = 0; presses < 200; presses += 1) {
    await page.keyboard.press('Tab');
    const it = await focused(page);
    if (it && it.name.startsWith(name) && (!tag || it.tag === tag)) return;
  }
  throw new Error(`the keyboard does not reach ${name} on ${page.url()}`);
}

async function type(page, name, text, tag) {
  await tabTo(page, name, tag);
  await page.keyboard.press('Control+A');
  await page.keyboard.type(text);
}

// Signs in, finds a delivery, and drafts a text: not one click.
async function byKeyboard(page, { name, password, code, phone, path, text }) {
  await page.goto('/deliveries');
  // The page gives the focus to the first field once it is drawn.
  await page.waitForFunction(() => document.activeElement?.matches('input'));
  await page.keyboard.type(name);
  await type(page, 'Password', password);
  await type(page, 'One-time code', code);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Deliveries' }).waitFor();
  await type(page, 'Find deliveries', phone, 'INPUT');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=/);
  const rows = await page.locator('tbody tr').count();
  await page.goto(`/templates/text/${path}`);
  await type(page, 'Text', text, 'TEXTAREA');
  await page.locator('#preview').getByText(text.split(' ')[0]).first().waitFor();
  await tabTo(page, 'Save as a new change', 'BUTTON');
  await page.keyboard.press('Enter');
  await page.waitForURL(/done=saved/);
  return rows;
}

// Without JavaScript: signs in, finds a delivery, changes a text, and exports what was found.
async function withoutScript(browser, url, { name, password, code, phone, path, text }) {
  const page = await (await browser.newContext({ baseURL: url, javaScriptEnabled: false })).newPage();
  await page.goto('/deliveries');
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByLabel('One-time code').fill(code);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByLabel('Find deliveries').fill(phone);
  await page.getByRole('button', { name: 'Search' }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export as CSV' }).click()]);
  const parts = [];
  for await (const part of await download.createReadStream()) parts.push(part);
  await page.goto(`/templates/text/${path}`);
  await page.getByLabel('Text', { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Preview', exact: true }).click();
  const preview = await page.locator('#preview').textContent();
  await page.getByRole('button', { name: 'Save as a new change' }).click();
  await page.getByLabel('Why are the templates changed?').fill('tried without JavaScript');
  await page.getByRole('button', { name: 'Submit' }).click();
  return { lines: Buffer.concat(parts).toString().trim().split('\r\n').length, preview, address: page.url() };
}

// Everything that is looked at on one page.
async function use(context, zoomed, path) {
  const page = await context.newPage();
  await page.goto(path);
  const found = await walk(page, path);
  await page.goto(path);
  found.push(...(await skip(page, path)));
  await page.close();
  const small = await zoomed.newPage();
  await small.goto(path);
  const wide = await small.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) found.push(`${path}: ${wide} pixels too wide at 200 %`);
  await small.close();
  return found;
}

async function drive({ url, cookie, paths, keyboard, plain }) {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const [name, value] = cookie.split('=');
  const storageState = { origins: [], cookies: [{ name, value, domain: new URL(url).hostname, path: '/', expires: -1, httpOnly: true, secure: false, sameSite: 'Lax' }] };
  const said = { findings: [] };
  // Three windows at once: each waits for another process most of the time.
  const left = [...(paths ?? [])];
  const lane = async () => {
    const context = await browser.newContext({ baseURL: url, storageState, viewport: { width: 1280, height: 900 } });
    const zoomed = await browser.newContext({ baseURL: url, storageState, viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 });
    for (let path = left.shift(); path; path = left.shift()) {
      try {
        said.findings.push(...(await use(context, zoomed, path)));
      } catch (error) {
        said.findings.push(`${path}: ${error.message}`);
      }
    }
  };
  await Promise.all([lane(), lane(), lane()]);
  if (keyboard) {
    const page = await (await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 900 } })).newPage();
    said.rows = await byKeyboard(page, keyboard);
  }
  if (plain) said.plain = await withoutScript(browser, url, plain);
  await browser.close();
  return said;
}
