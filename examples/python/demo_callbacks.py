"""The callback client of `make demo`: demo_callbacks.py WSS_URL WS_URL CA_FILE"""

import sys

import tightwire

GREETING = "Grüße, 世界! 👋"
BYTES = bytes(i % 251 for i in range(1 << 20))


def talk(url: str, ca: str) -> None:
    ws = tightwire.WebSocket(url, "demo.v1", tls=tightwire.TLS(ca=ca))

    def on_open(event):
        print(f"open     wss, subprotocol {ws.protocol}")
        print(f"said     {GREETING}")
        ws.send(GREETING)

    def on_message(event):
        if event.data == GREETING:
            print(f"heard    {event.data}")
            print(f"said     {len(BYTES)} bytes")
            ws.send(BYTES)
        elif isinstance(event.data, str):
            print(f"heard    {event.data}")
            ws.close(4000, "see you")
        else:
            same = "all the same" if event.data == BYTES else "different"
            print(f"heard    {len(event.data)} bytes, {same}")
            print("said     tell me a story")
            ws.send("tell me a story")

    def on_close(event):
        print(f"closed   {event.code} {event.reason}, {'clean' if event.wasClean else 'not clean'}")

    ws.onopen, ws.onmessage, ws.onclose = on_open, on_message, on_close
    tightwire.run()


def be_refused(url: str) -> None:
    ws = tightwire.WebSocket(url)
    ws.onerror = lambda event: print(f"refused  {event.message}")
    tightwire.run()


if __name__ == "__main__":
    wss, plain, ca_file = sys.argv[1:]
    talk(f"{wss}/python", ca_file)
    be_refused(f"{plain}/members")
