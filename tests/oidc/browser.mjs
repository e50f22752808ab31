// A browser without a screen. Of each line of input, a URL and who is to log in there (`{"url", "user", "refuses"}`), it says on
// one line what is shown in the end, when no page wants anything any more (`{"title", "text", "url"}`).
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

const HERE = ['127.0.0.1', 'localhost'];
// Each of them, where it is shown, is clicked: the provider's pages, and ours that asks whether it is them.
const BUTTONS = ['button[name=confirmation]', 'button[type=submit]'];

async function login({ url, user, refuses }) {
  const context = await browser.newContext();
  // Nothing leaves the machine.
  await context.route((asked) => !HERE.includes(asked.hostname), (route) => route.abort());
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  try {
    await page.goto(url, { waitUntil: 'domcontentloaded' });
    for (let steps = 0; steps < 10; steps++) {
      await page.waitForLoadState('load');
      // A form that posts itself wants nothing, and is no end: a provider's page for a device begins with one.
      await page.waitForFunction(() => document.forms.length === 0 || document.querySelector('button'));
      if (refuses && (await page.locator('a:has-text("Cancel")').count()) > 0) {
        await page.click('a:has-text("Cancel")');
      } else if ((await page.locator('input[name=login]').count()) > 0) {
        await page.fill('input[name=login]', user);
        await page.fill('input[name=password]', 'any');
        await page.click(BUTTONS[1]);
      } else {
        const found = [];
        for (const button of BUTTONS) {
          if ((await page.locator(button).count()) > 0) found.push(button);
        }
        if (found.length === 0) break;
        await page.click(found[0]);
      }
    }
    return { title: await page.title(), text: await page.innerText('body'), url: page.url() };
  } finally {
    await context.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const shown = await login(JSON.parse(line)).catch((error) => ({ title: 'failed', text: String(error), url: '' }));
  console.log(JSON.stringify(shown));
}
await browser.close();
process.exit();
