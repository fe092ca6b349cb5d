"""The child process of the embedded server: ministack on 127.0.0.1 for as long as its standard input is open.

In: nothing. Out: one line on standard output, the port, written when the socket listens and before the slow imports;
everything that goes wrong, on standard error. Run as a program by ``ddbetl.demo.server``; never imported.

The kernel chooses the port, so two servers never fight for one. The parent holds the other end of standard input: when
it closes that end, or is killed in whatever way, the read below ends and so does the process. Its working files are in
a folder of its own, which goes with it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
import threading


def _exit_at_end_of_input(folder: str) -> None:
    while os.read(0, 4096):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    # There is no state to save, and a shutdown that waits for connections could outlive the parent by minutes.
    os._exit(0)


def main() -> None:
    """Serve DynamoDB until standard input ends."""
    folder = tempfile.mkdtemp(prefix="ddbetl-embedded-")
    tempfile.tempdir = folder
    threading.Thread(target=_exit_at_end_of_input, args=(folder,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    port = str(listener.getsockname()[1])
    # ministack reads its settings when it is imported.
    os.environ["GATEWAY_PORT"] = port
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()

    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app  # type: ignore[import-untyped]

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = 75
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main()
