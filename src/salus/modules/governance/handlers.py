"""What happens: one function a message."""

from msgspec.structs import replace

from salus.base.codec import Malformed
from salus.base.errors import Refusal
from salus.machine.context import Context
from salus.machine.module import Action
from salus.modules.governance import queries, refusals, rules
from salus.modules.governance.events import Accepted, Proposed, Rejected, Voted, Withdrawn
from salus.modules.governance.messages import Propose, Vote, Withdraw
from salus.modules.governance.state import AGENDA, OPEN, PROPOSAL, AgendaRow, Due, Open, Proposal
from salus.modules.members import queries as members


def propose(ctx: Context, msg: Propose) -> None:
    """
    Ask the members; decide at once if the proposer's own yes is enough.

    Writes `governance.proposal`, `.open`, perhaps `.agenda`; emits `Proposed`, perhaps `Accepted`
    or `Rejected`. Refuses, in this order: ProposalExists, TooManyOpen, ClosesOutOfRange,
    ActivationOutOfRange, ActionInvalid (unreadable), SubjectNotAlone, ActionInvalid (refused by its
    module), AgendaFull.
    """
    # Check.
    if queries.proposal(ctx, msg.proposal) is not None:
        raise refusals.ProposalExists(proposal=msg.proposal)
    still_open = queries.open_proposals(ctx, ctx.member)
    if len(still_open) >= rules.OPEN_MAX:
        raise refusals.TooManyOpen(limit=rules.OPEN_MAX)
    if not rules.is_close_time(msg.closes_ms, ctx.time_ms):
        raise refusals.ClosesOutOfRange(closes_ms=msg.closes_ms, block_ms=ctx.time_ms)
    if not rules.is_activation(msg.activation_height, ctx.height):
        asked = msg.activation_height or 0
        raise refusals.ActivationOutOfRange(activation_height=asked, height=ctx.height)
    actions = [_read_action(ctx, position, data) for position, data in enumerate(msg.actions)]
    subject = _only_subject(ctx, actions)
    for position, action in enumerate(actions):
        _check_action(ctx, position, action)
    proposal = Proposal(
        proposer=ctx.member,
        actions=msg.actions,
        closes_ms=msg.closes_ms,
        yes=[] if subject == ctx.member else [ctx.member],
        no=[],
        status="open",
        activation_height=msg.activation_height,
        subject=subject,
    )
    _check_agenda(ctx, proposal)

    # Change and tell.
    ctx.write(OPEN, Open(proposals=[*still_open, msg.proposal]), ctx.member)
    ctx.emit(Proposed(proposal=msg.proposal, proposer=ctx.member))
    _decide(ctx, msg.proposal, proposal)


def vote(ctx: Context, msg: Vote) -> None:
    """
    Count a member's yes or no, and all others' anew from the roster.

    Writes `governance.proposal`, perhaps `.agenda`; emits `Voted`, perhaps `Accepted` or
    `Rejected`. Refuses, in this order: ProposalUnknown, ProposalClosed, SubjectMayNotVote,
    SameVote, AgendaFull.
    """
    # Check.
    proposal = _open_proposal(ctx, msg.proposal)
    if proposal.subject == ctx.member:
        raise refusals.SubjectMayNotVote(proposal=msg.proposal)
    if ctx.member in (proposal.yes if msg.yes else proposal.no):
        raise refusals.SameVote(proposal=msg.proposal)
    voted = replace(
        proposal,
        yes=rules.with_vote(proposal.yes, ctx.member, voted=msg.yes),
        no=rules.with_vote(proposal.no, ctx.member, voted=not msg.yes),
    )
    _check_agenda(ctx, voted)

    # Change and tell.
    ctx.emit(Voted(proposal=msg.proposal, member=ctx.member, yes=msg.yes))
    _decide(ctx, msg.proposal, voted)


def withdraw(ctx: Context, msg: Withdraw) -> None:
    """
    Take back one's own open proposal.

    Writes `governance.proposal`; emits `Withdrawn`.
    Refuses, in this order: ProposalUnknown, ProposalClosed, NotProposer.
    """
    # Check.
    proposal = _open_proposal(ctx, msg.proposal)
    if proposal.proposer != ctx.member:
        raise refusals.NotProposer(proposal=msg.proposal)

    # Change.
    ctx.write(PROPOSAL, replace(proposal, status="withdrawn"), msg.proposal)

    # Tell.
    ctx.emit(Withdrawn(proposal=msg.proposal))


def _read_action(ctx: Context, position: int, data: bytes) -> Action:
    try:
        return ctx.declared.action(data)
    except Malformed:
        raise refusals.ActionInvalid(position=position, reason=0) from None


def _only_subject(ctx: Context, actions: list[Action]) -> bytes | None:
    """The member the one action is about, or None; its vote must not be bought by other actions."""
    subjects = [ctx.declared.rule(action).subject(action) for action in actions]
    for position, subject in enumerate(subjects):
        if subject is not None and len(actions) > 1:
            raise refusals.SubjectNotAlone(position=position)
    return subjects[0]


def _check_action(ctx: Context, position: int, action: Action) -> None:
    try:
        ctx.declared.rule(action).validate(ctx, action)
    except Refusal as refusal:
        raise refusals.ActionInvalid(position=position, reason=refusal.code) from refusal


def _open_proposal(ctx: Context, proposal_id: bytes) -> Proposal:
    proposal = queries.proposal(ctx, proposal_id)
    if proposal is None:
        raise refusals.ProposalUnknown(proposal=proposal_id)
    if not rules.is_open(proposal, ctx.time_ms):
        raise refusals.ProposalClosed(proposal=proposal_id)
    return proposal


def _check_agenda(ctx: Context, proposal: Proposal) -> None:
    accepted = rules.verdict(proposal, members.roster(ctx)) == "accepted"
    if accepted and len(queries.agenda(ctx)) >= rules.AGENDA_MAX:
        raise refusals.AgendaFull(limit=rules.AGENDA_MAX)


def _decide(ctx: Context, proposal_id: bytes, proposal: Proposal) -> None:
    """Write the proposal with the verdict on it, enter an accepted one on the agenda, tell."""
    verdict = rules.verdict(proposal, members.roster(ctx))
    ctx.write(PROPOSAL, replace(proposal, status=verdict), proposal_id)
    if verdict == "accepted":
        due = Due(height=rules.due_height(proposal, ctx.height), proposal=proposal_id)
        ctx.write(AGENDA, AgendaRow(entries=rules.with_due(queries.agenda(ctx), due)))
        ctx.emit(Accepted(proposal=proposal_id, height=due.height))
    elif verdict == "rejected":
        ctx.emit(Rejected(proposal=proposal_id))
