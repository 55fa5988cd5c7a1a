"""How a loop comes to its end, and what is called in it meanwhile."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from conftest import SECONDS, accept_upgrade, raw_server, wait_for_end

import tightwire
from tightwire import Loop, WebSocket


def test_call_hands_on_the_timeout_of_what_is_called():
    def late():
        raise TimeoutError("its own")

    with Loop() as loop:
        loop.start_thread()
        with pytest.raises(TimeoutError, match="its own"):
            loop.call(late)
        assert loop.call(int) == 0
