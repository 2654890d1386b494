# Opens pages in one headless Chromium, measures them at several widths, and takes pictures.
#
# The browser is driven over a pipe (--remote-debugging-pipe): no port is opened, and nothing is fetched, because every
# request is answered here.
import base64
import json
import os
import subprocess
import sys
import tempfile

LOGO = b"""<svg xmlns="http://www.w3.org/2000/svg" width="176" height="44" viewBox="0 0 176 44">
<circle cx="22" cy="22" r="18" fill="none" stroke="#fff" stroke-width="5"/><circle cx="22" cy="22" r="7" fill="#ffd166"/>
<text x="52" y="31" font-family="Liberation Sans, Arial, sans-serif" font-size="26" font-weight="bold" fill="#fff">Testbank</text></svg>"""

MEASURE = r"""(() => {
  const hidden = element => element.closest('div[style*="display:none"]') !== null;
  const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const part = value => { value /= 255; return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = rgb(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const contrast = element => {
    const one = luminance(rgb(getComputedStyle(element).color)), other = luminance(behind(element));
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  };
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.textContent.trim() && !hidden(node.parentElement)) texts.push(node);
  }
  const wide = document.documentElement.clientWidth;
  const clipped = texts.filter(node => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const cell = node.parentElement.closest('td').getBoundingClientRect();
    return [...range.getClientRects()].some(box => box.width > 0 && (box.left < -0.5 || box.right > wide + 0.5
      || box.left < cell.left - 0.5 || box.right > cell.right + 0.5 || box.top < cell.top - 3 || box.bottom > cell.bottom + 3));
  }).map(node => node.textContent.trim());
  const headline = document.querySelector('h1');
  const code = document.querySelector('p[dir=ltr]');
  const card = headline.closest('td').getBoundingClientRect();
  const image = document.querySelector('img');
  return {
    overflow: document.documentElement.scrollWidth - wide,
    headlines: document.querySelectorAll('h1').length,
    contrast: Math.min(...texts.map(node => contrast(node.parentElement))),
    clipped,
    direction: getComputedStyle(headline).direction,
    align: getComputedStyle(headline).textAlign,
    lang: document.documentElement.lang,
    card: card.width,
    text_size: Math.min(...texts.map(node => parseFloat(getComputedStyle(node.parentElement).fontSize))),
    code: code && { text: code.textContent, size: parseFloat(getComputedStyle(code).fontSize), direction: getComputedStyle(code).direction,
      lines: new Set([...(() => { const r = document.createRange(); r.selectNodeContents(code); return r.getClientRects(); })()].map(box => Math.round(box.top))).size },
    empty: [...document.querySelectorAll('p')].filter(p => !p.textContent.trim()).length,
    logo: image && { width: image.getBoundingClientRect().width, height: image.getBoundingClientRect().height, shown: image.naturalWidth > 0 },
    height: document.documentElement.scrollHeight,
  };
})()"""


class Browser:
    def __init__(self, profile):
        to_read, self.to = os.pipe()
        self.back, from_write = os.pipe()

        def fds():
            # Chromium reads commands from 3 and answers on 4. Moved out of the way first, in case either is taken.
            read, write = os.dup(to_read), os.dup(from_write)
            read, write = (os.dup2(read, 20), os.dup2(write, 21))
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
             "--hide-scrollbars", f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=fds, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.number, self.buffer, self.session, self.logo = 0, b"", None, False

    def receive(self):
        while b"\0" not in self.buffer:
            more = os.read(self.back, 1 << 20)
            if not more:
                raise SystemExit("the browser has ended")
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def post(self, method, params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        return self.number

    def ask(self, method, **params):
        number = self.post(method, params)
        while True:
            message = self.receive()
            if message.get("id") == number:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]
            self.hear(message)

    def hear(self, message):
        if message.get("method") != "Fetch.requestPaused":
            return
        request = message["params"]["requestId"]
        if self.logo:
            self.post("Fetch.fulfillRequest", {
                "requestId": request, "responseCode": 200, "body": base64.b64encode(LOGO).decode(),
                "responseHeaders": [{"name": "Content-Type", "value": "image/svg+xml"}]})
        else:
            self.post("Fetch.failRequest", {"requestId": request, "errorReason": "AddressUnreachable"})


asked = json.load(sys.stdin)
found = []
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    browser = Browser(profile)
    try:
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        browser.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.ask("Fetch.enable", patterns=[{"urlPattern": "*"}])
        frame = browser.ask("Page.getFrameTree")["frameTree"]["frame"]["id"]
        for page in asked["pages"]:
            browser.logo = page.get("logo", False)
            scheme = "dark" if page.get("dark") else "light"
            browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            for width in asked["widths"]:
                screen = {"width": width, "deviceScaleFactor": 1, "mobile": width < 500}
                browser.ask("Emulation.setDeviceMetricsOverride", height=640, **screen)
                browser.ask("Page.setDocumentContent", frameId=frame, html=page["html"])
                loaded = "Promise.all([...document.images].map(i => i.complete || new Promise(done => i.onload = i.onerror = done))).then(() => 1)"
                browser.ask("Runtime.evaluate", expression=loaded, awaitPromise=True)
                measured = browser.ask("Runtime.evaluate", expression=MEASURE, returnByValue=True)
                if "exceptionDetails" in measured:
                    raise SystemExit(f"{page['name']}: {measured['exceptionDetails']}")
                measured = measured["result"]["value"]
                browser.ask("Emulation.setDeviceMetricsOverride", height=measured["height"], **screen)
                picture = browser.ask("Page.captureScreenshot", format="png")["data"]
                with open(os.path.join(asked["folder"], f"{page['name']}-{width}.png"), "wb") as file:
                    file.write(base64.b64decode(picture))
                found.append({"name": page["name"], "width": width, **measured})
        browser.session = None
        browser.post("Browser.close", {})
        browser.process.wait(timeout=20)
    finally:
        browser.process.kill()
json.dump(found, sys.stdout)
