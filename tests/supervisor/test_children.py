"""What a process is doing, by what the kernel holds for it and not by its first thread."""

import socket
import subprocess
import sys
import textwrap

from harness.clock import wait_until
from harness.stack import State
from harness.supervisor import processes
from harness.supervisor.children import Process
from tests.supervisor.forking import server

# What a large process is for a moment after SIGKILL: its first thread is gone, and another still has its port.
FIRST_THREAD_ENDS = textwrap.dedent("""
    import ctypes, socket, threading
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=listener.accept).start()
    libc = ctypes.CDLL(None)
    libc.pthread_exit.restype = None
    libc.pthread_exit(None)
""")


def test_a_process_whose_other_threads_are_there_has_not_ended() -> None:
    """Whoever took it for gone would find its ports busy "with a process that is not ours"."""
    with subprocess.Popen([sys.executable, "-c", FIRST_THREAD_ENDS], stdout=subprocess.PIPE) as popen:
        assert popen.stdout is not None
        port = int(popen.stdout.readline())
        wait_until(
            lambda: processes.state_at(popen.pid) is State.EXITED, within_s=10, what="its first thread to end"
        )
        child = Process(server(port), popen)
        assert child.state() is State.RUNNING
        socket.create_connection(("127.0.0.1", port)).close()  # it still has its port, and now ends
        wait_until(lambda: child.state() is State.EXITED, within_s=10, what="it to have ended")
        assert processes.state_at(popen.pid) is State.EXITED
