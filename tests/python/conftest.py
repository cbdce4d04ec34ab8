"""How the tests find and call the program: THALWEG is the path of the binary."""

import os
import subprocess

import pytest


@pytest.fixture(scope="session")
def thalweg():
    """Calls the program and returns what it printed; a failure shows what it said."""
    program = os.environ.get("THALWEG")
    if not program:
        pytest.skip("set THALWEG to the path of the program")

    def call(*arguments):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call
