# A receiver of status events, with Python's library of Standard Webhooks. It answers 503 to each fifth request, and 500 to what it is told
# to refuse. What it took is appended to a file, one JSON object a line, before it is acknowledged.
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from standardwebhooks import Webhook

port, secret, path, refused = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
lock = Lock()
requests = 0


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global requests
        body = self.rfile.read(int(self.headers["content-length"]))
        with lock:
            requests += 1
            status = 503 if requests % 5 == 0 else 204
            try:
                event = Webhook(secret).verify(body, dict(self.headers))
                if refused and refused in body.decode():
                    status = 500
            except Exception as error:
                event, status = {"error": repr(error)}, 401
            if status in (204, 401):
                with open(path, "a") as log:
                    log.write(json.dumps({"id": self.headers["webhook-id"], "event": event, "raw": body.decode()}) + "\n")
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
