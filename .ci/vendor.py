"""A TLS front before the simulated service on 127.0.0.1:8480, and a name server that answers 127.0.0.1 for vendor.test.
Usage: vendor.py CERTIFICATE KEY LOG [no-names]. It says so once it listens."""

import socket
import ssl
import struct
import sys
import threading


def names(log):
    """Answers A questions; any other kind has no record."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        question, asker = server.recvfrom(512)
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack(">H", question[at + 1 : at + 3])[0]
        known = kind == 1 and labels == ["vendor", "test"]
        head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, 1 if known else 0, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1]) if known else b""
        with open(log, "a") as file:
            print(".".join(labels), kind, file=file)
        server.sendto(head + question[12 : at + 5] + record, asker)


def copy(source, sink):
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    except OSError:
        pass
    for one in (source, sink):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def front(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 8443)) as server:
        print("listens", flush=True)
        while True:
            plain, _ = server.accept()
            try:
                outer = context.wrap_socket(plain, server_side=True)
            except (OSError, ssl.SSLError):
                continue
            inner = socket.create_connection(("127.0.0.1", 8480))
            for pair in ((outer, inner), (inner, outer)):
                threading.Thread(target=copy, args=pair, daemon=True).start()


if len(sys.argv) < 5:
    threading.Thread(target=names, args=(sys.argv[3],), daemon=True).start()
front(sys.argv[1], sys.argv[2])
