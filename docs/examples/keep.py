"""Keeps what came in a folder, for the examples of mailboxes beside it."""

import os


def keep(folder, delivery, body):
    """Durably, once an id: a copy that comes again is known by its name."""
    path = os.path.join(folder, delivery)
    if os.path.exists(path):
        return
    with open(f"{path}.part", "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.part", path)
    directory = os.open(folder, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
