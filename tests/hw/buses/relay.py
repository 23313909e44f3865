"""Character devices /dev/i2c-1 and /dev/spidev0.0 of umockdev, whose transfers somebody at a socket answers.

Run by the system's Python, which has GObject introspection, and by nothing else of the project:
`umockdev-wrapper python3 relay.py SOCKET CLIENT...` sets the devices up and starts the client, which sees them. A
transfer goes to the socket as a line of JSON and waits for a line in answer.
"""

# mypy: ignore-errors
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402

I2C_RDWR, I2C_FUNCS = 0x0707, 0x0705
READ = 0x0001
FUNCTIONS = 0x0EFF0009
ENOTTY = 25
SPI_TYPE = 0x6B
TRANSFER = 32
MESSAGE = 1 << 30 | TRANSFER << 16 | SPI_TYPE << 8
MODE, BITS, SPEED, MODE32 = 1, 3, 4, 5


class Far:
    """Who answers."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.line = socket.socket(socket.AF_UNIX)
        self.line.connect(path)
        self.file = self.line.makefile("rw", encoding="ascii")

    def ask(self, **question):
        with self.lock:
            self.file.write(json.dumps(question) + "\n")
            self.file.flush()
            return json.loads(self.file.readline())


class I2cDevice(UMockdev.IoctlBase):
    def do_handle_ioctl(self, client):
        request, arg = client.get_property("request"), client.get_property("arg")
        if request == I2C_FUNCS:
            arg.resolve(0, 8).update(0, struct.pack("<Q", FUNCTIONS))
            client.complete(0, 0)
        elif request == I2C_RDWR:
            self.transfer(client, arg.resolve(0, 16))
        else:
            client.complete(-1, ENOTTY)
        return True

    def transfer(self, client, control):
        _, count = struct.unpack_from("<QI", bytes(control.retrieve()))
        block = control.resolve(0, 16 * count)
        table = bytes(block.retrieve())
        messages, buffers = [], []
        for index in range(count):
            address, flags, length = struct.unpack_from("<HHH", table, 16 * index)
            buffer = block.resolve(16 * index + 8, length)
            reads = bool(flags & READ)
            messages.append([address, length if reads else bytes(buffer.retrieve()).hex()])
            buffers += [buffer] if reads else []
        answer = far.ask(bus="i2c", messages=messages)
        if answer["errno"]:
            client.complete(-1, answer["errno"])
            return
        for buffer, data in zip(buffers, answer["read"], strict=True):
            buffer.update(0, bytes.fromhex(data))
        client.complete(count, 0)


class SpiDevice(UMockdev.IoctlBase):
    def __init__(self):
        super().__init__()
        self.settings = {MODE: 0, BITS: 8, SPEED: 500_000}

    def do_handle_ioctl(self, client):
        request, arg = client.get_property("request"), client.get_property("arg")
        number, kind, size, direction = request & 0xFF, request >> 8 & 0xFF, request >> 16 & 0x3FFF, request >> 30
        key = MODE if number == MODE32 else number
        if request == MESSAGE:
            self.transfer(client, arg.resolve(0, TRANSFER))
            return True
        if kind != SPI_TYPE or key not in self.settings:
            client.complete(-1, ENOTTY)
        elif direction == 2:
            arg.resolve(0, size).update(0, self.settings[key].to_bytes(size, "little"))
            client.complete(0, 0)
        else:
            self.settings[key] = int.from_bytes(bytes(arg.resolve(0, size).retrieve()), "little")
            client.complete(0, 0)
        return True

    def transfer(self, client, block):
        """SPI_IOC_MESSAGE(1): one transfer, chip select low for it alone."""
        _, _, count, speed = struct.unpack_from("<QQII", bytes(block.retrieve()))
        sent = bytes(block.resolve(0, count).retrieve()).hex()
        answer = far.ask(bus="spi", sent=sent, mode=self.settings[MODE], hz=speed)
        if answer["errno"]:
            client.complete(-1, answer["errno"])
        else:
            block.resolve(8, count).update(0, bytes.fromhex(answer["read"]))
            client.complete(count, 0)


DEVICES = {
    "/dev/i2c-1": ("i2c-1", "i2c-dev", I2cDevice),
    "/dev/spidev0.0": ("spidev0.0", "spidev", SpiDevice),
}


def forbid(root):
    """Keep the client's user from the nodes; what umockdev itself needs stays open to it."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o777)
    for node in DEVICES:
        (root / node[1:]).chmod(0o600 if os.getuid() == 0 else 0o000)


far = Far(sys.argv[1])
testbed = UMockdev.Testbed.new()
for node, (name, subsystem, device) in DEVICES.items():
    testbed.add_from_string(f"P: /devices/{name}\nN: {name}\nE: DEVNAME={node}\nE: SUBSYSTEM={subsystem}\n")
    testbed.attach_ioctl(node, device())
if os.environ.get("RELAY_FORBIDDEN"):
    forbid(Path(testbed.get_root_dir()))
loop = GLib.MainLoop()
threading.Thread(target=loop.run, daemon=True).start()
status = subprocess.call(sys.argv[2:])
loop.quit()
sys.exit(status)
