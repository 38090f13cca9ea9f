"""The trial's folder, above the rooms and below the commands: it composes what they do, stage by stage."""

from trialkit.trial.draws import Committed
from trialkit.trial.folder import Trial

__all__ = ["Committed", "Trial"]
