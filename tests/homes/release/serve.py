"""Serves a directory by https on a free port of 127.0.0.1. usage: serve.py DIRECTORY CERTIFICATE KEY PORT_FILE

Once it listens, it writes its port into PORT_FILE. Its log on stderr has a line for each request."""

import functools
import http.server
import os
import ssl
import sys

directory, certificate, key, port_file = sys.argv[1:]
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(f"{port_file}.new", "w", encoding="ascii") as file:
    file.write(f"{server.server_port}\n")
os.rename(f"{port_file}.new", port_file)
server.serve_forever()
