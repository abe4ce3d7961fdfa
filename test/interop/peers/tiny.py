"""A member of a TinyP2P network, as its author describes it: a server that shares the folder it runs in, or a client that
gets into that folder what the servers have. One source for Python 2.7 and Python 3.

    python tiny.py PASSWORD server HOST PORT [OTHER]
    python tiny.py PASSWORD client SERVER PATTERN

With TINY_LONELY=1 a server does not count itself among the servers, as in the first release.
"""
import hashlib
import hmac
import os
import re
import sys

from book import PYTHON_2, ServerProxy, SimpleXMLRPCServer, read_content, tell

SERVERS, NAMES, CONTENT = 0, 1, 2


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode('utf-8')


def proof(password, url):
    return hmac.new(as_bytes(password), as_bytes(url), hashlib.md5).hexdigest()


def names(pattern):
    """Everything that lies in the folder, folders and hidden files too."""
    return [name for name in os.listdir('.') if pattern == '' or re.search(pattern, name)]


class Server(object):
    def __init__(self, password, host, port, others):
        self.password = password
        self.host = host
        self.port = int(port)
        self.url = 'http://%s:%s' % (host, port)
        self.servers = list(others)
        if not os.environ.get('TINY_LONELY'):
            self.servers.append(self.url)

    def f(self, given, n, argument):
        if given != proof(self.password, self.url):
            tell(refused=n)
            return False
        tell(asked=n, argument=argument)
        if n == SERVERS:
            self._learn(argument)
            # Nobody at all is no answer: what comes next takes the list for the name of a file.
            return self.servers or self._content(argument)
        return [names(argument)] if n == NAMES else self._content(argument)

    def join(self):
        """Tells all servers of this one, before it listens itself."""
        if not self.servers or self.servers[0] == self.url:
            return
        for other in list(self._tell(self.servers[0])):
            if other != self.url:
                self._tell(other)

    def serve(self):
        server = SimpleXMLRPCServer((self.host, self.port), logRequests=False)
        server.register_function(self.f, 'f')
        tell(listening=self.url)
        server.serve_forever()

    def _tell(self, other):
        self._learn([self.url])
        told = ServerProxy(other).f(proof(self.password, other), SERVERS, self.servers)
        self._learn(told)
        return told

    def _learn(self, urls):
        self.servers += [url for url in urls if url not in self.servers]

    def _content(self, name):
        return read_content(name)


def get(password, server, pattern):
    for url in ServerProxy(server).f(proof(password, server), SERVERS, []):
        (found,) = ServerProxy(url).f(proof(password, url), NAMES, pattern)
        for name in found:
            if name not in names(''):
                # The file is there before its content is.
                with open(name, 'w') if PYTHON_2 else open(name, 'w', encoding='utf-8', newline='') as f:
                    f.write(ServerProxy(url).f(proof(password, url), CONTENT, name))


if __name__ == '__main__':
    password, mode = sys.argv[1:3]
    if mode == 'client':
        get(password, *sys.argv[3:5])
    else:
        member = Server(password, sys.argv[3], sys.argv[4], sys.argv[5:])
        member.join()
        member.serve()
