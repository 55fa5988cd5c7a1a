"""The same on a thread of the library, for programs that wait elsewhere: thread_client.py [URL]"""

import queue
import sys

import tightwire

answers: queue.Queue[object] = queue.Queue()


def make(url):
    # On the loop's thread, where all handlers run, too.
    ws = tightwire.WebSocket(url)
    ws.onopen = lambda event: ws.send("hello")
    ws.onmessage = lambda event: answers.put(event.data)
    ws.onclose = lambda event: answers.put(event.error)


with tightwire.Loop() as loop:
    loop.start_thread()
    loop.call(make, sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:9001/")
    print(answers.get())
