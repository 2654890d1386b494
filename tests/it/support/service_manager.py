"""A service manager: opens sockets, passes them to one process after another, and listens to what each says of itself.

Standard input: one line with what to run, then one command a line. Standard output: one line of JSON for each.
"""

import fcntl
import json
import os
import queue
import signal
import socket
import sys
import threading

setup = json.loads(sys.stdin.readline())
names = setup["names"]
sockets = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in names]
# A copy above the numbers that the process gets, so that none is overwritten by another.
copies = [fcntl.fcntl(listening.fileno(), fcntl.F_DUPFD_CLOEXEC, 100) for listening in sockets]
notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notices.bind(setup["notify"])
notices_heard = queue.Queue()
child = None


def listen():
    while True:
        for line in notices.recv(4096).decode().split("\n"):
            notices_heard.put(line)


threading.Thread(target=listen, daemon=True).start()


def answer(**said):
    print(json.dumps(said), flush=True)


def heard(until):
    """What the process says, up to a line that is awaited or its end."""
    global child
    lines = []
    while until not in lines:
        try:
            lines.append(notices_heard.get(timeout=0.1))
        except queue.Empty:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                child = None
                return [*lines, f"ENDED={os.waitstatus_to_exitcode(status)}"]
    return lines


def start():
    global child
    child = os.fork()
    if child == 0:
        for number, copy in enumerate(copies):
            os.dup2(copy, 3 + number, inheritable=True)
        passed = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
        log = os.open(setup["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 2)
        environment = {**os.environ, **setup["environment"], **passed, "NOTIFY_SOCKET": setup["notify"]}
        os.execve(setup["command"][0], setup["command"], environment)
    return heard("READY=1")


def stop():
    global child
    os.kill(child, signal.SIGTERM)
    said = heard("STOPPING=1")
    if child:
        _, status = os.waitpid(child, 0)
        child = None
        return os.waitstatus_to_exitcode(status), said
    return None, said


answer(ports={name: listening.getsockname()[1] for name, listening in zip(names, sockets)})
for line in sys.stdin:
    match line.strip():
        case "start":
            answer(said=start())
        case "restart":
            status, said = stop()
            answer(status=status, said=said + start())
        case "reload":
            os.kill(child, signal.SIGHUP)
            answer(said=heard("READY=1"))
        case "watch":
            answer(said=heard("WATCHDOG=1"))
        case "stop":
            status, said = stop()
            answer(status=status, said=said)
if child:
    os.kill(child, signal.SIGKILL)
