"""What the two nodes have in common. One source for Python 2.7 and Python 3."""
import json
import os
import re
import sys
import threading

try:
    from xmlrpc.client import Binary, Fault, ServerProxy
    from xmlrpc.server import SimpleXMLRPCServer
    from urllib.parse import urlparse
except ImportError:
    from xmlrpclib import Binary, Fault, ServerProxy
    from SimpleXMLRPCServer import SimpleXMLRPCServer
    from urlparse import urlparse

PYTHON_2 = sys.version_info[0] == 2
MAX_HISTORY_LENGTH = 6

SimpleXMLRPCServer.allow_reuse_address = 1

if not PYTHON_2:
    NOT_IN_XML = re.compile(u'[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')


def tell(**what):
    """One JSON line for the test that watches. Written before the reply leaves, so it never comes too late."""
    sys.stdout.write(json.dumps(what, default=repr) + '\n')
    sys.stdout.flush()


def read_content(path):
    """Python 2 sends whatever is in the file as a string; Python 3 has to tell text from bytes."""
    if PYTHON_2:
        return open(path).read()
    try:
        with open(path, encoding='utf-8', newline='') as f:
            text = f.read()
    except UnicodeDecodeError:
        text = None
    if text is None or NOT_IN_XML.search(text):
        with open(path, 'rb') as f:
            return Binary(f.read())
    return text


def write_content(path, content):
    """As the book writes: Python 2 leaves an empty file behind when it cannot write what it got."""
    if PYTHON_2:
        f = open(path, 'w')
        f.write(content)
        f.close()
    elif isinstance(content, Binary):
        with open(path, 'wb') as f:
            f.write(content.data)
    else:
        with open(path, 'w', encoding='utf-8', newline='') as f:
            f.write(content)


def _end_with_starter():
    sys.stdin.read()
    os._exit(0)


def serve(node):
    """Serves one call at a time, for ever, without a time-out anywhere: that is the point of these peers."""
    where = urlparse(node.url)
    server = SimpleXMLRPCServer((where.hostname, where.port), logRequests=False)
    server.register_instance(node)
    watcher = threading.Thread(target=_end_with_starter)
    watcher.daemon = True
    watcher.start()
    tell(listening=node.url)
    server.serve_forever()
