# SPDX-License-Identifier: MIT
"""A terminal of the test's own, with `berth run` on it: what it shows, and what is typed."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import host

PROMPT = "never (n)? "
SECONDS = 15


class Terminal:
    """WORDS is a whole command line: it leads the terminal's session, as a shell would."""

    def __init__(self, *words, **streams):
        self.text = ""
        self.read = 0  # so much of the text has been looked at
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for number, path in streams.items():
                flags = os.O_RDONLY if number == "stdin" else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                os.dup2(os.open(path, flags, 0o600),
                        {"stdin": 0, "stdout": 1, "stderr": 2}[number])
            os.environ["NO_COLOR"] = "1"
            os.execvp(words[0], [str(word) for word in words])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 500, 0, 0))

    def _is_over(self):
        """Whether the process has ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def _receive(self, seconds):
        """False: no more will come."""
        is_over = self._is_over()
        if not select.select([self.fd], [], [], 0 if is_over else seconds)[0]:
            return not is_over
        try:
            self.text += os.read(self.fd, 65536).decode(errors="replace").replace("\r\n", "\n")
        except OSError:  # EIO: nobody has it open, now
            time.sleep(0.02)
            return not is_over
        return True

    def wait_for(self, words, seconds=SECONDS):
        """Until WORDS have been shown since the last that were waited for. Whether they were."""
        deadline = time.monotonic() + seconds
        while words not in self.text[self.read:]:
            if time.monotonic() > deadline or not self._receive(0.1):
                return words in self.text[self.read:]
        self.read = self.text.index(words, self.read) + len(words)
        return True

    def type(self, text):
        os.write(self.fd, text.encode())

    def answer(self, word):
        """Waits for a question, answers it. What was shown up to its prompt; None: nothing was asked."""
        begin = self.read
        if not self.wait_for(PROMPT) or not self.wait_for("] "):
            return None
        shown = self.text[begin:self.read]
        self.type(word + "\n")
        return shown

    def end(self, seconds=SECONDS):
        """Until it has ended. Its exit status, as a shell has it; None: it had to be killed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._receive(0.1):
            pass
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
        return self.status


def run(*words, **streams):
    """berth run WORDS on a terminal of its own."""
    return Terminal(*host.argv(*words), **streams)
