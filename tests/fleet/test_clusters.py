"""The namespaces that clusters live in: joined by a bridge, cut off one by one, and gone afterwards."""

from __future__ import annotations

import subprocess

import pytest

from benchmarks.hub.nodes import NODES, Hall, address
from benchmarks.hub.services import MissingError

pytestmark = pytest.mark.service


def test_nodes_are_joined_cut_off_and_removed() -> None:
    try:
        hall = Hall()
        hall.build()
    except MissingError as error:
        pytest.skip(str(error))
    try:
        assert all(reaches(hall, number) for number in range(1, NODES + 1))
        hall.link(3, up=False)
        assert reaches(hall, 2)
        assert not reaches(hall, 3)
        hall.link(3, up=True)
        assert reaches(hall, 3)
    finally:
        hall.remove()
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert hall.hall not in left


def reaches(hall: Hall, number: int) -> bool:
    """Whether a connection is refused there, which only a machine that is reached can do."""
    probe = f"import socket; socket.create_connection(('{address(number)}', 9), 3)"
    command = ["ip", "netns", "exec", hall.hall, "python3", "-S", "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "ConnectionRefusedError" in done.stderr
