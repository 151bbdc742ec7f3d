"""Checkpoints, keys, tiles and proofs of the organization's log: /v1/ledger."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get
from msgspec import UNSET, UnsetType

from tallystick.api.answers import JSON, encode, encoded_answer
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, EventId, LogIndex, ResponseBody, doc
from tallystick.api.find_events import find_event
from tallystick.api.negotiation import choose_media_type
from tallystick.api.operation import Schema, operation
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.api.query_parameters import CONSISTENCY, MOST_INDEX
from tallystick.errors import BadRequest
from tallystick.ledger.notes import hash_lines
from tallystick.ledger.prover import evidence, proof_text
from tallystick.merkle.tiles import Tile
from tallystick.query.scope import Scope

TEXT = "text/plain"
BYTES = "application/octet-stream"

# The content of a tile never changes; whose tile it is depends on the key.
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable", "Vary": "Authorization"}
_ONE_SECOND = {"Cache-Control": "private, max-age=1", "Vary": "Authorization"}


def _text(example: str) -> dict[str, Schema]:
    return {TEXT: {"type": "string", "examples": [example]}}


# How the OpenAPI document describes these answers, here and without a key.
NOTE: dict[str, Any] = {
    "answer": "The signed note.",
    "media": _text(
        "audit.example.com/log/5f0c…\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n"
        "— audit.example.com/log/5f0c… Hd5FMb8RwD+W…\n"
    ),
}
KEYS: dict[str, Any] = {
    "answer": "The keys, one on each line.",
    "media": _text("audit.example.com/log/5f0c…+1dde4531+ATtqJ7zO…\n"),
}
TILE: dict[str, Any] = {"answer": "The bytes of the tile.", "media": {BYTES: {"type": "string"}}}
HASHES: dict[str, Any] = {
    "answer": "The hashes in base64, one on each line.",
    "media": _text("vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=\n"),
    "parameters": CONSISTENCY,
    "problems": (404,),
}
_operation = partial(operation, "Proofs", "events:read", serves_filtered=True)


class EventEvidence(ResponseBody):
    """What the log entry of an event is computed from.

    Of an event that lost parts, `salts` and `commitments` take the place of `seed`, and those parts are null.
    """

    index: LogIndex
    id: EventId
    received_at: Annotated[Count, doc("Microseconds since 1970 UTC.")]
    what: Annotated[str | None, doc("The first part: the exact text of its commitment.")]
    target: Annotated[str | None, doc("The second part.")]
    who: Annotated[str | None, doc("The third part.")]
    details: Annotated[str | None, doc("The fourth part.")]
    seed: Annotated[str, doc("16 bytes in base64 that open the commitments.")] | UnsetType = UNSET
    salts: Annotated[dict[str, str], doc("The salt of each part that is left, in base64.")] | UnsetType = UNSET
    commitments: Annotated[dict[str, str], doc("The commitment to each erased part, in base64.")] | UnsetType = UNSET


class ProofResponse(ResponseBody):
    """The inclusion proof of an event."""

    index: LogIndex
    size: Annotated[Count, doc("Size of the log in the checkpoint.")]
    event: EventEvidence
    proof: Annotated[str, doc("The proof and the checkpoint, as a C2SP tlog-proof.")]


@get("/v1/ledger/checkpoint", opt=_operation(**NOTE))
async def show_checkpoint(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get the signed checkpoint.

    The log's name, its size and its root hash, signed with Ed25519 (C2SP tlog-checkpoint, signed-note). While the log
    grows, the checkpoint is at most a second old.
    """
    reader = await authorize_scope(request, services)
    Parameters.of(request)
    checkpoint = await services.pools.searches.run(reader, services.prover.checkpoint, reader)
    return encoded_answer(checkpoint.note.encode(), TEXT, headers=_ONE_SECOND)


