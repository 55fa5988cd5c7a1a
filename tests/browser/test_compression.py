"""Compression between headless Chromium and our echo servers, in every mode."""

import json

import peers
import programs
import pytest

SIZES = [0, 1, 63, 125, 126, 500, 4096, 65535, 65536, 300_000]

# Sends texts and bytes of all sizes twice, and compares what comes back.
CONVERSATION = """
new Promise((resolve) => {
  const sizes = %s
  const ws = new WebSocket('%s')
  ws.binaryType = 'arraybuffer'
  const text = (n) => 'lorem ipsum grüße 世界 '.repeat(n / 8 + 1).slice(0, n)
  const bytes = (n) => Uint8Array.from({ length: n }, (_, i) => (i * i / 7) %% 64)
  const sent = [...sizes, ...sizes].flatMap((n) => [text(n), bytes(n)])
  const result = { equal: 0, count: sent.length }
  ws.onopen = () => {
    result.extensions = ws.extensions
    sent.forEach((message) => ws.send(message))
  }
  let at = 0
  ws.onmessage = ({ data }) => {
    const expected = sent[at++]
    const same = typeof data === 'string'
      ? data === expected
      : expected.length === data.byteLength && new Uint8Array(data).every((byte, i) => byte === expected[i])
    result.equal += same
    if (at === sent.length) ws.close(1000, 'done')
  }
  ws.onclose = ({ code, reason, wasClean }) => resolve({ ...result, code, reason, wasClean })
})
"""


def converse(browser, port):
    return browser.evaluate(CONVERSATION % (json.dumps(SIZES), f"ws://localhost:{port}/"))


@pytest.mark.parametrize("name", list(programs.SERVERS))
@pytest.mark.parametrize("mode", ["shared", "dedicated", "parked"])
def test_messages_come_back(browser, name, mode):
    flags = ["--port", "0", "--origin", browser.origin, "--deflate-mode", mode, "--deflate-threshold", "0"]
    server = programs.Program([*programs.SERVERS[name], *flags])
    with peers.Relay(server.port) as relay:
        result = converse(browser, relay.port)
    assert server.stop() == 0
    assert result["equal"] == result["count"] == 4 * len(SIZES)
    assert (result["code"], result["reason"], result["wasClean"]) == (1000, "done", True)
    agreed = result["extensions"]
    assert agreed.startswith("permessage-deflate")
    assert ("no_context_takeover" in agreed) == (mode == "shared")
    # Both directions were compressed: the payload alone has over 2 MB.
    assert relay.up < 1_000_000 and relay.down < 1_000_000


def test_without_compression_nothing_is_agreed(browser):
    server = programs.Program([*programs.SERVERS["rust"], "--port", "0", "--origin", browser.origin])
    result = converse(browser, server.port)
    assert server.stop() == 0
    assert (result["equal"], result["extensions"]) == (result["count"], "")
