"""Two machines of our own: network namespaces with a cable between them, and what can happen to it."""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# By number of the machine, in both families.
V4, V6 = "10.77.0.{}", "fd00:77::{}"


def run(*command):
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)


class Machine:
    """A network namespace, which ends with this object's process."""

    def __init__(self, number):
        self.number = number
        # It is alive while its input is open, so nothing of it outlives the tests.
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo && exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.holder.stdout.readline()
        self.do("ip", "link", "set", "lo", "up")

    @property
    def v4(self):
        return V4.format(self.number)

    @property
    def v6(self):
        return V6.format(self.number)

    def inside(self, *command, files=None):
        """The command line that runs there; `files`: what stands in the place of others."""
        prefix = ["nsenter", "--target", str(self.holder.pid), "--net"]
        if files:
            mounts = " && ".join(f"mount --bind {new} {old}" for old, new in files.items())
            prefix += ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
        return [*prefix, *map(str, command)]

    def do(self, *command):
        run(*self.inside(*command))

    def filter(self, *rules):
        """Drops what comes in and fits a rule, as a broken way would: nobody is told."""
        self.heal()
        self.do("nft", "add table inet fault; add chain inet fault arriving { type filter hook input priority 0 ; }")
        for rule in rules:
            self.do("nft", f"add rule inet fault arriving {rule} drop")

    def heal(self):
        subprocess.run(self.inside("nft", "delete table inet fault"), capture_output=True)

    def stop(self):
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()


class Pair:
    """A client's machine and a server's."""

    def __init__(self):
        self.client, self.server = Machine(1), Machine(2)
        run("ip", "link", "add", "one", "netns", self.client.holder.pid, "type", "veth",
            "peer", "name", "one", "netns", self.server.holder.pid)
        for machine in (self.client, self.server):
            machine.do("ip", "addr", "add", f"{machine.v4}/24", "dev", "one")
            machine.do("ip", "addr", "add", f"{machine.v6}/64", "dev", "one", "nodad")
            machine.do("ip", "link", "set", "one", "up")

    def cut(self):
        """Everything is dropped, in both directions."""
        for machine in (self.client, self.server):
            machine.filter("iifname one")

    def heal(self):
        for machine in (self.client, self.server):
            machine.heal()

    def stop(self):
        self.client.stop()
        self.server.stop()


class Server:
    """A server of ours on the server's machine, and what it tells of its connections."""

    def __init__(self, pair, *flags):
        self.process = subprocess.Popen(
            pair.server.inside(sys.executable, HERE / "server.py", *flags), stdout=subprocess.PIPE, text=True
        )
        self.port = self.next()["port"]

    def next(self):
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
