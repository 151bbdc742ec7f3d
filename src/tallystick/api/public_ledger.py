"""A log that everybody may read: /log/<random id>, as C2SP tlog-tiles lays it out. It reveals no event."""

from typing import Any

from litestar import Request, Response, get

from tallystick.api.answers import encoded_answer
from tallystick.api.authorization import caller_of
from tallystick.api.dependencies import ApiServices
from tallystick.api.ledger import BYTES, HASHES, KEYS, NOTE, TEXT, TILE, parse_tile, proof_sizes
from tallystick.api.operation import operation
from tallystick.api.parameters import Parameters
from tallystick.integrity.publish import public_scope
from tallystick.ledger.notes import hash_lines
from tallystick.query.scope import Scope

LOG = "/log/{origin_id:str}"
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_ONE_SECOND = {"Cache-Control": "public, max-age=1"}


@get(LOG + "/checkpoint", opt=operation("Proofs", **NOTE))
async def show_public_checkpoint(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get the signed checkpoint of a public log.

    Takes no key. Available if an owner of the organization made the log public.
    """
    Parameters.of(request)
    reader = await _public_reader(request, services)
    checkpoint = await services.database.run(services.prover.checkpoint, reader)
    return encoded_answer(checkpoint.note.encode(), TEXT, headers=_ONE_SECOND)


@get(LOG + "/key", opt=operation("Proofs", **KEYS))
async def show_public_key(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get the signing keys of a public log.

    Takes no key. Available if an owner of the organization made the log public.
    """
    Parameters.of(request)
    reader = await _public_reader(request, services)
    vkeys = await services.database.run(services.prover.vkeys, reader)
    return encoded_answer("".join(f"{vkey}\n" for vkey in vkeys).encode(), TEXT, headers=_ONE_SECOND)


@get(LOG + "/tile/{path:path}", opt=operation("Proofs", **TILE))
async def show_public_tile(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get a tile of a public log.

    Takes no key. Available if an owner of the organization made the log public.
    """
    Parameters.of(request)
    reader = await _public_reader(request, services)
    prefix = f"/log/{request.path_params['origin_id']}/"
    tile = parse_tile(request.scope["path"].removeprefix(prefix))
    return encoded_answer(await services.database.run(services.prover.tile, reader, tile), BYTES, headers=_FOREVER)


@get(LOG + "/consistency", opt=operation("Proofs", **HASHES))
async def show_public_consistency(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get a consistency proof of a public log.

    Takes no key. Available if an owner of the organization made the log public.
    """
    parameters = Parameters.of(request)
    reader = await _public_reader(request, services)
    hashes = await services.database.run(services.prover.consistency, reader, *proof_sizes(parameters))
    return encoded_answer(hash_lines(hashes).encode(), TEXT, headers=_FOREVER)


async def _public_reader(request: Request[Any, Any, Any], services: ApiServices) -> Scope:
    """The scope of the public in this log. Raises TooMany if an address asks too often, and NotFound (`no_log`)."""
    services.public_reads.take(caller_of(request, services).address)
    return await services.database.run(_public_scope, services, request.path_params["origin_id"])


def _public_scope(services: ApiServices, origin_id: str) -> Scope:
    with services.database.read() as connection:
        return public_scope(connection, origin_id)
