"""`python -m infra.ops.local.model_server --port N [--journal FILE]`.

Prints one JSON line `{"url": ...}` when ready, stops on SIGTERM.
"""

import argparse
import sys
from pathlib import Path

from infra.ops.local.http_server import run
from infra.ops.local.model_server.server import ModelServer

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="model_server", description="An OpenAI-compatible model server without a model."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--journal", type=Path, help="append a line to this file for each call")
    chosen = parser.parse_args()
    sys.exit(run(ModelServer, port=chosen.port, host=chosen.host, journal=chosen.journal))
