"""Makes the calls a test asks for, with Python's own XML-RPC client.

One JSON object a line on stdin: {"url", "method", "params"} and, for long answers, {"into": PATH}.
One a line on stdout: {"value"}, {"saved": BYTES}, {"fault", "text"}, {"http": STATUS} or {"error"}.
Bytes are {"base64"} in both directions.
"""
import base64
import json
import sys

try:
    from xmlrpc.client import Binary, Fault, ProtocolError, ServerProxy
except ImportError:
    from xmlrpclib import Binary, Fault, ProtocolError, ServerProxy


def from_json(value):
    if isinstance(value, dict) and 'base64' in value:
        return Binary(base64.b64decode(value['base64']))
    if isinstance(value, list):
        return [from_json(item) for item in value]
    return value


def to_json(value):
    if isinstance(value, Binary):
        return {'base64': base64.b64encode(value.data).decode('ascii')}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return dict((key, to_json(item)) for key, item in value.items())
    return value


def save(value, path):
    """The content of an answer of either implementation, as bytes, in a file."""
    content = value[1] if isinstance(value, list) else value
    if isinstance(content, Binary):
        content = content.data
    elif not isinstance(content, bytes):
        content = content.encode('utf-8')
    with open(path, 'wb') as f:
        f.write(content)
    return len(content)


def answer(request):
    try:
        proxy = ServerProxy(request['url'], allow_none=True)
        value = getattr(proxy, request['method'])(*from_json(request['params']))
    except Fault as fault:
        return {'fault': fault.faultCode, 'text': fault.faultString}
    except ProtocolError as error:
        return {'http': error.errcode}
    except Exception as error:
        return {'error': repr(error)}
    return {'saved': save(value, request['into'])} if 'into' in request else {'value': to_json(value)}


if __name__ == '__main__':
    for line in iter(sys.stdin.readline, ''):
        sys.stdout.write(json.dumps(answer(json.loads(line))) + '\n')
        sys.stdout.flush()
