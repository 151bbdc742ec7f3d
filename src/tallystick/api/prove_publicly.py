"""A log that everybody may read: /log/<random id>, as C2SP tlog-tiles lays it out. It reveals no event."""

from functools import partial
from typing import Any

from litestar import Request, Response, get

from tallystick.api.answers import answer
from tallystick.api.authorization import caller_of
from tallystick.api.dependencies import ApiServices
from tallystick.api.parameters import Parameters
from tallystick.api.prove import BYTES, CONSISTENCY, TEXT, sizes_asked, tile_named
from tallystick.integrity.publish import public_scope
from tallystick.ledger.notes import hash_lines
from tallystick.query.scope import Scope

LOG = "/log/{origin_id:str}"
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_FOR_A_SECOND = {"Cache-Control": "public, max-age=1"}


@get(LOG + "/checkpoint", name="api.show_public_checkpoint")
async def show_public_checkpoint(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The log's name, size and root, signed."""
    Parameters.of(request, ())
    anybody = await _anybody(request, services)
    checkpoint = await services.database.run(services.prover.checkpoint, anybody)
    return answer(checkpoint.note.encode(), media_type=TEXT, headers=_FOR_A_SECOND)


@get(LOG + "/key", name="api.show_public_key")
async def show_public_key(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The keys that sign now, one on each line."""
    Parameters.of(request, ())
    anybody = await _anybody(request, services)
    vkeys = await services.database.run(services.prover.vkeys, anybody)
    return answer("".join(f"{vkey}\n" for vkey in vkeys).encode(), media_type=TEXT, headers=_FOR_A_SECOND)


@get(LOG + "/tile/{path:path}", name="api.show_public_tile")
async def show_public_tile(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """A tile of hashes, or a bundle of entries, as bytes."""
    Parameters.of(request, ())
    anybody = await _anybody(request, services)
    prefix = f"/log/{request.path_params['origin_id']}/"
    tile = tile_named(request.scope["path"].removeprefix(prefix))
    return answer(await services.database.run(services.prover.tile, anybody, tile), media_type=BYTES, headers=_FOR_EVER)


@get(LOG + "/consistency", name="api.show_public_consistency")
async def show_public_consistency(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The hashes that show that the log has only grown from one size to another."""
    parameters = Parameters.of(request, CONSISTENCY)
    anybody = await _anybody(request, services)
    hashes = await services.database.run(services.prover.consistency, anybody, *sizes_asked(parameters))
    return answer(hash_lines(hashes).encode(), media_type=TEXT, headers=_FOR_EVER)


async def _anybody(request: Request[Any, Any, Any], services: ApiServices) -> Scope:
    """The scope of anybody in this log; TooMany for an address that asks too often, NotFound (`no_log`)."""
    services.public_reads.take(caller_of(request, services).address)
    return await services.database.run(partial(_scope, services, request.path_params["origin_id"]))


def _scope(services: ApiServices, origin_id: str) -> Scope:
    with services.database.read() as connection:
        return public_scope(connection, origin_id)
