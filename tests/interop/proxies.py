"""Proxies that we did not write, each on a port of this machine and with the log-in `me` / `p@ss word`."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import programs

PATH = os.environ["PATH"] + ":/usr/sbin"
PACKAGES = {"danted": "dante-server", "nginx": "nginx-light", "stunnel": "stunnel4", "tinyproxy": "tinyproxy-bin"}
USER, PASSWORD = "me", "p@ss word"
LOGIN = "me:p%40ss%20word"
WRONG = "me:wrong"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Process:
    """A program that listens on `port` and ends with SIGTERM."""

    def __init__(self, folder, port, command, owned=False):
        self.port, self.owned = port, folder if owned else None
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                list(map(str, command)), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder,
                env=os.environ | {"PATH": PATH},
            )  # fmt: skip
        try:
            self._await_listening(command[0], folder / "log")
        except AssertionError:
            self.process.kill()
            raise

    def _await_listening(self, name, log):
        end = time.monotonic() + programs.PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                said = log.read_text(errors="replace")
                assert self.process.poll() is None, f"{name} ended: {said}"
                assert time.monotonic() < end, f"{name} does not listen: {said}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(programs.PATIENCE)
        finally:
            self.process.kill()
            if self.owned:
                shutil.rmtree(self.owned, ignore_errors=True)


def tinyproxy(folder):
    port = free_port()
    # It has no password with such letters: its log-in is another one.
    (folder / "conf").write_text(
        f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nBasicAuth me secret\nLogLevel Info\n"
    )
    return Process(folder, port, ["tinyproxy", "-d", "-c", folder / "conf"])


def microsocks(folder):
    port = free_port()
    return Process(folder, port, ["microsocks", "-i", "127.0.0.1", "-p", port, "-u", USER, "-P", PASSWORD])


def hashed(method):
    command = ["openssl", "passwd", method, PASSWORD]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def no_view_of_its_own():
    """Why a program cannot have a view of its own of the file system here; None if it can."""
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else None


def dante(folder):
    port = free_port()
    # It asks the system for passwords: a user whom only its own view of the file system has.
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + f"{USER}:x:60000:60000::/:/bin/false\n")
    (folder / "shadow").write_text(f"{USER}:{hashed('-6')}:19000:0:99999:7:::\n")
    (folder / "conf").write_text(f"""
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: username
user.privileged: root
user.unprivileged: nobody
client pass {{
  from: 127.0.0.0/8 to: 127.0.0.0/8
}}
socks pass {{
  from: 127.0.0.0/8 to: 0.0.0.0/0
}}
""")
    start = "mount --bind passwd /etc/passwd && mount --bind shadow /etc/shadow && exec danted -f conf -p pid"
    return Process(folder, port, ["unshare", "--mount", "sh", "-c", start])


def squid(digest):
    # It runs as a user of its own, who cannot get into pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="squid-"))
    port = free_port()
    users = folder / "users"
    if digest:
        users.write_text(f"{USER}:{PASSWORD}\n")
        helper = f"digest program /usr/lib/squid/digest_file_auth {users}\nauth_param digest realm proxy"
    else:
        users.write_text(f"{USER}:{hashed('-apr1')}\n")
        helper = f"basic program /usr/lib/squid/basic_ncsa_auth {users}\nauth_param basic realm proxy"
    (folder / "conf").write_text(f"""
http_port 127.0.0.1:{port}
auth_param {helper}
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
access_log none
cache_log {folder}/cache.log
pid_filename none
shutdown_lifetime 0 seconds
netdb_filename none
""")
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "proxy")
    return Process(folder, port, ["squid", "-N", "-f", folder / "conf"], owned=True)


def with_tls(folder, port, certificates):
    """TLS in front of a proxy: what an `https://` proxy is."""
    own = free_port()
    cert, key = certificates.good
    (folder / "conf").write_text(
        f"foreground = yes\npid =\nsyslog = no\n[proxy]\naccept = 127.0.0.1:{own}\n"
        f"connect = 127.0.0.1:{port}\ncert = {cert}\nkey = {key}\n"
    )
    return Process(folder, own, ["stunnel", folder / "conf"])


def require(*tools):
    absent = [tool for tool in tools if not shutil.which(tool, path=PATH)]
    packages = " ".join(PACKAGES.get(tool, tool) for tool in absent)
    assert not absent, f"install them with: sudo apt-get install {packages}"
