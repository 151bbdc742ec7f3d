"""Notes, keys and checkpoints: those that others published are read, every malformed one is refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.ledger.notes import checkpoint_body, signed_note, vkey
from tallystick.verify.notes import Key, Unsigned, open_checkpoint, open_note, read_checkpoint
from tests.verify import vectors as v

KEYS = [Key.read(line) for line in (v.NEUMANN, v.ENOCH, v.FOO, v.LOG, v.WITNESS, v.ARCHE, v.REMORA)]


def test_published_notes_are_opened_by_all_who_signed():
    assert [key.name for key, _ in open_note(v.NOTE, KEYS).signers] == ["PeterNeumann", "EnochRoot"]
    assert open_note(v.FOO_NOTE, KEYS).body == "This is an example message.\n"


@pytest.mark.parametrize("line", v.BAD_KEYS.values(), ids=v.BAD_KEYS)
def test_a_key_is_refused(line):
    with pytest.raises(ValueError, match="key"):
        Key.read(line)


def test_a_key_whose_base64_holds_plus_signs_is_split_at_the_first_two():
    with pytest.raises(ValueError, match=r"id does not belong|of kind"):
        Key.read("example.com/foo+00000000+" + "+" * 44)


def test_our_signer_writes_what_the_formats_demand():
    private = Ed25519PrivateKey.from_private_bytes(v.LOG_SEED)
    assert vkey("example.com/log", private.public_key().public_bytes_raw()) == v.LOG
    assert checkpoint_body("example.com/log", 8, bytes.fromhex(v.ROOTS[-1])) == v.BODY
    assert signed_note(v.BODY, "example.com/log", [private]) == f"{v.BODY}\n{v.LOG_LINE}"


def test_a_checkpoint_is_opened_with_its_witness():
    found = open_checkpoint(v.CHECKPOINT, KEYS)
    assert (found.origin, found.size, found.root.hex()) == ("example.com/log", 8, v.ROOTS[-1])
    assert found.witnesses == [("witness.example/w1", 1700000000)]


def test_a_real_logs_checkpoint_and_its_real_witness_are_verified():
    found = open_checkpoint(v.ARCHE_NOTE, KEYS)
    assert (found.size, found.witnesses) == (1432088532, [("remora.n621.de", 1779573024)])


@pytest.mark.parametrize("keys", [[v.ARCHE], [v.REMORA, v.ARCHE]])
def test_another_size_makes_log_and_witness_fail(keys):
    changed = v.ARCHE_NOTE.replace("1432088532", "1432088533")
    with pytest.raises(Unsigned, match="is invalid"):
        open_checkpoint(changed, [Key.read(line) for line in keys])


SIGNED = v.FOO_NOTE
NOTES = {
    "without signatures": "This is an example message.\n",
    "without the empty line": SIGNED.replace("\n\n", "\n"),
    "without a final newline": SIGNED[:-1],
    "with a control character": "\x01" + SIGNED,
    "with a space in the signer's name": SIGNED.replace("example.com/foo", "example.com /foo"),
    "with text after the signatures": SIGNED + "more\n",
    "with an empty line after the signatures": SIGNED + "\n",
    "with too many signatures": SIGNED + "— someone AAAAAAAA\n" * 100,
    "with another text": SIGNED.replace("example message", "other message"),
    "with a signature that is not base64": SIGNED.replace("Uw2Q", "Uw2!"),
    "with a hyphen for the dash": SIGNED.replace("— ", "- "),
    "with a signature cut short": SIGNED.replace("neyaQM=", "neyaQ=="),
}


@pytest.mark.parametrize("text", NOTES.values(), ids=NOTES)
def test_a_note_is_refused(text):
    with pytest.raises(Unsigned):
        open_note(text, KEYS)


def test_signatures_of_strangers_are_passed_over_but_do_not_suffice():
    assert len(open_note(v.NOTE, [KEYS[0]]).signers) == 1
    with pytest.raises(Unsigned, match="none of the given keys"):
        open_note(v.NOTE, [Key.read(v.FOO)])


def test_a_known_key_with_a_wrong_signature_rejects_what_another_signed_rightly():
    wrong = v.NOTE.replace("rwz+eBzmZa0S", "rwz+eBzmZa0T")
    with pytest.raises(Unsigned, match="EnochRoot is invalid"):
        open_note(wrong, KEYS)


def test_a_key_of_the_same_name_with_another_id_is_not_the_signer():
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(Unsigned, match="none of the given keys"):
        open_note(v.FOO_NOTE, [Key.read(vkey("example.com/foo", other))])


def test_a_checkpoint_that_only_a_witness_signed_is_not_signed_by_its_log():
    with pytest.raises(Unsigned, match="none of your keys for that log"):
        open_checkpoint(v.CHECKPOINT, [Key.read(v.WITNESS)])


ROOT = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_the_empty_logs_checkpoint_is_read():
    assert read_checkpoint(f"example.com/log\n0\n{ROOT}\n")[:2] == ("example.com/log", 0)


BODIES = {
    "without a root": "Log\n123\n",
    "without an origin": f"\n123\n{ROOT}\n",
    "without the last newline": f"Log\n123\n{ROOT}",
    "with words for a size": f"Log\nbananas\n{ROOT}\n",
    "with a negative size": f"Log\n-34\n{ROOT}\n",
    "with a size beyond 64 bits": f"Log\n18446744073709551616\n{ROOT}\n",
    "with a zero before the size": f"Log\n0123\n{ROOT}\n",
    "with a root that is not base64": f"Log\n123\n{ROOT[:-2]}!=\n",
    "with a root of another length": "Log\n123\nYmFuYW5hcw==\n",
    "with other digits": f"Log\n１２３\n{ROOT}\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_checkpoint_is_refused(body):
    with pytest.raises(Unsigned):
        read_checkpoint(body)
