"""Programs that try to get out of the sandbox, or never to end; each must fail with a reason.

ESCAPES["passwd"]   open('/etc/passwd').read()      fails if the host's file can be read
ENDLESS["loop"]     while True: pass                has to be ended
"""

_READ_THE_WORD = """
import json, os, sys
frame = sys._getframe()
while "source" not in frame.f_locals:
    frame = frame.f_back
source, says = frame.f_locals["source"], frame.f_locals["says"]
os.set_blocking(source.fileno(), False)
word = source.readline().strip()
assert word
os.write(says, json.dumps({"passed": word}).encode() + b"\\n")
os._exit(0)
"""

ESCAPES = {
    "read the word": _READ_THE_WORD,
    "network": "import socket; socket.create_connection(('1.1.1.1', 53), 2)",
    "loopback": "import socket; socket.create_connection(('127.0.0.1', 22), 2)",
    "passwd": "open('/etc/passwd').read()",
    "symlink": "import os; os.symlink('/etc/passwd', '/tmp/s'); open('/tmp/s').read()",
    "process root": "open('/proc/1/root/etc/passwd').read()",
    "home": "import os; assert [f for f in os.listdir('/') if f in ('home', 'root')]",
    "environment": (
        "import os\nassert set(os.environ) - {'HOME', 'PATH', 'PWD', 'LD_LIBRARY_PATH', 'LC_CTYPE'}"
    ),
    "write outside": "open('/usr/escaped', 'w').write('x')",
    "write root": "open('/escaped', 'w').write('x')",
    "write devices": "open('/dev/shm/escaped', 'w').write('x')",
    "fill the disk": "[open(f'/tmp/{i}', 'w').write('x' * (1 << 23)) for i in range(9)]",
    "become root": "import os; os.setuid(0)",
    "raise a limit": "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))",
    "signal the parent": "import os; os.kill(os.getppid(), 9)",
    "signal the first": "import os; os.kill(1, 9); assert False",
    "other processes": "import os; assert len([p for p in os.listdir('/proc') if p.isdigit()]) > 3",
    "mount": (
        "import ctypes\nassert ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0"
    ),
}

ENDLESS = {
    "loop": "while True: pass",
    "sleep": "import time; time.sleep(60)",
    "endless output": "while True: print('x' * 100_000)",
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "memory bomb": "text = 'a' * (1 << 32)",
}
