"""What the checks share: the endpoints of the local Azure, and one line of output for each check."""

import json
import logging
import os
import subprocess
import sys
import tempfile

# The clients log each refusal; the checks report it on their own.
logging.getLogger("azure").setLevel(logging.CRITICAL)


def endpoints():
    """The JSON object of `casque-dev up`."""
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CASQUE_DEV_JSON")
    if not path:
        sys.exit("expected the path of the JSON of `casque-dev up` as argument or in CASQUE_DEV_JSON")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Checks:
    """Runs checks and remembers whether one failed."""

    def __init__(self):
        self.failed = False

    def run(self, name, check):
        """Prints `ok NAME`, or `FAIL NAME why` when the check raises."""
        try:
            check()
            print(f"ok {name}", flush=True)
        except Exception as error:  # noqa: BLE001: every failure is a line of the report
            self.failed = True
            why = f"{type(error).__name__}: {error}".replace("\r", " ").replace("\n", " ")
            print(f"FAIL {name} {why[:500]}", flush=True)

    def finish(self):
        sys.exit(1 if self.failed else 0)


def expect(condition, what):
    """An assertion that survives `python -O`."""
    if not condition:
        raise AssertionError(what)


def raises(kind, action):
    """The exception of this kind that the action raises."""
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def quote_of(up, runtime):
    """A quote of the software TEE whose report data is SHA-256 of `runtime`."""
    program = os.environ.get("CASQUE_DEV_PROGRAM") or up["program"]
    with tempfile.TemporaryDirectory() as folder:
        runtime_file = os.path.join(folder, "runtime")
        quote_file = os.path.join(folder, "quote")
        with open(runtime_file, "wb") as file:
            file.write(runtime)
        subprocess.run(
            [program, "quote", "--state", up["state"], "--runtime", runtime_file, "--output", quote_file],
            check=True,
        )
        with open(quote_file, "rb") as file:
            return file.read()
