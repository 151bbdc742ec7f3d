"""The inclusion proof of one event: a line in its panel, and the file to download."""

from dataclasses import dataclass

import msgspec
from litestar import Response, get

from tallystick.clock import second_words
from tallystick.database.engine import Database
from tallystick.ledger import log as ledger_log
from tallystick.ledger.log import LedgerDamaged
from tallystick.ledger.prover import Prover, entry_of_event, evidence, proof_text
from tallystick.ledger.signer import Checkpoint
from tallystick.query.scope import Scope
from tallystick.search.find import Finder
from tallystick.verify.tree import Unproven, check_inclusion, leaf_hash
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import DatabaseDep, FinderDep, PoolsDep, ProverDep, UserScopeDep, ViewerDep, WebRequest
from tallystick.web.event_panel import event_not_found, find_event
from tallystick.web.filters import PATH
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.templating import html


@dataclass(frozen=True, slots=True)
class ProofLine:
    """The state of an event's proof; `problem` says why it could not be verified."""

    event_id: str
    index: int
    frozen: bool
    checkpoint: Checkpoint | None = None
    signed_at: str = ""
    problem: str = ""


@get(PATH + "/{event_id:str}/proof", name="web.audit_logs.proof", opt=EVERY_ROLE)
async def show_proof(
    request: WebRequest,
    event_id: str,
    user_scope: UserScopeDep,
    database: DatabaseDep,
    pools: PoolsDep,
    finder: FinderDep,
    prover: ProverDep,
) -> Response[str]:
    """The line in the panel; the proof is computed and verified for this request."""
    filters = filters_of(request)
    zone = filters.zone

    def prove() -> ProofLine:
        line = _prove(database, finder, prover, user_scope, event_id)
        at = line.checkpoint.made_at if line.checkpoint else 0
        words = second_words(at, zone)
        return ProofLine(event_id, line.index, line.frozen, line.checkpoint, words, line.problem)

    return html("proof_line.html", proof=await pools.searches.run(user_scope, prove), filters=filters)


@get(PATH + "/{event_id:str}/proof.json", name="web.audit_logs.proof_file", opt=EVERY_ROLE)
async def download_proof(
    event_id: str, user_scope: UserScopeDep, pools: PoolsDep, finder: FinderDep, prover: ProverDep, viewer: ViewerDep
) -> Response[bytes]:
    """The proof with the event's parts as JSON, as the API returns it and `tallystick verify` reads it."""

    def build() -> bytes:
        event = find_event(finder, user_scope, event_id)
        if event is None:
            raise event_not_found()
        proof = prover.inclusion(user_scope, event.index)
        document = {"index": event.index, "size": proof.checkpoint.size, "event": evidence(event)}
        return msgspec.json.encode(document | {"proof": proof_text(proof, event)})

    headers = {"Content-Disposition": f'attachment; filename="{event_id}.proof.json"'}
    content = await pools.searches.run(user_scope, build)
    viewer.note_event(event_id, is_supplement=True)
    return Response(content, media_type="application/json", headers=headers)


def _prove(database: Database, finder: Finder, prover: Prover, scope: Scope, event_id: str) -> ProofLine:
    event = find_event(finder, scope, event_id)
    if event is None:
        raise event_not_found()
    with database.read() as connection:
        frozen = ledger_log.read(connection, scope.org_id).frozen_reason is not None
    try:
        proof = prover.latest_inclusion(scope, event.index)
        if proof is None:
            return ProofLine(event_id, event.index, frozen)
        leaf = leaf_hash(entry_of_event(event))
        check_inclusion(event.index, proof.checkpoint.size, leaf, proof.hashes, proof.checkpoint.root)
    except (Unproven, ValueError):
        problem = "the stored event differs from what was recorded. Tell the operator."
        return ProofLine(event_id, event.index, frozen, problem=problem)
    except LedgerDamaged as damage:
        return ProofLine(event_id, event.index, frozen, problem=damage.detail)
    return ProofLine(event_id, event.index, frozen, proof.checkpoint)