@get("/v1/ledger/key", opt=_operation(**KEYS))
async def show_key(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get the signing keys.

    Each is a vkey line (C2SP signed-note), the current key first; there are two while a key is being replaced. Store
    the key when you begin, and keep it elsewhere: a key that comes with the evidence proves nothing.
    """
    reader = await authorize_scope(request, services)
    Parameters.of(request)
    vkeys = await services.pools.searches.run(reader, services.prover.vkeys, reader)
    return encoded_answer("".join(f"{vkey}\n" for vkey in vkeys).encode(), TEXT)


@get("/v1/ledger/tile/{path:path}", opt=_operation(**TILE))
async def show_tile(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get a tile of the log.

    As C2SP tlog-tiles defines: `<level>/<number>` holds up to 256 hashes of 32 bytes, `entries/<number>` up to 256
    entries, each after its length. Paths of partial tiles end in `.p/<width>`; older, narrower widths are served too.
    The content of a tile never changes.
    """
    reader = await authorize_scope(request, services)
    Parameters.of(request)
    tile = parse_tile(request.scope["path"].removeprefix("/v1/ledger/"))
    return encoded_answer(
        await services.pools.searches.run(reader, services.prover.tile, reader, tile), BYTES, headers=_FOREVER
    )


@get("/v1/ledger/consistency", opt=_operation(**HASHES))
async def show_consistency(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get a consistency proof.

    Proves that the log has only grown from one size to another (RFC 9162, 2.1.4): base64 hashes, leaf side first.
    Empty if nothing is to prove.
    """
    reader = await authorize_scope(request, services)
    sizes = proof_sizes(Parameters.of(request))
    hashes = await services.pools.searches.run(reader, services.prover.consistency, reader, *sizes)
    return encoded_answer(hash_lines(hashes).encode(), TEXT, headers=_FOREVER)


@get("/v1/audit-logs/{id:str}/proof", opt=_operation(media={TEXT: {"type": "string"}}, problems=(406,)))
async def show_proof(request: Request[Any, Any, Any], services: ApiServices) -> Response[ProofResponse]:
    """Get the inclusion proof of an event.

    Proves that the event is at its index under a signed checkpoint, as soon as it is recorded. As text it is a C2SP
    tlog-proof, which reveals nothing of the event. As JSON it also holds the exact parts of the event, so that
    `tallystick verify` needs only the key besides.
    """
    reader = await authorize_scope(request, services)
    media = choose_media_type(request, (TEXT, JSON))
    Parameters.of(request)
    content = await services.pools.searches.run(reader, _proof, services, reader, request.path_params["id"], media)
    return encoded_answer(content, media, headers={"Vary": "Accept"})


def parse_tile(path: str) -> Tile:
    """The tile at a path; raises BadRequest (`bad_tile`)."""
    try:
        return Tile.parse(path)
    except ValueError:
        raise BadRequest(
            "Invalid tile: write tile/<level>/<number> or tile/entries/<number>, such as tile/0/x001/234 or "
            "tile/0/000.p/12.",
            code="bad_tile",
        ) from None


def proof_sizes(parameters: Parameters) -> tuple[int, int]:
    """The sizes `first` and `second` of a consistency proof; raises BadRequest (`bad_parameter`)."""
    return _size(parameters, "first"), _size(parameters, "second")


def _size(parameters: Parameters, name: str) -> int:
    size = parameters.integer(name, 0, MOST_INDEX)
    if size is None:
        raise bad_parameter(name, "first and second are required: the sizes of two checkpoints.")
    return size


def _proof(services: ApiServices, reader: Scope, event_id: str, media: str) -> bytes:
    event = find_event(services.finder, reader, event_id)
    proof = services.prover.inclusion(reader, event.index)
    text = proof_text(proof, event)
    if media == TEXT:
        return text.encode()
    # ProofResponse, whose parts are texts as they are: `evidence` is what the verifier reads.
    return encode({"index": event.index, "size": proof.checkpoint.size, "event": evidence(event), "proof": text})
