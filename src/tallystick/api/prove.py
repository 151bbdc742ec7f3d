"""Proving: checkpoints, keys, tiles and proofs of the organization's log."""

from typing import Any

from litestar import Request, Response, get

from tallystick.api.answers import JSON, answer, encode
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.find_events import event_named
from tallystick.api.negotiation import chosen_media
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.errors import BadRequest
from tallystick.ledger.notes import hash_lines
from tallystick.ledger.prover import evidence, proof_text
from tallystick.merkle.tiles import Tile
from tallystick.query.scope import Scope

TEXT = "text/plain"
BYTES = "application/octet-stream"
CONSISTENCY = frozenset({"first", "second"})
MOST_ENTRIES = 10**15

# What a tile holds never changes; whose tile it is depends on the key.
_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable", "Vary": "Authorization"}
_FOR_A_SECOND = {"Cache-Control": "private, max-age=1", "Vary": "Authorization"}


@get("/v1/ledger/checkpoint", name="api.show_checkpoint")
async def show_checkpoint(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The log's name, size and root, signed: at most a second old while the log grows."""
    reader = await authorize_scope(request, services, "events:read")
    Parameters.of(request, ())
    checkpoint = await services.database.run(services.prover.checkpoint, reader)
    return answer(checkpoint.note.encode(), media_type=TEXT, headers=_FOR_A_SECOND)


@get("/v1/ledger/key", name="api.show_key")
async def show_key(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The keys that sign now, one on each line, the current one first."""
    reader = await authorize_scope(request, services, "events:read")
    Parameters.of(request, ())
    vkeys = await services.database.run(services.prover.vkeys, reader)
    return answer("".join(f"{vkey}\n" for vkey in vkeys).encode(), media_type=TEXT)


@get("/v1/ledger/tile/{path:path}", name="api.show_tile")
async def show_tile(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """A tile of hashes, or a bundle of entries, as bytes."""
    reader = await authorize_scope(request, services, "events:read")
    Parameters.of(request, ())
    tile = tile_named(request.scope["path"].removeprefix("/v1/ledger/"))
    return answer(await services.database.run(services.prover.tile, reader, tile), media_type=BYTES, headers=_FOR_EVER)


@get("/v1/ledger/consistency", name="api.show_consistency")
async def show_consistency(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The hashes that show that the log has only grown from one size to another."""
    reader = await authorize_scope(request, services, "events:read")
    parameters = Parameters.of(request, CONSISTENCY)
    hashes = await services.database.run(services.prover.consistency, reader, *sizes_asked(parameters))
    return answer(hash_lines(hashes).encode(), media_type=TEXT, headers=_FOR_EVER)


@get("/v1/audit-logs/{id:str}/proof", name="api.show_proof")
async def show_proof(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """That the event stands in the log; also the moment after it was recorded."""
    reader = await authorize_scope(request, services, "events:read")
    media = chosen_media(request, (TEXT, JSON))
    Parameters.of(request, ())
    content = await services.database.run(_proof, services, reader, request.path_params["id"], media)
    return answer(content, media_type=media, headers={"Vary": "Accept"})


def tile_named(path: str) -> Tile:
    """The tile of that path; BadRequest (`bad_tile`)."""
    try:
        return Tile.parse(path)
    except ValueError:
        raise BadRequest(
            "This is no tile: write tile/<level>/<number> or tile/entries/<number>, such as tile/0/x001/234 or "
            "tile/0/000.p/12.",
            code="bad_tile",
        ) from None


def sizes_asked(parameters: Parameters) -> list[int]:
    """The two sizes between which consistency is to be shown; BadRequest."""
    sizes: list[int] = []
    for name in ("first", "second"):
        size = parameters.whole(name, 0, MOST_ENTRIES)
        if size is None:
            raise bad_parameter(name, "first and second are the sizes of two checkpoints.")
        sizes.append(size)
    return sizes


def _proof(services: ApiServices, reader: Scope, event_id: str, media: str) -> bytes:
    event = event_named(services.finder, reader, event_id)
    proof = services.prover.inclusion(reader, event.index)
    text = proof_text(proof, event)
    if media == TEXT:
        return text.encode()
    return encode({"index": event.index, "size": proof.checkpoint.size, "event": evidence(event), "proof": text})
