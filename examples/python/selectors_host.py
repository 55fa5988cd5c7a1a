"""The same in an event loop of the application's own, beside its other descriptors: selectors_host.py [URL]

Qt, GTK and tk do likewise: QSocketNotifier(loop.fileno(), QSocketNotifier.Type.Read), GLib.unix_fd_add_full() and
createfilehandler() call `loop.dispatch` when it is readable.
"""

import selectors
import sys

import tightwire

loop = tightwire.Loop()
ws = tightwire.WebSocket(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:9001/", loop=loop)
ws.onopen = lambda event: ws.send("hello")
ws.onmessage = lambda event: (print(event.data), ws.close(1000, "bye"))

with selectors.DefaultSelector() as selector:
    ws.onclose = lambda event: selector.unregister(loop)
    selector.register(loop, selectors.EVENT_READ, loop.dispatch)
    while selector.get_map():
        for key, _ in selector.select():
            key.data()
