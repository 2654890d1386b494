// Makes the pictures of the guides from a running demo: node tests/pictures.js [PROGRAM]
//
// It needs Chromium, and the packages that tests/run puts below target/tools/node.
const { spawn } = require('child_process');
const path = require('path');
const readline = require('readline');

const root = path.join(__dirname, '..');
const { chromium } = require(path.join(root, 'target/tools/node/node_modules/playwright-core'));
const folder = path.join(root, 'src/docs/images');
const program = process.argv[2] ?? path.join(root, 'target/release/otpost');

async function take({ console: url, users }) {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const page = await (await browser.newContext({ viewport: { width: 1120, height: 760 }, colorScheme: 'light' })).newPage();
  await page.goto(`${url}/sign-in`);
  await page.getByLabel('Name').fill(users[0].name);
  await page.getByLabel('Password').fill(users[0].password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.screenshot({ path: path.join(folder, 'console.png') });
  await page.goto(`${url}/templates/text/pl/otp/sms.hbs`);
  await page.screenshot({ path: path.join(folder, 'template.png') });
  await browser.close();
}

const demo = spawn(program, ['demo', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
let gateway;
let messages = 0;
readline.createInterface({ input: demo.stdout }).on('line', async (line) => {
  const event = JSON.parse(line);
  if (event.type === 'gateway') gateway = event;
  if (event.type !== 'message' || ++messages !== 12) return;
  try {
    await take(gateway);
  } finally {
    demo.kill('SIGTERM');
  }
});
