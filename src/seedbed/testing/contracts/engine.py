"""The contract of every engine: all that is not optional."""

from __future__ import annotations

from seedbed.testing.contracts.apply import ApplyContract
from seedbed.testing.contracts.history import HistoryContract
from seedbed.testing.contracts.honesty import HonestyContract
from seedbed.testing.contracts.lease import LeaseContract
from seedbed.testing.contracts.load import LoadContract
from seedbed.testing.contracts.recalled import RecalledContract
from seedbed.testing.contracts.resume import ResumeContract
from seedbed.testing.contracts.seeds import SeedContract
from seedbed.testing.contracts.unmigrated import UnmigratedContract


class EngineContract(
    HistoryContract,
    ApplyContract,
    ResumeContract,
    LeaseContract,
    LoadContract,
    HonestyContract,
    SeedContract,
    UnmigratedContract,
    RecalledContract,
):
    """What every engine promises. Subclass it and give a fixture `harness`."""
