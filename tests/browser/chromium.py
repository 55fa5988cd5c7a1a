"""A headless Chromium that evaluates JavaScript in a page of ours, over the DevTools protocol."""

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import urllib.request

import websockets.sync.client

PATIENCE = 60
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-port=0", "--remote-allow-origins=*",
]  # fmt: skip


def program():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(http.server.BaseHTTPRequestHandler):
    """An empty page, whatever is asked for."""

    def do_GET(self):
        body = b"<!doctype html><title>tightwire</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Chromium:
    """One browser with one page; `evaluate` runs in it."""

    def __init__(self, *flags):
        self.profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self.pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=self.pages.serve_forever, daemon=True).start()
        self.origin = f"http://localhost:{self.pages.server_port}"
        self.process = subprocess.Popen(
            [program(), *FLAGS, *flags, f"--user-data-dir={self.profile.name}", f"{self.origin}/"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.calls, self.open = 0, contextlib.ExitStack()
        try:
            connecting = websockets.sync.client.connect(self._address(), max_size=None, proxy=None)
            self.devtools = self.open.enter_context(connecting)
            while not self._is_loaded():
                pass
        except BaseException:
            self.close()
            raise

    def _address(self):
        """Where the page's own DevTools are."""
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"DevTools listening on ws://([\d.:]+)/", line):
                break
        else:
            raise RuntimeError(f"Chromium did not start: {''.join(said)}")
        # What it says from now on is of no interest, but must be read.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            with opener.open(f"http://{found.group(1)}/json/list", timeout=PATIENCE) as reply:
                for target in json.load(reply):
                    if target["type"] == "page" and target["url"].startswith(self.origin):
                        return target["webSocketDebuggerUrl"]

    def _is_loaded(self):
        """Whether the page is there; until then contexts come and go under an evaluation."""
        try:
            return self.evaluate("Promise.resolve(`${document.readyState} ${origin}`)") == f"complete {self.origin}"
        except RuntimeError:
            return False

    def evaluate(self, script):
        """The value of a promise that a JavaScript expression yields."""
        self.calls += 1
        parameters = {"expression": script, "awaitPromise": True, "returnByValue": True}
        self.devtools.send(json.dumps({"id": self.calls, "method": "Runtime.evaluate", "params": parameters}))
        while True:
            answer = json.loads(self.devtools.recv(PATIENCE))
            if answer.get("id") == self.calls:
                break
        if "error" in answer or "exceptionDetails" in answer["result"]:
            raise RuntimeError(json.dumps(answer)[:2000])
        return answer["result"]["result"].get("value")

    def close(self):
        self.open.close()
        self.pages.shutdown()
        # Its helpers are of the same process group, which is its own.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.profile.cleanup()
