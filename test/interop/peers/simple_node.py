"""A peer that behaves like the first implementation (Listing 27-1): answers are pairs of a code and data.

    python simple_node.py URL DIRECTORY SECRET
"""
import sys
from os.path import isfile, join

from book import MAX_HISTORY_LENGTH, ServerProxy, read_content, serve, tell, write_content

OK = 1
FAIL = 2
NOTHING = (FAIL, '')


class Node(object):
    def __init__(self, url, dirname, secret):
        self.url = url
        self.dirname = dirname
        self.secret = secret
        self.known = set()

    def query(self, query, history=[]):
        tell(asked=query, history=history)
        answer = self._own(query)
        if answer[0] == OK:
            return answer
        history = history + [self.url]
        if len(history) >= MAX_HISTORY_LENGTH:
            return NOTHING
        return self._of_others(query, history)

    def hello(self, other):
        self.known.add(other)
        tell(knows=other)
        return OK

    def fetch(self, query, secret):
        if secret != self.secret:
            return FAIL
        code, data = self.query(query)
        if code != OK:
            return FAIL
        write_content(join(self.dirname, query), data)
        return OK

    def _own(self, query):
        # No check at all of where the path leads: so it is in the book.
        path = join(self.dirname, query)
        return (OK, read_content(path)) if isfile(path) else NOTHING

    def _of_others(self, query, history):
        for other in self.known.copy():
            if other in history:
                continue
            try:
                code, data = ServerProxy(other).query(query, history)
                if code == OK:
                    return code, data
            except Exception as why:
                self.known.remove(other)
                tell(removed=other, why=repr(why))
        return NOTHING


if __name__ == '__main__':
    serve(Node(*sys.argv[1:]))
