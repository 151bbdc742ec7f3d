"""The tlog-proof: the known one is read as it stands, the malformed are refused."""

import pytest

from tallystick.verify.entries import Malformed
from tallystick.verify.notes import Key, open_checkpoint
from tallystick.verify.proofs import check_proof, read_proof
from tallystick.verify.report import Report
from tallystick.verify.tree import check_inclusion, leaf_hash
from tests.verify import vectors as v

HEADER = "c2sp.org/tlog-proof@v1\n"
HASH = "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms="


def test_the_known_proof_holds_for_the_entry_it_is_of():
    proof = read_proof(v.PROOF)
    assert (proof.extra, proof.index) == (b"hello", 5)
    assert proof.checkpoint == v.CHECKPOINT
    checkpoint = open_checkpoint(proof.checkpoint, [Key.read(v.LOG), Key.read(v.WITNESS)])
    check_inclusion(5, checkpoint.size, leaf_hash(v.ENTRIES[5]), proof.hashes, checkpoint.root)


def test_a_proof_needs_no_extra_and_no_hashes():
    proof = read_proof(f"{HEADER}index 0\n\ncheckpoint\n")
    assert (proof.extra, proof.index, proof.hashes, proof.checkpoint) == (None, 0, [], "checkpoint\n")


TEXTS = {
    "without its header": f"index 0\n{HASH}\n\ncheckpoint\n",
    "of another version": f"c2sp.org/tlog-proof@v2\nindex 0\n{HASH}\n\ncheckpoint\n",
    "with an extra that is not base64": f"{HEADER}extra !\nindex 0\n\ncheckpoint\n",
    "without an index": f"{HEADER}{HASH}\n\ncheckpoint\n",
    "with words for an index": f"{HEADER}index notanumber\n\ncheckpoint\n",
    "with a negative index": f"{HEADER}index -5\n\ncheckpoint\n",
    "with a zero before its index": f"{HEADER}index 05\n\ncheckpoint\n",
    "with a hash that is not base64": f"{HEADER}index 0\n{HASH[:-1]}!\n\ncheckpoint\n",
    "with a hash of 64 bytes": f"{HEADER}index 0\n{'A' * 86}==\n\ncheckpoint\n",
    "with a line too long": f"{HEADER}extra {'A' * 70_000}\nindex 0\n\ncheckpoint\n",
    "with too many hashes": f"{HEADER}index 0\n{(HASH + chr(10)) * 65}\ncheckpoint\n",
    "without a checkpoint": f"{HEADER}index 0\n{HASH}\n",
    "that is empty": "",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_proof_is_refused(text):
    with pytest.raises(Malformed):
        read_proof(text)


def test_a_proof_whose_extra_opens_no_entry_proves_nothing():
    report = Report("proof")
    check_proof(v.PROOF, [Key.read(v.LOG)], report)
    assert not report.holds
