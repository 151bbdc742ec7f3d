"""Large blocks of memory go back to the system, whatever was freed before."""

import subprocess
import sys

import pytest

# glibc counts in `hblks` (the fourth field) the blocks that are mapped on their own.
PROGRAM = """
import ctypes
from tallystick.work.heap import return_large_blocks

class Counts(ctypes.Structure):
    _fields_ = [("field%d" % number, ctypes.c_int) for number in range(10)]

libc = ctypes.CDLL(None)
libc.mallinfo.restype = Counts
if {is_called}:
    return_large_blocks()
bytes(20 << 20)
before = libc.mallinfo().field3
block = bytes(2 << 20)
print(libc.mallinfo().field3 - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone counts its blocks")
@pytest.mark.parametrize(("is_called", "mapped"), [(True, "1"), (False, "0")])
def test_a_large_block_is_mapped_on_its_own_also_after_a_larger_one_was_freed(is_called, mapped):
    program = PROGRAM.format(is_called=is_called)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == mapped
