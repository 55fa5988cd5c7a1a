"""Two hosts on one wire, in namespaces of Linux that end with the test, and what can go wrong on a wire."""

import contextlib
import os
import subprocess

# Those of a network are outside the path of ordinary users.
ENVIRONMENT = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
FAULTS = """
table inet faults {
    chain arriving {
        type filter hook prerouting priority raw
    }
}
"""


class Unavailable(Exception):
    """This machine makes no namespaces for us, or has no rules for them."""


class Namespace:
    """A host: a network and a mount namespace that exist for as long as the process which holds them.

    The user namespace around them makes the commands below harmless to the machine itself, and needs no root. Hosts
    can only be wired within one and the same.
    """

    def __init__(self, beside=None):
        self.beside = beside
        inside = beside.command("--user") if beside else []
        alone = [] if beside else ["--user", "--map-root-user"]
        self.holder = subprocess.Popen(
            [*inside, "unshare", *alone, "--net", "--mount", "cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        )  # fmt: skip
        # The echo of a line tells that the process is where it should be. At the end of its input it ends,
        # and the namespaces with it, even if this process is killed.
        with contextlib.suppress(BrokenPipeError):
            self.holder.stdin.write("\n")
            self.holder.stdin.flush()
        if not self.holder.stdout.readline():
            raise Unavailable(self.holder.stderr.read().strip())
        self.run("ip", "link", "set", "lo", "up")
        self.run("nft", "-f", "-", stdin=FAULTS)

    def command(self, *which):
        """The beginning of a command line that runs on this host."""
        which = which or ("--user", "--net", "--mount")
        return ["nsenter", "--preserve-credentials", f"--target={self.holder.pid}", *which, "--"]

    def run(self, *command, stdin=""):
        """The output of a command that must succeed."""
        command = [*self.command(), *map(str, command)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=ENVIRONMENT)
        if done.returncode:
            raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def ip(self, *lines):
        self.run("ip", "-batch", "-", stdin="\n".join(lines))

    def drop(self, what="", verdict="drop"):
        """Lets no packet in that nft finds to be `what`; all of them without."""
        self.run("nft", f"add rule inet faults arriving {what} counter {verdict}")

    def dropped(self):
        """How many packets that were."""
        words = self.run("nft", "list", "chain", "inet", "faults", "arriving").split()
        return sum(int(after) for word, after in zip(words, words[1:]) if word == "packets")

    def mend(self):
        self.run("nft", "flush chain inet faults arriving")

    def replace(self, file, by):
        """Programs that start here find another file in place of `file`; what was not there, stays so."""
        if os.path.exists(file):
            self.run("mount", "--bind", by, file)

    def close(self):
        self.holder.stdin.close()
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()


class Network:
    """A client's and a server's host with a wire between them, and nothing else."""

    V4, V6 = "10.77.0.2", "2001:db8::2"
    CLIENT = "10.77.0.1", "2001:db8::1"

    def __init__(self):
        self.ending = contextlib.ExitStack()
        try:
            self.client = self._host()
            self.server = self._host(beside=self.client)
            self.client.ip(f"link add wire type veth peer name wire netns {self.server.holder.pid}")
            ends = ("02:00:00:00:00:01", self.CLIENT), ("02:00:00:00:00:02", (self.V4, self.V6))
            self._plug(self.client, *ends[0], *ends[1])
            self._plug(self.server, *ends[1], *ends[0])
        except BaseException:
            self.close()
            raise

    def _host(self, beside=None):
        host = Namespace(beside)
        self.ending.callback(host.close)
        return host

    def _plug(self, host, hardware, addresses, peer_hardware, peer_addresses):
        # Who is who is settled from the beginning: looking for neighbours, and proving that an address is nobody
        # else's, takes up to a second, now and then.
        v4, v6 = addresses
        host.ip(
            f"link set wire address {hardware}",
            f"addr add {v4}/24 dev wire",
            f"addr add {v6}/64 dev wire nodad",
            "link set wire up",
            *(f"neigh add {peer} lladdr {peer_hardware} dev wire nud permanent" for peer in peer_addresses),
        )

    def start(self, program, host, command, *arguments):
        """A program as `programs.Talk` speaks to it, on one of the hosts, no longer than the test or this process."""
        mortal = ["setpriv", "--pdeathsig", "KILL", "--"]
        started = program([*host.command(), *mortal, *command], *arguments)
        self.ending.callback(started.process.wait)
        self.ending.callback(started.process.kill)
        return started

    def cut(self):
        """From now on nothing arrives anywhere."""
        self.lose("")

    def lose(self, what):
        for host in self.client, self.server:
            host.drop(what)

    def mend(self):
        for host in self.client, self.server:
            host.mend()

    def close(self):
        self.ending.close()


def why_not():
    """Why there cannot be such networks here, or None."""
    try:
        network = Network()
    except (Unavailable, FileNotFoundError) as error:
        return str(error)
    try:
        network.lose("numgen random mod 100 < 20")
    except Unavailable as error:
        return str(error)
    finally:
        network.close()
    return None
