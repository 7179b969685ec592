"""HTTP that refuses: python3 h.py PORT STATUS -- answers STATUS to every request, with a body and WWW-Authenticate for 401."""

import sys, http.server

port, status = int(sys.argv[1]), int(sys.argv[2])


class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        b = b'{"error":"lock-keeper quota used up, try on Monday"}'
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer realm="locks", error="invalid_token"')
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(b)))
        self.end_headers()
        self.wfile.write(b)

    do_GET = do_POST

    def log_message(self, *a):
        pass


http.server.HTTPServer(("127.0.0.1", port), H).serve_forever()
