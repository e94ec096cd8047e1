"""A service that can be asked and that writes a file: what a real one needs to be started, hurt and reset."""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        words = os.environ.get("ANSWER", "ok").encode()
        if self.path.startswith("/actuator/metrics/"):
            words = b'{"measurements": [{"statistic": "VALUE", "value": 1.0}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        sys.stdout.write(f"asked {self.path}\n")


if __name__ == "__main__":
    if os.environ.get("FAIL"):
        sys.stderr.write("there is no configuration for this service\n")
        raise SystemExit(3)
    Path(os.environ["DATA"], "started").write_text("yes")
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
