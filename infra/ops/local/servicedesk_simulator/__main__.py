"""`python -m infra.ops.local.servicedesk_simulator --port N [--state-dir DIR]`.

Prints one JSON line `{"url": ...}` when ready, stops on SIGTERM.
"""

import argparse
import sys
from pathlib import Path

from infra.ops.local.http_server import run
from infra.ops.local.servicedesk_simulator.server import Simulator

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="servicedesk_simulator", description="A ServiceDesk Plus REST v3 stand-in.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--state-dir", type=Path, help="keep desks, requests and notes in this folder")
    chosen = parser.parse_args()
    sys.exit(run(Simulator, port=chosen.port, host=chosen.host, state_dir=chosen.state_dir))
