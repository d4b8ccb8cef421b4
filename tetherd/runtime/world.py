"""What all session actors stand on, and what it says of a session's agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tetherd.agents.missing import MissingAdapter
from tetherd.agents.trust import Trust
from tetherd.control import fresh_run_id
from tetherd.domain.commands import Command, SetFrozen
from tetherd.domain.ids import RunId
from tetherd.domain.limits import NO_LIMITS, Limits
from tetherd.domain.session import Session
from tetherd.errors import Misconfigured, Rejected
from tetherd.plugin import AgentAdapter, Launch, LaunchSpec, takes_images
from tetherd.runtime.agent_host import AgentHost
from tetherd.runtime.conversations import Conversations
from tetherd.storage.eventlog import EventLog
from tetherd.storage.runs import RunStore
from tetherd.storage.views import Views


class CannotLaunch(Rejected):
    """The adapter says that its agent cannot be started like this."""

    code = "cannot_launch"
    status = 422


class NoImages(Rejected):
    """The agent would never see them."""

    code = "no_images"
    status = 422
    hint = "send the text alone"

    def __init__(self, adapter: str) -> None:
        super().__init__(f"the agent {adapter} takes no images")


class CannotFreeze(Rejected):
    """A detached process."""

    code = "cannot_freeze"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The same for all actors."""

    log: EventLog
    views: Views
    runs: RunStore
    agents: AgentHost
    adapters: Mapping[str, AgentAdapter]
    trust: Trust = field(default_factory=lambda: Trust(()))
    conversations: Conversations = field(default_factory=Conversations)
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What an adapter's agents get of our environment, by the adapter's name."""
    limits: Callable[[str], Limits] = lambda _adapter: NO_LIMITS
    """What the settings say of an adapter's agents."""
    fresh_run_id: Callable[[], RunId] = fresh_run_id

    def adapter(self, name: str) -> AgentAdapter:
        """The adapter of a session that exists, also when it has been uninstalled since."""
        return self.adapters.get(name) or MissingAdapter(name)

    def require_images(self, name: str) -> None:
        """Raises NoImages when the adapter sends none."""
        if not takes_images(self.adapter(name)):
            raise NoImages(name)

    def require_freezable(self, session: Session, command: Command) -> None:
        """Raises CannotFreeze where the command wants an agent frozen that has no control group of its own."""
        wants = isinstance(command, SetFrozen) and command.frozen and session.run_id is not None and session.is_live
        if wants and not session.external and not self.agents.can_freeze(session.run_id or RunId("")):
            raise CannotFreeze("this agent has no unit of systemd, which is what could be frozen")

    def spec(self, session: Session) -> LaunchSpec:
        """The session's current run, for its adapter."""
        assert session.run_id is not None
        directory = session.directory or "/"
        return LaunchSpec(
            session_id=session.session_id,
            run_id=session.run_id,
            directory=directory,
            mode=session.mode,
            vendor_session_id=session.vendor_session_id,
            fork_of=session.fork_of if session.vendor_session_id is None else None,
            is_trusted=self.trust.covers(directory),
            settings=self.settings.get(session.adapter, {}),
            environment=self.environments.get(session.adapter, {}),
        )

    def launch(self, session: Session, spec: LaunchSpec) -> Launch:
        """How the run is started; its conversation is the session's from now on. Raises Rejected."""
        try:
            launch = self.adapter(session.adapter).launch(spec)
        except Misconfigured as error:
            raise CannotLaunch(str(error)) from error
        self.conversations.open(session.adapter, launch.conversation, session.session_id)
        return replace(launch, limits=session.limits.over(self.limits(session.adapter)))
