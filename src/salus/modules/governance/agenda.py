"""What falls due: accepted proposals, carried out at the start of a block."""

from msgspec.structs import replace

from salus.base.errors import Fault, Refusal
from salus.machine.context import Context, View
from salus.machine.module import Agenda
from salus.modules.governance import queries
from salus.modules.governance.events import ActionsFailed, Applied
from salus.modules.governance.state import AGENDA, PROPOSAL, AgendaRow


def next_due(view: View) -> int | None:
    """Height of the next entry, or None."""
    entries = queries.agenda(view)
    return entries[0].height if entries else None


def apply_due(ctx: Context) -> None:
    """
    Carry out every entry due at the context's height, in order.

    An action is checked on the state that those before it left; is one refused, none of its
    proposal happens. Emits `Applied` or `ActionsFailed`.
    """
    entries = queries.agenda(ctx)
    due = [entry.proposal for entry in entries if entry.height <= ctx.height]
    ctx.write(AGENDA, AgendaRow(entries=entries[len(due) :]))
    for proposal in due:
        _carry_out(ctx, proposal)


def _carry_out(ctx: Context, proposal_id: bytes) -> None:
    proposal = queries.proposal(ctx, proposal_id)
    if proposal is None:
        raise Fault("governance: the agenda names a proposal without a row")
    position = 0
    try:
        with ctx.attempt():
            for position, data in enumerate(proposal.actions):  # noqa: B007 (the refused position)
                action = ctx.declared.action(data)
                rule = ctx.declared.rule(action)
                rule.validate(ctx, action)
                rule.apply(ctx, action)
    except Refusal as refusal:
        ctx.write(PROPOSAL, replace(proposal, status="failed"), proposal_id)
        ctx.emit(ActionsFailed(proposal=proposal_id, position=position, code=refusal.code))
    else:
        ctx.write(PROPOSAL, replace(proposal, status="applied"), proposal_id)
        ctx.emit(Applied(proposal=proposal_id))


WHAT_FALLS_DUE = Agenda(next_due, apply_due)
