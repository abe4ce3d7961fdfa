"""What `re.search` says. Each line in is {"pattern": ..., "names": [...]}, each line out the names that fit, or an error.

The pattern becomes what an XML-RPC server of this Python gets, and names are bytes, as a folder lists them.
"""
import json
import re
import sys
import warnings

PYTHON_2 = sys.version_info[0] == 2

warnings.simplefilter('ignore')


def received(pattern):
    if not PYTHON_2:
        return pattern.encode('utf-8')
    try:
        return str(pattern)
    except UnicodeEncodeError:
        return pattern


def found(pattern, names):
    try:
        compiled = re.compile(received(pattern))
        return {'found': [name for name in names if compiled.search(name.encode('utf-8'))]}
    except Exception as why:
        return {'refused': str(why)}


for line in iter(sys.stdin.readline, ''):
    asked = json.loads(line)
    sys.stdout.write(json.dumps(found(asked['pattern'], asked['names'])) + '\n')
    sys.stdout.flush()
