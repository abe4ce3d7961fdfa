"""A peer that behaves like the second implementation (Listing 27-2): answers are contents, failures are faults.

    python server.py URL DIRECTORY SECRET
"""
import sys
from os.path import abspath, isfile, join

from book import MAX_HISTORY_LENGTH, Fault, ServerProxy, read_content, serve, tell, write_content

UNHANDLED = 100
ACCESS_DENIED = 200


class UnhandledQuery(Fault):
    def __init__(self, message="Couldn't handle the query"):
        Fault.__init__(self, UNHANDLED, message)


class AccessDenied(Fault):
    def __init__(self, message='Access denied'):
        Fault.__init__(self, ACCESS_DENIED, message)


class Node(object):
    def __init__(self, url, dirname, secret):
        self.url = url
        self.dirname = dirname
        self.secret = secret
        self.known = set()

    def query(self, query, history=[]):
        tell(asked=query, history=history)
        try:
            return self._own(query)
        except UnhandledQuery:
            history = history + [self.url]
            if len(history) >= MAX_HISTORY_LENGTH:
                raise
            return self._of_others(query, history)

    def hello(self, other):
        self.known.add(other)
        tell(knows=other)
        return 0

    def fetch(self, query, secret):
        if secret != self.secret:
            raise AccessDenied()
        content = self.query(query)
        write_content(join(self.dirname, query), content)
        return 0

    def _own(self, query):
        path = join(self.dirname, query)
        # This order makes a missing file outside of the folder a question for everybody: so it is in the book.
        if not isfile(path):
            raise UnhandledQuery()
        if not abspath(path).startswith(join(abspath(self.dirname), '')):
            raise AccessDenied()
        return read_content(path)

    def _of_others(self, query, history):
        for other in self.known.copy():
            if other in history:
                continue
            try:
                return ServerProxy(other).query(query, history)
            except Fault as fault:
                if fault.faultCode != UNHANDLED:
                    self._drop(other, fault)
            except Exception as why:
                self._drop(other, why)
        raise UnhandledQuery()

    def _drop(self, other, why):
        self.known.remove(other)
        tell(removed=other, why=repr(why))


if __name__ == '__main__':
    serve(Node(*sys.argv[1:]))
