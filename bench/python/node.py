"""A peer on Python's own XML-RPC server that answers the book's query from a folder, and fetches one file.

    node.py serve PORT DIRECTORY
    node.py fetch URL NAME TARGET
"""
import sys
from os.path import isfile, join
from xmlrpc.client import Binary, Fault, ServerProxy
from xmlrpc.server import SimpleXMLRPCServer


def serve(port, directory):
    def query(name, history=[]):
        path = join(directory, name)
        if not isfile(path):
            raise Fault(100, "Couldn't handle the query")
        with open(path, 'rb') as file:
            data = file.read()
        try:
            return data.decode('ascii')
        except UnicodeDecodeError:
            return Binary(data)

    server = SimpleXMLRPCServer(('127.0.0.1', int(port)), logRequests=False)
    server.register_function(query)
    server.register_function(lambda url: 0, 'hello')
    print('ready', flush=True)
    server.serve_forever()


def fetch(url, name, target):
    content = ServerProxy(url).query(name, [])
    with open(target, 'wb') as file:
        file.write(content.data if isinstance(content, Binary) else content.encode())


if __name__ == '__main__':
    {'serve': serve, 'fetch': fetch}[sys.argv[1]](*sys.argv[2:])
