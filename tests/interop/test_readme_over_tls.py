"""The README's first examples, word for word, over TLS: what the system trusts is a file that the environment names."""

import os
import subprocess

import programs
import pytest
from test_readme import PROGRAMS, hello


@pytest.mark.parametrize("language", list(PROGRAMS))
def test_the_example_says_hello_over_tls(language, certificates, tmp_path):
    command = PROGRAMS[language](tmp_path, hello(language))
    server = programs.Program([*programs.SERVERS["rust"], "--port", "0", "--tls", *certificates.good])
    environment = {**os.environ, "SSL_CERT_FILE": str(certificates.ca)}
    environment.pop("SSL_CERT_DIR", None)
    done = subprocess.run(
        [*map(str, command), f"wss://localhost:{server.port}/"],
        capture_output=True, text=True, timeout=programs.PATIENCE, check=False, env=environment,
    )  # fmt: skip
    assert server.stop() == 0
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
